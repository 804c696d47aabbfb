"""Check an XGBoost model before XGBoost reads it: its loader trusts the numbers in the file.

UBJSON is JSON with typed values: a marker, a length where there is one, then big-endian bytes.
"""

import struct
from typing import Any

import numpy as np

__all__ = ["check_trees", "read_ubjson"]

_NUMBERS = {"i": ">b", "U": ">B", "I": ">h", "l": ">i", "L": ">q", "d": ">f", "D": ">d"}
_CONSTANTS = {"Z": None, "T": True, "F": False}
_MOST_DEPTH = 32
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
        XGBoost's UBJSON format.
    n_outputs : int
        Columns of a prediction.

    Raises
    ------
    ValueError, KeyError, TypeError
        Something is missing, or a number is out of range.
    """
    learner = read_ubjson(raw)["learner"]
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


def read_ubjson(raw: bytes) -> Any:
    r"""Read a UBJSON value.

    Parameters
    ----------
    raw : bytes
        One value and nothing after it.

    Returns
    -------
    value
        As `json.loads` would return it; typed arrays as ndarrays.

    Raises
    ------
    ValueError
        The bytes are no UBJSON.

    Examples
    --------
    >>> read_ubjson(b"{U\x01a[$U#U\x02\x05\x07}")
    {'a': array([5, 7], dtype=uint8)}
    """
    reader = _Reader(raw)
    try:
        value = reader.value(reader.marker(), 0)
    except (struct.error, UnicodeDecodeError, RecursionError) as err:
        raise ValueError(f"no UBJSON ({err})") from err
    if reader.place != len(raw):
        raise ValueError("bytes after the end")
    return value


class _Reader:
    """A place in the bytes."""

    def __init__(self, raw: bytes) -> None:
        self.raw, self.place = raw, 0

    def take(self, length: int) -> bytes:
        """Return the next bytes."""
        end = self.place + length
        if length < 0 or end > len(self.raw):
            raise ValueError("the end is missing")
        found = self.raw[self.place : end]
        self.place = end
        return found

    def marker(self) -> str:
        """Return the next marker."""
        return self.take(1).decode("ascii")

    def number(self, marker: str) -> Any:
        """Return a number of a type."""
        if marker not in _NUMBERS:
            raise ValueError(f"marker {marker!r} in place of a number")
        layout = _NUMBERS[marker]
        return struct.unpack(layout, self.take(struct.calcsize(layout)))[0]

    def length(self) -> int:
        """Return a length."""
        found = self.number(self.marker())
        if not isinstance(found, int):
            raise ValueError("a length that is not whole")
        return found

    def text(self) -> str:
        """Return a text."""
        return self.take(self.length()).decode("utf-8")

    def value(self, marker: str, depth: int) -> Any:
        """Return the value that a marker announces."""
        if depth > _MOST_DEPTH:
            raise ValueError("nested too deeply")
        if marker in _CONSTANTS:
            return _CONSTANTS[marker]
        if marker == "S":
            return self.text()
        if marker == "[":
            return self.array(depth)
        if marker == "{":
            return self.mapping(depth)
        return self.number(marker)

    def array(self, depth: int) -> Any:
        """Return an array, typed or not, counted or not."""
        marker = self.marker()
        if marker == "$":
            kind = self.marker()
            if self.marker() != "#" or kind not in _NUMBERS:
                raise ValueError("a typed array without length")
            layout = np.dtype(_NUMBERS[kind])
            return np.frombuffer(self.take(self.length() * layout.itemsize), dtype=layout)
        if marker == "#":
            count = self.length()
            if not 0 <= count <= len(self.raw):
                raise ValueError("an array longer than the file")
            return [self.value(self.marker(), depth + 1) for _ in range(count)]
        found = []
        while marker != "]":
            found.append(self.value(marker, depth + 1))
            marker = self.marker()
        return found

    def mapping(self, depth: int) -> dict[str, Any]:
        """Return an object."""
        found = {}
        while self.raw[self.place : self.place + 1] != b"}":
            key = self.text()
            found[key] = self.value(self.marker(), depth + 1)
        self.place += 1
        return found
