"""The strategies: which recipes a race begins with, and who goes on after them.

With a number of trials (``search.max_trials``) every recipe is fixed beforehand, so that the
leaderboard depends on the seed alone. Then random draws take the place of Bayesian refinement,
whose proposals depend on which trial ended first, and on which lane heard of it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Literal

from regatta.artifacts.records import Recipe
from regatta.learners.base import Learner, Shape, Space
from regatta.search.halving import brackets, rungs
from regatta.search.portfolio import portfolio
from regatta.search.space import KINDS, draw, grid
from regatta.search.user_spaces import within
from regatta.settings import RunSettings

__all__ = ["FIRSTS", "RANKED", "Queues", "Refine", "deal", "queues"]

Refine = Literal["bayes", "random", "halving", "none"]

FIRSTS = ("user", "ledger")
"""Origins of the recipes that are raced before those of the strategy."""

RANKED = ("portfolio", "bayes")
"""Strategies that begin with recipes of the portfolio, the safest first."""

# Recipes that the plan of an endless strategy names; the lanes draw further ones themselves.
DRAWN_AHEAD = 40
GRID_LEVELS = 3
GRID_MOST = 2_000


@dataclass(frozen=True)
class Queues:
    """What the lanes begin with.

    Attributes
    ----------
    lanes : tuple of tuple of Recipe
        Queue of each lane.
    refine : {"bayes", "random", "halving", "none"}
        Who proposes recipes when a queue is empty.
    trials : tuple of int
        Most trials of each lane, retries not counted; 0: as many as the budget holds.
    """

    lanes: tuple[tuple[Recipe, ...], ...]
    refine: Refine
    trials: tuple[int, ...]


def queues(
    learners: Mapping[str, Learner],
    spaces: Mapping[str, Space],
    shape: Shape,
    settings: RunSettings,
    *,
    n_texts: int = 0,
    also: Sequence[Mapping[str, Any]] = (),
    firsts: Iterable[Recipe] = (),
) -> Queues:
    """Return the queues of all lanes.

    Parameters
    ----------
    learners : mapping of str to Learner
        Learners that race.
    spaces : mapping of str to Space
        What is searched of each.
    shape : Shape
        Size of one fold's training rows.
    settings : RunSettings
        Settings of the run.
    n_texts : int, default 0
        Columns of text among the features.
    also : sequence of mapping, default ()
        Parameters with which the first recipes are tried once more (`regatta.search.portfolio`).
    firsts : iterable of Recipe
        What is raced before all else.
    """
    search = settings.search
    ahead = _distinct(firsts)
    if search.strategy == "halving":
        ranked = portfolio(learners, shape, settings.budget.seconds, also=also)
        ranked = within(ranked, spaces, search.spaces)
        return _halving(ahead, ranked, spaces, shape, settings)
    then, refine = _strategy(learners, spaces, shape, settings, n_texts, also)
    # What did well on an earlier run may take long: the model that is there at once stays ahead.
    quick = then[:1] if search.strategy in RANKED else []
    users = [recipe for recipe in ahead if recipe.origin == "user"]
    recipes = _distinct([*users, *quick, *ahead, *then])
    n_lanes, most = search.lanes, search.max_trials
    if most:
        if refine != "none":
            recipes += _drawn(spaces, settings.seed, most - len(recipes))
        recipes, refine = _numbered(recipes[:most]), "none"
    if refine == "none":
        n_lanes = max(1, min(n_lanes, len(recipes)))
    lanes = deal(recipes, n_lanes)
    return Queues(lanes, refine, tuple(len(lane) if most else 0 for lane in lanes))


def deal(recipes: list[Recipe], n_lanes: int) -> tuple[tuple[Recipe, ...], ...]:
    """Deal recipes out to lanes, so that every lane begins with good ones.

    Parameters
    ----------
    recipes : list of Recipe
        Best first.
    n_lanes : int
        Number of lanes.

    Examples
    --------
    >>> lanes = deal([Recipe(key) for key in "abcde"], 2)
    >>> [[recipe.learner for recipe in lane] for lane in lanes]
    [['a', 'c', 'e'], ['b', 'd']]
    """
    return tuple(tuple(recipes[lane::n_lanes]) for lane in range(n_lanes))


def _strategy(
    learners: Mapping[str, Learner],
    spaces: Mapping[str, Space],
    shape: Shape,
    settings: RunSettings,
    n_texts: int,
    also: Sequence[Mapping[str, Any]],
) -> tuple[list[Recipe], Refine]:
    """Return the recipes of a strategy, best first, and who goes on after them."""
    strategy, seed = settings.search.strategy, settings.seed
    ahead = settings.search.max_trials or DRAWN_AHEAD * settings.search.lanes
    if strategy == "random":
        return _drawn(spaces, seed, ahead), "random"
    if strategy == "grid":
        return _grid(spaces, seed, settings.search.max_trials or GRID_MOST), "none"
    ranked = portfolio(learners, shape, settings.budget.seconds, n_texts, also=also)
    ranked = within(ranked, spaces, settings.search.spaces)
    if strategy == "bayes":
        firsts: dict[str, Recipe] = {}
        for recipe in ranked:
            kind = [recipe.params.get(name) for name in KINDS]
            key = f"{recipe.learner} {recipe.rows > 0} {kind}"
            firsts.setdefault(key, recipe)
        return list(firsts.values()), settings.search.refine
    return ranked, settings.search.refine


def _halving(
    ahead: list[Recipe],
    ranked: list[Recipe],
    spaces: Mapping[str, Space],
    shape: Shape,
    settings: RunSettings,
) -> Queues:
    """Return the first rungs of the brackets of each lane: the portfolio's recipes, then draws."""
    most, n_lanes = settings.search.max_trials, settings.search.lanes
    ahead = _numbered(ahead[:most] if most else ahead)
    contests = list(
        islice(
            brackets(len(rungs(shape.n_rows)), most - len(ahead) if most else None, len(ahead)),
            None if most else DRAWN_AHEAD * n_lanes,
        )
    )
    wanted = sum(contest.size for contest in contests) if most else DRAWN_AHEAD * n_lanes
    base = _distinct([*ahead, *(replace(recipe, rows=0) for recipe in ranked)])[len(ahead) :]
    base = base[:wanted]
    base += _drawn(spaces, settings.seed, wanted - len(base))
    n_lanes = max(1, min(n_lanes, max(len(ahead), len(contests))))
    lanes = [list(lane) for lane in deal(ahead, n_lanes)]
    trials = [len(lane) if most else 0 for lane in lanes]
    for place, contest in enumerate(contests):
        lanes[place % n_lanes] += base[: contest.size]
        trials[place % n_lanes] += contest.total if most else 0
        del base[: contest.size]
    return Queues(tuple(map(tuple, lanes)), "halving", tuple(trials))


