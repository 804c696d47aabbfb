"""Check an XGBoost model before XGBoost reads it: its loader trusts the numbers in the file."""

import json
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["check_trees"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

ROOT = 2**31 - 1
"""What XGBoost writes for the parent of a root."""
_OBJECTIVES = {
    1: ("reg:squarederror", "reg:absoluteerror"),
    2: ("binary:logistic",),
    3: ("multi:softprob",),
}

_BY_NODE = (
    "left_children",
    "right_children",
    "split_indices",
    "split_conditions",
    "split_type",
    "default_left",
    "base_weights",
    "loss_changes",
    "sum_hessian",
    "parents",
)


def check_trees(raw: bytes, n_outputs: int) -> None:
    """Check that a model's trees are trees.

    Parameters
    ----------
    raw : bytes
        XGBoost's JSON format.
    n_outputs : int
        Columns of a prediction.

    Raises
    ------
    ValueError, KeyError, TypeError
        Something is missing, or a number is out of range.
    """
    learner = json.loads(raw)["learner"]
    params = learner["learner_model_param"]
    n_columns = int(params["num_feature"])
    n_groups = n_outputs if n_outputs > 2 else 1
    if max(int(params["num_class"]), 1) != n_groups or int(params["num_target"]) != 1:
        raise ValueError(f"{params['num_class']} classes for {n_outputs} outputs")
    if learner["objective"]["name"] not in _OBJECTIVES[min(n_outputs, 3)]:
        raise ValueError(f"objective {learner['objective']['name']!r} for {n_outputs} outputs")
    model = learner["gradient_booster"]["model"]
    trees, groups = model["trees"], np.asarray(model["tree_info"])
    n_trees = int(model["gbtree_model_param"]["num_trees"])
    if not trees or len(trees) != n_trees or len(groups) != n_trees:
        raise ValueError(f"{len(trees)} trees, {n_trees} announced")
    if ((groups < 0) | (groups >= n_groups)).any():
        raise ValueError("a tree belongs to no output")
    rounds = np.asarray(model["iteration_indptr"])
    if not len(rounds) or rounds[0] != 0 or rounds[-1] != n_trees or (np.diff(rounds) < 0).any():
        raise ValueError("the rounds do not cover the trees")
    _check_nodes(trees, n_columns)


def _check_nodes(trees: list[dict[str, Any]], n_columns: int) -> None:
    """Raise `ValueError` for a child, a column or a category that does not exist.

    All trees at once: one by one, the arrays of a thousand small trees take a second.
    """
    sizes = np.array([int(tree["tree_param"]["num_nodes"]) for tree in trees], dtype=np.int64)
    if sizes.min() < 1:
        raise ValueError("a tree without nodes")
    if any(int(tree["tree_param"]["size_leaf_vector"]) not in (0, 1) for tree in trees):
        raise ValueError("leaves of more than one value")
    parts = {}
    for name in _BY_NODE:
        parts[name], lengths = _flat(trees, name, np.float64)
        if (lengths != sizes).any():
            raise ValueError(f"{name} of tree {np.argmax(lengths != sizes)}")
    first = np.cumsum(sizes) - sizes
    own = np.arange(sizes.sum()) - np.repeat(first, sizes)
    size = np.repeat(sizes, sizes)
    left, right = parts["left_children"], parts["right_children"]
    leaf = (left == -1) & (right == -1)
    inner = (left > own) & (left < size) & (right > own) & (right < size)
    if not (leaf | inner).all():
        raise ValueError(f"children of node {np.argmin(leaf | inner)}")
    _check_parents(parts["parents"], left, right, inner, np.repeat(first, sizes), first)
    if not np.isin(parts["split_type"], (0, 1)).all():
        raise ValueError("a kind of split that does not exist")
    column = parts["split_indices"]
    if not ((column >= 0) & (column < max(n_columns, 1))).all():
        raise ValueError("a column that does not exist")
    by_category = np.flatnonzero((parts["split_type"] == 1) & ~leaf)
    _check_categories(trees, sizes, first, by_category)


def _check_parents(
    parents: Floats, left: Floats, right: Floats, inner: npt.NDArray[Any], offset: Ints, roots: Ints
) -> None:
    """Raise `ValueError` where a child does not know its parent; the children have been checked."""
    own = np.arange(len(parents)) - offset
    for child in (left, right):
        place = (child[inner] + offset[inner]).astype(np.int64)
        if (parents[place] != own[inner]).any():
            raise ValueError("a child of another parent")
    if (parents[roots] != ROOT).any():
        raise ValueError("a root with a parent")


def _check_categories(trees: list[dict[str, Any]], sizes: Ints, first: Ints, split: Ints) -> None:
    """Raise `ValueError` where a split by category has no categories, or others than it says."""
    nodes, n_nodes = _flat(trees, "categories_nodes", np.int64)
    starts, n_starts = _flat(trees, "categories_segments", np.int64)
    counts, n_counts = _flat(trees, "categories_sizes", np.int64)
    values, n_values = _flat(trees, "categories", np.int64)
    if (n_nodes != n_starts).any() or (n_nodes != n_counts).any():
        raise ValueError("categories of unlike lengths")
    tree = np.repeat(np.arange(len(trees)), n_nodes)
    places = nodes + first[tree]
    if (
        ((nodes < 0) | (nodes >= sizes[tree])).any()
        or (np.diff(places) <= 0).any()
        or not np.isin(split, places).all()
        or ((starts < 0) | (counts < 0) | (starts + counts > n_values[tree])).any()
        or ((values < 0) | (values > 2**24)).any()
    ):
        raise ValueError("categories that do not exist")


def _flat(trees: list[dict[str, Any]], name: str, dtype: Any) -> tuple[npt.NDArray[Any], Ints]:
    """Return the numbers of all trees one after another, and how many each tree has."""
    parts = [tree[name] for tree in trees]
    lengths = np.array([len(part) for part in parts], dtype=np.int64)
    return np.fromiter(chain.from_iterable(parts), dtype, lengths.sum()), lengths
