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

FAMILIES = ("lightgbm", "linear", "xgboost", "extra_trees", "mlp", "random_forest")
"""Order of the families; others follow in the order of their registration."""

# Cells of training rows up to which a first trial takes a few seconds.
QUICK_CELLS = 1_500_000
QUICK_ROWS = 2_000, 50_000
# Above this a fold is sampled before it is fitted whole.
LARGE_CELLS = 4_000_000

# Changes of the defaults. A name that a learner does not have is left out, so that a family may
# change its parameters without breaking the race.
QUICK: dict[str, dict[str, Any]] = {
    "lightgbm": {"learning_rate": 0.1, "n_estimators": 200, "num_leaves": 31},
}
VARIATIONS: dict[str, tuple[dict[str, Any], ...]] = {
    "lightgbm": (
        {"learning_rate": 0.03, "num_leaves": 15, "min_child_samples": 10},
        {"learning_rate": 0.05, "num_leaves": 127, "feature_fraction": 0.6},
        {"extra_trees": True, "num_leaves": 63, "feature_fraction": 0.8},
        {"learning_rate": 0.03, "num_leaves": 7, "feature_fraction": 0.5},
    ),
    "xgboost": (
        {"learning_rate": 0.03, "max_depth": 4, "subsample": 0.8},
        {"learning_rate": 0.05, "max_depth": 9, "min_child_weight": 5},
        {"learning_rate": 0.05, "max_depth": 3, "colsample_bytree": 0.5},
    ),
    "linear": ({"alpha": 1e-3}, {"alpha": 1e-1}),
    "extra_trees": ({"max_features": 0.8, "min_samples_leaf": 5},),
    "random_forest": ({"max_features": 0.3, "min_samples_leaf": 5},),
    "mlp": ({"learning_rate": 3e-3}, {"hidden": 256, "learning_rate": 5e-4}),
}


def portfolio(learners: Mapping[str, Learner], shape: Shape, budget_seconds: float) -> list[Recipe]:
    """Return the portfolio for a table, first to be tried first.

    Parameters
    ----------
    learners : mapping of str to Learner
        Learners that race.
    shape : Shape
        Size of one fold's training rows.
    budget_seconds : float
        Budget of the run; a short one makes the first samples smaller.

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
        found.append(Recipe(first, _varied(learners[first], shape, QUICK.get(first, {})), rows))
    if rows:
        found += [Recipe(key, learners[key].defaults(shape), rows) for key in keys[1:]]
    found += [Recipe(key, learners[key].defaults(shape)) for key in keys]
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


def _place(key: str) -> int:
    """Return the place of a family in the order."""
    return FAMILIES.index(key) if key in FAMILIES else len(FAMILIES)


def _varied(learner: Learner, shape: Shape, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return a learner's defaults with some changed, kept inside its space."""
    defaults = learner.defaults(shape)
    space = {name: param for name, param in learner.space(shape).items() if name in changes}
    kept = {name: value for name, value in changes.items() if name in defaults}
    return {**defaults, **kept, **(nearest_point(space, kept) or {})}
