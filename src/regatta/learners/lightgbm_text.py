"""Check a LightGBM model before LightGBM reads it: its parser trusts the file."""

from collections.abc import Callable, Iterator
from itertools import chain

import numpy as np
import numpy.typing as npt

__all__ = ["check_text"]

Floats = npt.NDArray[np.float64]

_BY_NODE = ("left_child", "right_child", "split_feature", "threshold", "decision_type")


def check_text(text: str, n_outputs: int, *, linear: bool = False) -> None:
    """Check that a model's trees are trees.

    Parameters
    ----------
    text : str
        LightGBM's text format.
    n_outputs : int
        Columns of a prediction.
    linear : bool, default False
        Whether leaves may hold lines; the caller bounds what they predict.

    Raises
    ------
    ValueError, KeyError
        Something is missing, or a number is out of range.
    """
    head, *trees = text.split("\n\n")[0], *_trees(text)
    header = dict(line.split("=", 1) for line in head.splitlines() if "=" in line)
    per_round = int(header["num_tree_per_iteration"])
    n_groups = n_outputs if n_outputs > 2 else 1
    if per_round != n_groups or int(header["num_class"]) != n_groups:
        raise ValueError(f"{per_round} trees a round for {n_outputs} outputs")
    known = {1: ("regression ", "regression_l1 "), 2: ("binary ",)}
    wanted = known.get(n_outputs, (f"multiclass num_class:{n_outputs} ",))
    if not f"{header['objective']} ".startswith(wanted):
        raise ValueError(f"objective {header['objective']!r} for {n_outputs} outputs")
    sizes = [int(size) for size in header["tree_sizes"].split()]
    if not trees or len(trees) % per_round or len(sizes) != len(trees):
        raise ValueError(f"{len(trees)} trees, {len(sizes)} announced")
    if "end of trees" not in text:
        raise ValueError("the end is missing")
    last_feature = int(header["max_feature_idx"])
    fields = []
    for number, (tree, size) in enumerate(zip(trees, sizes, strict=True)):
        if len(tree.encode()) != size:
            raise ValueError(f"tree {number} is not as long as announced")
        fields.append(dict(line.split("=", 1) for line in tree.splitlines() if "=" in line))
        if int(fields[-1]["Tree"]) != number:
            raise ValueError(f"tree {fields[-1]['Tree']} in place of {number}")
        if fields[-1].get("is_linear", "0") not in (("0", "1") if linear else ("0",)):
            raise ValueError(f"tree {number} has linear leaves")
    _check_nodes(fields, last_feature)
    _check_lines([tree for tree in fields if tree.get("is_linear") == "1"], last_feature)


def _trees(text: str) -> Iterator[str]:
    """Yield the text of each tree, with the blank lines that LightGBM counts as its own."""
    body = text.split("\nend of trees")[0]
    start = body.find("\nTree=") + 1
    while start > 0:
        end = body.find("\nTree=", start) + 1
        yield body[start:end] if end else body[start:] + "\n"
        start = end


def _check_nodes(trees: list[dict[str, str]], last_feature: int) -> None:
    """Raise `ValueError` for a leaf, a child or a column that does not exist.

    All trees at once: one by one, the arrays of a thousand small trees take a second.
    """
    n_leaves = np.array([int(tree["num_leaves"]) for tree in trees], dtype=np.int64)
    values, lengths = _flat(trees, "leaf_value")
    if n_leaves.min() < 1 or (lengths != n_leaves).any() or not np.isfinite(values).all():
        raise ValueError("leaves that are missing or no numbers")
    split = [tree for tree, count in zip(trees, n_leaves, strict=True) if count > 1]
    if not split:
        return
    n_leaves = n_leaves[n_leaves > 1]
    parts = {}
    for name in _BY_NODE:
        # LightGBM reads the digits of a number up to the point, and means another node.
        parts[name], lengths = _flat(split, name, float if name == "threshold" else int)
        if (lengths != n_leaves - 1).any():
            raise ValueError(f"{name} of a tree")
    leaves = np.repeat(n_leaves, n_leaves - 1)
    first = np.cumsum(n_leaves - 1) - (n_leaves - 1)
    own = np.arange(len(leaves)) - np.repeat(first, n_leaves - 1)
    for side in ("left_child", "right_child"):
        child = parts[side]
        inner = (child > own) & (child < leaves - 1)
        leaf = (child < 0) & (child >= -leaves)
        if not (inner | leaf).all():
            raise ValueError(f"{side} of node {np.argmin(inner | leaf)}")
    feature = parts["split_feature"]
    if not ((feature >= 0) & (feature <= last_feature)).all():
        raise ValueError("a column that does not exist")
    decision = parts["decision_type"].astype(np.int64)
    if ((decision < 0) | (decision > 15)).any():
        raise ValueError("a kind of split that does not exist")
    by_category = decision & 1 == 1
    for number, (tree, start, size) in enumerate(zip(split, first, n_leaves - 1, strict=True)):
        nodes = slice(start, start + size)
        _check_categories(tree, number, parts["threshold"][nodes][by_category[nodes]])


def _check_lines(trees: list[dict[str, str]], last_feature: int) -> None:
    """Raise `ValueError` where a line in a leaf names a column that does not exist."""
    if not trees:
        return
    n_leaves = np.array([int(tree["num_leaves"]) for tree in trees], dtype=np.int64)
    constants, lengths = _flat(trees, "leaf_const")
    if (lengths != n_leaves).any() or not np.isfinite(constants).all():
        raise ValueError("lines without a constant")
    counts, lengths = _flat(trees, "num_features", int)
    if (lengths != n_leaves).any() or (counts < 0).any():
        raise ValueError("lines of no number of columns")
    starts = np.cumsum(n_leaves) - n_leaves
    wanted = np.add.reduceat(counts, starts).astype(np.int64)
    for name, kind in (("leaf_features", int), ("leaf_coeff", float)):
        values, lengths = _flat(trees, name, kind)
        if (lengths != wanted).any() or not np.isfinite(values).all():
            raise ValueError(f"{name} of a tree")
        if kind is int and not ((values >= 0) & (values <= last_feature)).all():
            raise ValueError("a line along a column that does not exist")


def _flat(
    trees: list[dict[str, str]], name: str, kind: Callable[[str], float] = float
) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Return the numbers of all trees one after another, and how many each tree has."""
    parts = [tree[name].split() for tree in trees]
    lengths = np.array([len(part) for part in parts], dtype=np.int64)
    return np.fromiter(map(kind, chain.from_iterable(parts)), np.float64, lengths.sum()), lengths


def _check_categories(fields: dict[str, str], number: int, places: Floats) -> None:
    """Raise `ValueError` where a split by category points outside its bit sets."""
    n_sets = int(fields.get("num_cat", 0))
    if n_sets == 0 and len(places) == 0:
        return
    bounds = np.array(fields["cat_boundaries"].split(), dtype=np.int64)
    n_words = len(fields["cat_threshold"].split())
    fits = len(bounds) == n_sets + 1 and bounds[0] == 0 and bounds[-1] == n_words
    if not fits or (np.diff(bounds) < 0).any() or not ((places >= 0) & (places < n_sets)).all():
        raise ValueError(f"categories of tree {number}")
