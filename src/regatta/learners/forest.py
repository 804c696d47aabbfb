"""Forests of scikit-learn as plain arrays: fitted tree by tree, checked when they are read.

A forest is kept as flat arrays over all its trees, because scikit-learn itself can only be stored
by pickle. Few rows walk all trees at once in NumPy; many rows go through scikit-learn's compiled
trees, which are rebuilt from the arrays. Both find the same leaves.
"""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from regatta.artifacts.state import State
from regatta.learners.base import (
    Array,
    FitData,
    Matrix,
    Model,
    Params,
    Shape,
    as_probabilities,
    check_target,
    class_shares,
    scale_of,
)

__all__ = ["ForestModel", "grow", "round_down", "visits"]

Ints = npt.NDArray[np.int32]

FEW_ROWS = 16
FEW_STEPS = 50_000
"""Rows times trees that take NumPy 0.1 s. To import scikit-learn takes two seconds, once."""
CHUNK_ROWS = 50_000
PRIOR_ROWS = 0.5
_ARRAYS = ("starts", "left", "right", "feature", "threshold", "missing_left", "values", "scale")


class ForestModel(Model):
    """The trees of a forest, one after another in flat arrays.

    Parameters
    ----------
    starts : ndarray of shape (n_trees + 1,), int64
        First node of each tree, and the number of nodes.
    left, right : ndarray of shape (n_nodes,), int32
        Children, counted from the tree's first node; of a leaf -1, and its row of `values`.
    feature : ndarray of shape (n_nodes,), int32
        Column that is compared; 0 in a leaf.
    threshold : ndarray of shape (n_nodes,), float32
        Rows not above it go left. Rounded down from float64, which sends every float32 value to
        the same side.
    missing_left : ndarray of shape (n_nodes,), bool
        Whether a missing value goes left.
    values : ndarray of shape (n_leaves, n_values), float32
        Probability of the second class of two, of each class of more, or the value.
    n_columns : int
        Columns of X.
    n_outputs : int
        Columns of a prediction.
    scale : ndarray of shape (2,), float64
        Mean and standard deviation of the target; 0 and 1 for classes.
    threads : int, default 1
        Threads for many rows.
    """

    def __init__(
        self,
        starts: npt.NDArray[np.int64],
        left: Ints,
        right: Ints,
        feature: Ints,
        threshold: npt.NDArray[np.float32],
        missing_left: npt.NDArray[np.bool_],
        values: npt.NDArray[np.float32],
        n_columns: int,
        n_outputs: int,
        scale: Array,
        threads: int = 1,
    ) -> None:
        self.starts, self.left, self.right = starts, left, right
        self.feature, self.threshold, self.missing_left = feature, threshold, missing_left
        self.values, self.n_columns, self.n_outputs = values, n_columns, n_outputs
        self.scale, self.threads = scale, threads
        self._trees: list[Any] = []

    def predict(self, X: Matrix) -> Array:
        """Predict encoded rows (see `Model.predict`)."""
        X = np.ascontiguousarray(X, dtype=np.float32)
        if X.shape[1] != self.n_columns:
            raise ValueError(f"{X.shape[1]} columns; the forest was fitted on {self.n_columns}")
        if self.few(len(X)):
            mean = self.values[self.walk(X)].mean(axis=1, dtype=np.float64)
        else:
            mean = self._apply(X)
        if self.n_outputs == 1:
            value: Array = mean * self.scale[1] + self.scale[0]
            return value
        return as_probabilities(mean)

    def few(self, n_rows: int) -> bool:
        """Return whether NumPy is faster for so many rows than to get compiled trees ready."""
        in_time = n_rows * (len(self.starts) - 1) <= FEW_STEPS and not self._trees
        return in_time or n_rows <= FEW_ROWS

    def walk(self, X: npt.NDArray[np.float32]) -> Ints:
        """Return the leaf of each row in each tree; all trees take a step at once."""
        first = self.starts[:-1]
        node = np.broadcast_to(first, (len(X), len(first)))
        rows = np.arange(len(X))[:, None]
        while (inner := self.left[node] >= 0).any():
            value = X[rows, self.feature[node]]
            go_left = np.where(
                np.isnan(value), self.missing_left[node], value <= self.threshold[node]
            )
            child = np.where(go_left, self.left[node], self.right[node])
            node = np.where(inner, first + child, node)
        leaves: Ints = self.right[node]
        return leaves

    def leaves(self, X: npt.NDArray[np.float32]) -> Iterator[Ints]:
        """Yield the leaf of each row, tree by tree, by compiled trees."""
        if not self._trees:
            self._trees = list(self._compile())
        for start, tree in zip(self.starts, self._trees, strict=False):
            yield self.right[start + tree.apply(X)]

    def _apply(self, X: npt.NDArray[np.float32]) -> Array:
        """Return the mean over compiled trees, for many rows."""
        if not self._trees:
            self._trees = list(self._compile())
        total = np.zeros((len(X), self.values.shape[1]))

        def add(begin: int) -> None:
            rows = slice(begin, begin + CHUNK_ROWS)
            part = X[rows]
            for leaves in self.leaves(part):
                total[rows] += self.values[leaves]

        if self.threads > 1 and len(X) > CHUNK_ROWS:
            with ThreadPoolExecutor(self.threads) as pool:
                list(pool.map(add, range(0, len(X), CHUNK_ROWS)))
        else:
            for begin in range(0, len(X), CHUNK_ROWS):
                add(begin)
        return total / len(self._trees)

    def _compile(self) -> Iterator[Any]:
        """Rebuild scikit-learn's trees; the arrays have been checked, or come from a fit."""
        from sklearn.tree._tree import NODE_DTYPE, Tree

        for start, end in zip(self.starts[:-1], self.starts[1:], strict=True):
            part = slice(start, end)
            leaf = self.left[part] < 0
            nodes = np.zeros(end - start, dtype=NODE_DTYPE)
            nodes["left_child"] = self.left[part]
            nodes["right_child"] = np.where(leaf, -1, self.right[part])
            nodes["feature"] = np.where(leaf, -2, self.feature[part])
            nodes["threshold"] = self.threshold[part]
            nodes["n_node_samples"] = 1
            nodes["weighted_n_node_samples"] = 1
            if "missing_go_to_left" in (nodes.dtype.names or ()):
                nodes["missing_go_to_left"] = self.missing_left[part]
            tree = Tree(self.n_columns, np.ones(1, dtype=np.intp), 1)
            values = np.zeros((end - start, 1, 1))
            tree.__setstate__(
                {"max_depth": 1, "node_count": end - start, "nodes": nodes, "values": values}
            )
            yield tree

    def save(self, folder: Path) -> None:
        """Write ``model.json`` and ``model.npz``."""
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        State({"n_columns": self.n_columns, "n_outputs": self.n_outputs, **arrays}).save(
            folder, "model"
        )

    @classmethod
    def load(cls, folder: Path) -> "ForestModel":
        """Read what `save` wrote (see `Model.load`).

        A child beyond the tree or before its parent, or a column that does not exist, would let
        compiled code read foreign memory or run in circles: nothing is used before it is checked.
        """
        from regatta.learners.threads import available_cores

        state = State.load(folder, "model")
        n_columns, n_outputs = state.number("n_columns"), state.number("n_outputs")
        starts = state.array("starts", np.int64, (None,))
        lengths = np.diff(starts)
        state.check("starts", len(lengths) > 0 and starts[0] == 0 and bool((lengths > 0).all()))
        shape = (int(starts[-1]),)
        left, right, feature = (
            state.array(name, np.int32, shape) for name in ("left", "right", "feature")
        )
        threshold = state.array("threshold", np.float32, shape, finite=False)
        # An infinite threshold only tells missing values from others.
        state.check("threshold", not np.isnan(threshold).any())
        missing_left = state.array("missing_left", bool, shape)
        values = state.array("values", np.float32, (None, None))
        wide = {1: (1,), 2: (1, 2)}.get(n_outputs, (n_outputs,))
        state.check("values", values.shape[1] in wide)
        own = np.arange(shape[0]) - np.repeat(starts[:-1], lengths)
        last = np.repeat(lengths, lengths)
        leaf = left == -1
        inner = (left > own) & (right > own) & (left < last) & (right < last)
        state.check("left", bool((leaf | inner).all()))
        state.check("right", bool(((right[leaf] >= 0) & (right[leaf] < len(values))).all()))
        state.check("feature", bool(((feature >= 0) & (feature < max(n_columns, 1))).all()))
        parts = (starts, left, right, feature, threshold, missing_left, values)
        scale = state.array("scale", np.float64, (2,))
        return cls(*parts, n_columns, n_outputs, scale, available_cores())


