"""Check an XGBoost model before XGBoost reads it: its loader trusts the numbers in the file."""

import json
from typing import Any

import numpy as np

__all__ = ["check_trees"]

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
    if max(int(params["num_class"]), 1) != (n_outputs if n_outputs > 2 else 1):
        raise ValueError(f"{params['num_class']} classes for {n_outputs} outputs")
    model = learner["gradient_booster"]["model"]
    trees, groups = model["trees"], np.asarray(model["tree_info"])
    n_trees = int(model["gbtree_model_param"]["num_trees"])
    if not trees or len(trees) != n_trees or len(groups) != n_trees:
        raise ValueError(f"{len(trees)} trees, {n_trees} announced")
    if ((groups < 0) | (groups >= n_outputs)).any():
        raise ValueError("a tree belongs to no output")
    rounds = np.asarray(model["iteration_indptr"])
    if rounds[0] != 0 or rounds[-1] != n_trees or (np.diff(rounds) < 0).any():
        raise ValueError("the rounds do not cover the trees")
    for number, tree in enumerate(trees):
        _check_tree(tree, number, n_columns)


def _check_tree(tree: dict[str, Any], number: int, n_columns: int) -> None:
    """Raise `ValueError` for a child, a column or a category that does not exist."""
    n_nodes = int(tree["tree_param"]["num_nodes"])
    parts = {name: np.asarray(tree[name], dtype=np.float64) for name in _BY_NODE}
    if n_nodes < 1 or any(part.shape != (n_nodes,) for part in parts.values()):
        raise ValueError(f"nodes of tree {number}")
    own = np.arange(n_nodes)
    left, right = parts["left_children"], parts["right_children"]
    leaf = (left == -1) & (right == -1)
    inner = (left > own) & (left < n_nodes) & (right > own) & (right < n_nodes)
    if not (leaf | inner).all():
        raise ValueError(f"children of tree {number}")
    column = parts["split_indices"]
    if not ((column >= 0) & (column < max(n_columns, 1))).all():
        raise ValueError(f"columns of tree {number}")
    nodes, starts, sizes = (
        np.asarray(tree[f"categories_{name}"], dtype=np.int64)
        for name in ("nodes", "segments", "sizes")
    )
    values = np.asarray(tree["categories"], dtype=np.int64)
    by_category = np.flatnonzero((parts["split_type"] == 1) & ~leaf)
    if (
        not len(nodes) == len(starts) == len(sizes)
        or not np.isin(by_category, nodes).all()
        or ((nodes < 0) | (nodes >= n_nodes)).any()
        or ((starts < 0) | (sizes < 0) | (starts + sizes > len(values))).any()
        or ((values < 0) | (values > 2**24)).any()
    ):
        raise ValueError(f"categories of tree {number}")
