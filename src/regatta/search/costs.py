"""How long trials take, and which of them there is time for."""

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import chain
from statistics import median

from regatta.artifacts.records import Recipe, TrialRecord
from regatta.learners.base import Learner, Shape
from regatta.learners.epochs import Schedule

__all__ = [
    "Costs",
    "again_seconds",
    "draws_of",
    "encode_again_seconds",
    "fit_again_seconds",
    "learns_by_epochs",
    "least_draws",
    "whole_seconds",
    "whole_trees",
]

# A trial may be expected to take so many times its share of the time, or, where no smaller one is
# possible, of what is left: its deadline ends it.
HOPE, HOPE_AT_MOST = 1.5, 2.0
SAMPLE_STEP = 4
SAMPLE_LEAST = 20_000
# An estimate that no trial has corrected may be so many times too high.
DOUBT = 3.0
LEAST_ESTIMATE = 1e-3
# A fit of all rows may take longer than that of a fold by more than their numbers say. Before the
# rows are counted: those of a fold, and of the locked ones, are about half as many again.
WHOLE_LONGER, WHOLE_MORE = 1.2, 1.5
# The gain of each further network is smaller.
NETWORKS, NETWORKS_AT_MOST = 3, 5
LEAST_DRAWS = 2
# Of a network's epochs on a fold, those that it did not wait in vain; it is less in most cases.
USEFUL_EPOCHS = 0.5


def whole_seconds(record: TrialRecord, more: float = WHOLE_MORE) -> float:
    """Return how long a trial's fit of all rows will take, in seconds.

    Parameters
    ----------
    record : TrialRecord
        The trial of the folds.
    more : float, default 1.5
        How many times the rows of a fold all rows are.
    """
    trees = (record.learnt or {}).get("n_trees")
    part = whole_trees(record) / trees if trees else 1.0
    if learns_by_epochs(record) and not record.truncated:
        part = USEFUL_EPOCHS
    return WHOLE_LONGER * more * part * _of_a_fold(record.own_seconds, record)


def whole_trees(record: TrialRecord) -> int:
    """Return the trees of a forest on all rows: as wanted, or as many as all folds have grown.

    Parameters
    ----------
    record : TrialRecord
        The trial of the folds, which time may have cut short.
    """
    grown = (record.learnt or {})["n_trees"] * max(len(record.fold_scores), 1)
    return int(min(record.recipe.params["n_trees"], round(grown)))


def least_draws(record: TrialRecord) -> int:
    """Return how many fits of all rows are worth more than the models of the folds.

    One tree model is, for it has more rows. Networks differ by chance so much that their number
    counts more: on nine tables three of them were about as good as those of five folds, one was
    not.

    Parameters
    ----------
    record : TrialRecord
        The trial of the folds.
    """
    return min(NETWORKS, len(record.fold_scores)) if learns_by_epochs(record) else 1


def learns_by_epochs(record: TrialRecord) -> bool:
    """Return whether the trial's folds have found the schedule of a network."""
    return Schedule.among(record.learnt or {}) is not None


def draws_of(record: TrialRecord, most: int) -> int:
    """Return how often a trial may be fitted on all rows: as there were folds, but for a holdout.

    Parameters
    ----------
    record : TrialRecord
        The trial of the folds.
    most : int
        The most for any trial; 1 where size and time are limited. Networks, which are small, may
        have more of what is not limited.
    """
    learnt, n_folds = record.learnt or {}, len(record.fold_scores)
    if learns_by_epochs(record):
        return NETWORKS_AT_MOST if most > 1 else min(n_folds, NETWORKS_AT_MOST)
    # A forest is a mean of draws as it is, and other learners draw nothing.
    return min(most, max(n_folds, LEAST_DRAWS)) if "n_rounds" in learnt else 1


def again_seconds(record: TrialRecord, draws: int = 1) -> float:
    """Return how long it will take to fit a trial again, whole or fold by fold, in seconds.

    Parameters
    ----------
    record : TrialRecord
        The trial of the folds.
    draws : int, default 1
        How many times as many fits as are worth more than the folds, where others draw anew.

    Notes
    -----
    Encoding is not in it (`encode_again_seconds`).
    """
    one = fit_again_seconds(record)
    if record.learnt is None:
        return one
    return min(draws * least_draws(record), draws_of(record, draws)) * one


