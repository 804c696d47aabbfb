"""Successive halving: many recipes on few rows, the best of them on more, the winner on all.

A bracket is one such contest. It is raced by one lane, so what goes on to the next rung depends
on the bracket alone: not on how many lanes there are, nor on how fast they were. While a rung
waits for its last trial, idle cores begin the next bracket.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from regatta.artifacts.records import Recipe, TrialRecord
from regatta.evaluation.metrics import Metric
from regatta.search.retries import retried
from regatta.search.sampler import Proposer

__all__ = ["Bracket", "HalvingProposer", "brackets", "rungs"]

# One of so many goes on to the next rung, which has so many times the rows.
KEEP = 3
FACTOR = 4
MOST_RUNGS = 3
# Fewer rows tell little of what happens on all of them.
LEAST_ROWS = 500


def rungs(n_rows: int) -> tuple[int, ...]:
    """Return the rows of each rung; the last one is 0, which is all rows.

    Parameters
    ----------
    n_rows : int
        Training rows of a fold.

    Examples
    --------
    >>> rungs(16_000), rungs(3_000), rungs(900)
    ((1000, 4000, 0), (750, 0), (0,))
    """
    found = [0]
    rows = n_rows // FACTOR
    while len(found) < MOST_RUNGS and rows >= LEAST_ROWS:
        found.insert(0, rows)
        rows //= FACTOR
    return tuple(found)


@dataclass(frozen=True)
class Bracket:
    """One contest.

    Attributes
    ----------
    first : int
        Number of its first trial; the others follow, rung by rung.
    size : int
        Recipes on the first rung.
    rung : int
        Where they begin: 0 is the rung with the fewest rows.
    n_rungs : int
        Number of rungs of all brackets.
    """

    first: int
    size: int
    rung: int
    n_rungs: int

    @property
    def total(self) -> int:
        """Number of its trials."""
        return sum(self.size // KEEP**step for step in range(self.n_rungs - self.rung))


def brackets(n_rungs: int, trials: int | None = None, first: int = 0) -> Iterator[Bracket]:
    """Yield brackets until a number of trials is spent.

    Parameters
    ----------
    n_rungs : int
        Number of rungs.
    trials : int, optional
        Trials of all brackets together; None: endless.
    first : int, default 0
        Number of the first trial.

    Yields
    ------
    Bracket
        A whole one as long as there are trials for it. What is left goes to smaller ones, that
        begin on a higher rung.

    Examples
    --------
    >>> [(b.first, b.size, b.rung) for b in brackets(3, trials=20)]
    [(0, 9, 0), (13, 5, 1), (19, 1, 2)]
    """
    end = math.inf if trials is None else first + trials
    while first < end:
        sizes = range(KEEP ** (n_rungs - 1), 0, -1)
        fitting = (_bracket(first, size, n_rungs) for size in sizes)
        found = next(b for b in fitting if b.total <= end - first)
        yield found
        first += found.total


def _bracket(first: int, size: int, n_rungs: int) -> Bracket:
    """Return a bracket of a size, on the lowest rung from which one recipe reaches the last."""
    rung = n_rungs - 1
    while rung and size >= KEEP ** (n_rungs - rung):
        rung -= 1
    return Bracket(first, size, rung, n_rungs)


@dataclass
class _Heat:
    """A bracket at work: one rung of it."""

    rung: int
    number: int
    waiting: list[Recipe]
    racing: dict[int, Recipe] = field(default_factory=dict)
    done: list[tuple[float, int, Recipe]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.entered = len(self.waiting)


class HalvingProposer(Proposer):
    """Proposes the trials of some brackets.

    Parameters
    ----------
    source : Proposer
        Where the recipes of the first rungs come from.
    contests : iterator of Bracket
        Brackets of this lane.
    rows : tuple of int
        Rows of each rung, as `rungs` returns them.
    metric : Metric
        What the scores are in.

    References
    ----------
    Jamieson and Talwalkar, Non-stochastic best arm identification and hyperparameter
    optimization, AISTATS 2016.
    """

    def __init__(
        self, source: Proposer, contests: Iterator[Bracket], rows: tuple[int, ...], metric: Metric
    ) -> None:
        self._source, self._contests, self._rows, self._metric = source, contests, rows, metric
        self._heats: list[_Heat] = []

    def ask(self) -> Recipe | None:
        """Return a recipe of the oldest bracket that has one, or begin another."""
        heat = next((heat for heat in self._heats if heat.waiting), None) or self._begin()
        if heat is None:
            return None
        recipe = heat.waiting.pop(0)
        heat.racing[heat.number] = recipe
        asked = replace(recipe, rows=self._rows[heat.rung], number=heat.number)
        heat.number += 1
        return asked

    def tell(self, record: TrialRecord) -> None:
        """Take note of a trial; when it was the last of its rung, the best go on."""
        if retried(record.recipe):
            return
        heat = next((heat for heat in self._heats if record.number in heat.racing), None)
        if heat is None:
            return
        recipe = heat.racing.pop(record.number)
        if record.status == "ok" and record.score is not None:
            heat.done.append((self._metric.loss(record.score), record.number, recipe))
        if not heat.waiting and not heat.racing:
            self._heats.remove(heat)
            self._promote(heat)

    def _begin(self) -> _Heat | None:
        """Begin the next bracket; None when there is none."""
        bracket = next(self._contests, None)
        if bracket is None:
            return None
        drawn = (self._source.ask() for _ in range(bracket.size))
        recipes = [recipe for recipe in drawn if recipe is not None]
        if not recipes:
            return None
        self._heats.append(_Heat(bracket.rung, bracket.first, recipes))
        return self._heats[-1]

    def _promote(self, heat: _Heat) -> None:
        """Send the best of a rung to the next one."""
        if heat.rung + 1 == len(self._rows) or not heat.done:
            return
        best = sorted(heat.done, key=lambda entry: entry[:2])[: max(1, heat.entered // KEEP)]
        waiting = [replace(recipe, origin="halving") for *_, recipe in best]
        self._heats.insert(0, _Heat(heat.rung + 1, heat.number, waiting))
