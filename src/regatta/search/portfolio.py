"""The portfolio: recipes that are good on most tables, the safest and fastest first.

The order matters more than the list: one boosted model that is there within seconds, then one of
every family (they err differently, which is what an ensemble lives from), then varied recipes of
each family in turn. On large tables each family first sees a sample of the rows.
"""

from collections.abc import Mapping
from typing import Any

from regatta.artifacts.records import Recipe
from regatta.learners.base import Learner, Shape
from regatta.search.space import nearest_point

__all__ = ["FAMILIES", "portfolio", "sample_rows"]

FAMILIES = (
    *("lightgbm", "linear", "xgboost", "catboost", "extra_trees", "mlp", "random_forest"),
    *("hist_gradient_boosting", "nearest_neighbors", "svm"),
)
"""Order of the families; others follow in the order of their registration."""

# Cells of training rows up to which a first trial takes a few seconds.
QUICK_CELLS = 1_500_000
QUICK_ROWS = 2_000, 50_000
# Above this a fold is sampled before it is fitted whole.
LARGE_CELLS = 4_000_000

# To encode a text takes about as long as so many numbers.
CELLS_OF_TEXT = 40
QUICK_TEXT_CELLS = 300_000

# Changes of the defaults. A name that a learner does not have is left out, so that a family may
# change its parameters without breaking the race.
QUICK: dict[str, dict[str, Any]] = {
    "lightgbm": {"learning_rate": 0.1, "patience": 30},
    "xgboost": {"learning_rate": 0.1, "patience": 30},
}
VARIATIONS: dict[str, tuple[dict[str, Any], ...]] = {
    "lightgbm": (
        {"learning_rate": 0.03, "num_leaves": 8, "column_share": 0.5, "l2": 10.0},
        {"extra_trees": True, "num_leaves": 64, "column_share": 0.9},
        {"learning_rate": 0.04, "num_leaves": 128, "column_share": 0.6, "row_share": 0.7},
        {"learning_rate": 0.03, "num_leaves": 16, "min_rows": 40, "column_share": 0.4},
    ),
    "xgboost": (
        {"learning_rate": 0.04, "max_depth": 3, "column_share": 0.5},
        {"learning_rate": 0.04, "max_depth": 10, "min_weight": 10.0, "column_share": 0.6},
        {"learning_rate": 0.03, "max_depth": 5, "row_share": 0.9, "l2": 20.0},
    ),
    "catboost": (
        {"learning_rate": 0.04, "depth": 4, "random_strength": 2.0},
        {"depth": 8, "l2": 8.0, "column_share": 0.6},
    ),
    "linear": ({"l1_ratio": 0.5},),
    "extra_trees": (
        {"min_rows": 1, "column_share": 1.0},
        {"min_rows": 8, "column_share": 0.5},
    ),
    "random_forest": ({"min_rows": 6, "column_share": 0.6},),
    "mlp": (
        {"width": 512, "depth": 3, "learning_rate": 1e-3, "dropout": 0.3},
        {"width": 128, "depth": 1, "learning_rate": 5e-3, "weight_decay": 0.1},
    ),
    "hist_gradient_boosting": ({"num_leaves": 12, "column_share": 0.3, "l2": 10.0},),
    "nearest_neighbors": ({"relevance": 2.0},),
    "svm": ({"C": 10.0, "gamma": 0.1}, {"C": 10.0, "gamma": 0.5}),
}


def portfolio(
    learners: Mapping[str, Learner], shape: Shape, budget_seconds: float, n_texts: int = 0
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

    Returns
    -------
    list of Recipe
        No recipe is in it twice.
    """
    keys = sorted(learners, key=lambda key: (_place(key), list(learners).index(key)))
    rows = sample_rows(shape, budget_seconds)
    found: list[Recipe] = []
    if keys:
        first = keys[0]
        quick = _varied(learners[first], shape, QUICK.get(first, {}))
        found.append(Recipe(first, quick, rows or _text_rows(shape, n_texts)))
    if rows:
        found += [Recipe(key, learners[key].defaults(shape), rows) for key in keys[1:]]
    # The first family's own defaults come third: it has had its quick try, and with two trials at
    # once the second needs another encoding, which is made meanwhile.
    order = [*keys[1:2], *keys[:1], *keys[2:]]
    found += [Recipe(key, learners[key].defaults(shape)) for key in order]
    longest = max((len(VARIATIONS.get(key, ())) for key in keys), default=0)
    for turn in range(longest):
        for key in keys:
            changes = VARIATIONS.get(key, ())[turn : turn + 1]
            found += [Recipe(key, _varied(learners[key], shape, change)) for change in changes]
    return [recipe for place, recipe in enumerate(found) if recipe not in found[:place]]


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


def _place(key: str) -> int:
    """Return the place of a family in the order."""
    return FAMILIES.index(key) if key in FAMILIES else len(FAMILIES)


def _varied(learner: Learner, shape: Shape, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return a learner's defaults with some changed, kept inside its space."""
    defaults = learner.defaults(shape)
    space = {name: param for name, param in learner.space(shape).items() if name in changes}
    kept = {name: value for name, value in changes.items() if name in defaults}
    return {**defaults, **kept, **(nearest_point(space, kept) or {})}
