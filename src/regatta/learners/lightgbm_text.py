"""Check a LightGBM model before LightGBM reads it: its parser trusts the file."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

__all__ = ["check_text"]

_SIZES = {"left_child": -1, "right_child": -1, "split_feature": -1, "threshold": -1}


def check_text(text: str, n_outputs: int) -> None:
    """Check that a model's trees are trees.

    Parameters
    ----------
    text : str
        LightGBM's text format.
    n_outputs : int
        Columns of a prediction.

    Raises
    ------
    ValueError, KeyError
        Something is missing, or a number is out of range.
    """
    head, *trees = text.split("\n\n")[0], *_trees(text)
    header = dict(line.split("=", 1) for line in head.splitlines() if "=" in line)
    per_round = int(header["num_tree_per_iteration"])
    if per_round != (n_outputs if n_outputs > 2 else 1):
        raise ValueError(f"{per_round} trees a round for {n_outputs} outputs")
    sizes = [int(size) for size in header["tree_sizes"].split()]
    if not trees or len(trees) % per_round or len(sizes) != len(trees):
        raise ValueError(f"{len(trees)} trees, {len(sizes)} announced")
    if "end of trees" not in text:
        raise ValueError("the end is missing")
    last_feature = int(header["max_feature_idx"])
    for number, (tree, size) in enumerate(zip(trees, sizes, strict=True)):
        if len(tree.encode()) != size:
            raise ValueError(f"tree {number} is not as long as announced")
        _check_tree(tree, number, last_feature)


def _trees(text: str) -> Iterator[str]:
    """Yield the text of each tree, with the blank lines that LightGBM counts as its own."""
    body = text.split("\nend of trees")[0]
    start = body.find("\nTree=") + 1
    while start > 0:
        end = body.find("\nTree=", start) + 1
        yield body[start:end] if end else body[start:] + "\n"
        start = end


def _check_tree(tree: str, number: int, last_feature: int) -> None:
    """Raise `ValueError` for a child or a column that does not exist."""
    fields = dict(line.split("=", 1) for line in tree.splitlines() if "=" in line)
    if int(fields["Tree"]) != number:
        raise ValueError(f"tree {fields['Tree']} in place of {number}")
    n_leaves = int(fields["num_leaves"])
    values = np.array(fields["leaf_value"].split(), dtype=np.float64)
    if n_leaves < 1 or len(values) != n_leaves or not np.isfinite(values).all():
        raise ValueError(f"leaves of tree {number}")
    if n_leaves == 1:
        return
    own = np.arange(n_leaves - 1)
    parts = {name: np.array(fields[name].split(), dtype=np.float64) for name in _SIZES}
    decision = np.array(fields["decision_type"].split(), dtype=np.int64)
    if any(len(part) != n_leaves - 1 for part in (*parts.values(), decision)):
        raise ValueError(f"nodes of tree {number}")
    for side in ("left_child", "right_child"):
        child = parts[side]
        inner = (child > own) & (child < n_leaves - 1)
        leaf = (child < 0) & (child >= -n_leaves)
        if not (inner | leaf).all():
            raise ValueError(f"children of tree {number}")
    feature = parts["split_feature"]
    if not ((feature >= 0) & (feature <= last_feature)).all():
        raise ValueError(f"columns of tree {number}")
    _check_categories(fields, number, parts["threshold"][decision & 1 == 1])


def _check_categories(fields: dict[str, str], number: int, places: npt.NDArray[np.float64]) -> None:
    """Raise `ValueError` where a split by category points outside its bit sets."""
    n_sets = int(fields.get("num_cat", 0))
    if n_sets == 0 and len(places) == 0:
        return
    bounds = np.array(fields["cat_boundaries"].split(), dtype=np.int64)
    n_words = len(fields["cat_threshold"].split())
    fits = len(bounds) == n_sets + 1 and bounds[0] == 0 and bounds[-1] == n_words
    if not fits or (np.diff(bounds) < 0).any() or not ((places >= 0) & (places < n_sets)).all():
        raise ValueError(f"categories of tree {number}")