def visits(shape: Shape, params: Params) -> float:
    """Return how often a forest looks at a row: once a level of each tree that has it.

    Parameters
    ----------
    shape : Shape
        Size of one fold's training rows.
    params : mapping
        ``n_trees``, and the ``row_share`` of each.
    """
    rows = max(params["row_share"] * shape.n_rows, 2.0)
    return float(params["n_trees"] * rows * np.log2(rows))


def grow(
    forest: Any, data: FitData, params: Params, *, threads: int, deadline: float
) -> ForestModel:
    """Fit a forest in batches of trees, until they are enough or time is up.

    Parameters
    ----------
    forest : RandomForest or ExtraTrees of scikit-learn
        Not fitted, with ``warm_start``.
    data : FitData
        Encoded rows.
    params : mapping
        ``n_trees`` of them.
    threads : int
        Native threads.
    deadline : float
        Time since the epoch, in seconds.

    Returns
    -------
    ForestModel
        At least one batch of trees.
    """
    check_target(data)
    # Compiled code of scikit-learn wants an array that it may write to, though it does not.
    X = data.X if data.X.flags.writeable else data.X.copy()
    y, scale = data.y.astype(np.int64), np.array([0.0, 1.0])
    if data.task == "regression":
        # Sums of squares and float32 leaves lose what is small beside the mean.
        scale = scale_of(data)
        y = (data.y - scale[0]) / scale[1]
    wanted, done, truncated = int(params["n_trees"]), 0, False
    began = time.time()
    while done < wanted:
        step = threads
        if done:
            seconds_each = (time.time() - began) / done
            # Up to a second at a time, and never beyond the deadline.
            room = min(1.0, (deadline - time.time()) * 0.9) / max(seconds_each, 1e-9)
            step = int(room) // threads * threads
            if step < threads and deadline - time.time() < threads * seconds_each:
                truncated = True
                break
        done = min(done + max(step, threads), wanted)
        forest.n_estimators = done
        forest.fit(X, y, sample_weight=data.weights)
    model = _flatten(forest, data, scale, threads)
    model.truncated, model.learnt = truncated, {"n_trees": float(done)}
    return model