def fit_again_seconds(record: TrialRecord) -> float:
    """Return how long one of these fits takes, or all folds, one after the other, in seconds."""
    return record.own_seconds if record.learnt is None else whole_seconds(record)


def encode_again_seconds(record: TrialRecord, more: float = WHOLE_MORE) -> float:
    """Return how long it will take to encode the rows of a trial's fit, in seconds.

    Parameters
    ----------
    record : TrialRecord
        The trial of the folds.
    more : float, default 1.5
        How many times the rows of a fold all rows are.
    """
    if record.learnt is None:
        return record.encode_seconds
    return more * _of_a_fold(record.encode_seconds, record)


def _of_a_fold(seconds: float, record: TrialRecord) -> float:
    """Return what one fold took of a trial; if none is done, it was at work on the first."""
    return seconds / max(len(record.fold_scores), 1)


class Costs:
    """How long trials take: estimated by their learners, corrected by those that are over.

    A learner's estimate says how its time grows with rows and parameters; trials say how slow this
    machine and this table are.

    Parameters
    ----------
    shape : Shape
        Size of one fold's training rows.
    learner : callable
        ``learner(key) -> Learner``.
    """

    def __init__(self, shape: Shape, learner: Callable[[str], Learner]) -> None:
        self._shape, self._learner = shape, learner
        self._ratios: dict[str, dict[int, list[float]]] = {}

    def learn(self, record: TrialRecord) -> None:
        """Take note of a trial, of the folds that it did before it was given up.

        One that was killed has told nothing of its folds: it was at work on the first, for whoever
        has done one knows how many there is time for.
        """
        if record.status in ("ok", "stopped", "timeout"):
            ratio = _of_a_fold(record.own_seconds, record) / self._estimate(record.recipe)
            known = self._ratios.setdefault(record.recipe.learner, {})
            known.setdefault(record.recipe.rows or self._shape.n_rows, []).append(ratio)

    def expect(self, recipe: Recipe, n_folds: int) -> float:
        """Return how long a trial of some folds should take, in seconds.

        Of a learner that has not been tried here the least that is likely is returned, for its
        estimate may be far too high.
        """
        estimate = n_folds * self._estimate(recipe)
        if known := self._ratios.get(recipe.learner):
            rows = recipe.rows or self._shape.n_rows
            near = min(known, key=lambda other: abs(other - rows))
            return estimate * median(known[near])
        others = [median(chain(*ratios.values())) for ratios in self._ratios.values()]
        return estimate * median(others or [1.0]) / DOUBT

    def affordable(self, recipe: Recipe, n_folds: int, share: float, left: float) -> Recipe | None:
        """Return a recipe that there is time for: as it is, or with fewer rows.

        A model that has learnt a sample to the end is better than one of all rows that was
        stopped in the middle; but that one is better than none.

        Parameters
        ----------
        recipe : Recipe
            What is proposed.
        n_folds : int
            Number of folds.
        share : float
            Time that one trial should take, in seconds.
        left : float
            Time left, in seconds.

        Returns
        -------
        Recipe or None
            None when even a part of the fit would take too long. Samples are a power of
            `SAMPLE_STEP` below all rows: few sizes, because each is encoded for itself.
        """
        share = min(share, left)
        if self.expect(recipe, n_folds) <= HOPE * share:
            return recipe
        rows = (recipe.rows or self._shape.n_rows) // SAMPLE_STEP
        while rows >= SAMPLE_LEAST:
            smaller = replace(recipe, rows=rows)
            if self.expect(smaller, n_folds) <= share:
                return smaller
            rows //= SAMPLE_STEP
        return recipe if self.expect(recipe, n_folds) <= HOPE_AT_MOST * left else None

    def _estimate(self, recipe: Recipe) -> float:
        """Return what the learner says of one fold, in seconds."""
        learner = self._learner(recipe.learner)
        shape = replace(self._shape, n_rows=recipe.rows or self._shape.n_rows)
        params = {**learner.defaults(shape), **recipe.params}
        seconds = learner.fit_seconds(shape, params)
        return max(seconds, LEAST_ESTIMATE) if math.isfinite(seconds) else LEAST_ESTIMATE