def _numbered(recipes: list[Recipe]) -> list[Recipe]:
    """Give recipes their numbers."""
    return [replace(recipe, number=number) for number, recipe in enumerate(recipes)]


def _distinct(recipes: Iterable[Recipe]) -> list[Recipe]:
    """Leave out recipes that try what an earlier one tries, whoever proposed them."""
    found: dict[str, Recipe] = {}
    for recipe in recipes:
        tried = f"{recipe.learner} {recipe.rows} {sorted(recipe.params.items())}"
        found.setdefault(tried, recipe)
    return list(found.values())


def _drawn(spaces: Mapping[str, Space], seed: int, count: int) -> list[Recipe]:
    """Draw recipes at random, the learners in turn."""
    from regatta.search.sampler import RandomProposer

    proposer = RandomProposer(spaces, seed)
    drawn = (proposer.ask() for _ in range(count))
    return [recipe for recipe in drawn if recipe is not None]


def _grid(spaces: Mapping[str, Space], seed: int, most: int) -> list[Recipe]:
    """Return grid points, the learners in turn, each learner's points in a shuffled order.

    In the order of the grid itself the first points would differ in one dimension only.
    """
    import numpy as np

    rng = np.random.default_rng(np.random.SeedSequence([seed, 4]))
    queues: list[list[Recipe]] = []
    for key, space in spaces.items():
        sizes = [GRID_LEVELS if p.kind != "choice" else len(p.choices) for p in space.values()]
        if int(np.prod(sizes, dtype=np.float64)) > 50_000:
            points = [draw(space, rng) for _ in range(most)]
        else:
            points = list(grid(space, GRID_LEVELS))
            points[1:] = [points[1:][i] for i in rng.permutation(len(points) - 1)]
        queues.append([Recipe(key, point, origin="grid") for point in points[:most]])
    turns = max((len(queue) for queue in queues), default=0)
    rounds = ([queue[turn] for queue in queues if turn < len(queue)] for turn in range(turns))
    return [recipe for round_ in rounds for recipe in round_][:most]