def _flatten(forest: Any, data: FitData, scale: Array, threads: int) -> ForestModel:
    """Copy fitted trees into flat arrays."""
    parts: list[tuple[Any, ...]] = []
    n_leaves = 0
    prior = None
    if data.task != "regression":
        prior = class_shares(data)
        present = np.asarray(forest.classes_, dtype=np.intp)
    for estimator in forest.estimators_:
        tree = estimator.tree_
        left = tree.children_left.astype(np.int32)
        leaf = left == -1
        right = tree.children_right.astype(np.int32)
        right[leaf] = n_leaves + np.arange(leaf.sum())
        n_leaves += int(leaf.sum())
        values = tree.value[leaf, 0]
        if prior is not None:
            values = _smooth(values, tree.weighted_n_node_samples[leaf], present, prior)
        missing = getattr(tree, "missing_go_to_left", np.zeros(len(left)))
        parts.append(
            (
                left,
                right,
                np.where(leaf, 0, tree.feature).astype(np.int32),
                round_down(np.where(leaf, 0, tree.threshold)),
                np.asarray(missing).astype(bool),
                values.astype(np.float32),
            )
        )
    starts = np.cumsum([0, *(len(part[0]) for part in parts)]).astype(np.int64)
    arrays: list[Any] = [np.concatenate(pieces) for pieces in zip(*parts, strict=True)]
    return ForestModel(starts, *arrays, data.X.shape[1], data.n_outputs, scale, threads)  # type: ignore[call-arg]


def _smooth(values: Array, rows: Array, present: Any, prior: Array) -> Array:
    """Return leaf probabilities with half a row of the prior, so that none is exactly 0."""
    found = np.zeros((len(values), len(prior)))
    found[:, present] = values / values.sum(axis=1, keepdims=True)
    found = (found * rows[:, None] + PRIOR_ROWS * prior) / (rows[:, None] + PRIOR_ROWS)
    return found[:, 1:] if len(prior) == 2 else found


def round_down(threshold: Array) -> npt.NDArray[np.float32]:
    """Return the greatest float32 numbers that are not above."""
    rounded = threshold.astype(np.float32)
    above = rounded > threshold
    rounded[above] = np.nextafter(rounded[above], np.float32(-np.inf))
    return rounded
