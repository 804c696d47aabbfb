"""Oblivious trees as plain arrays: every node of a level asks the same question.

A leaf is then a number whose bits are the answers, so that all trees and rows are predicted by a
few operations of NumPy, and the library that fitted them is not needed.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from regatta.artifacts.state import State
from regatta.learners.base import Array, Matrix

__all__ = ["MOST_DEPTH", "ObliviousTrees"]

MOST_DEPTH = 16
CHUNK_CELLS = 500_000
NO_SPLIT = -1
_ARRAYS = ("feature", "border", "missing_high", "splits", "values", "bias")


class ObliviousTrees:
    """The trees of a boosted model, and the sum of their leaves.

    Parameters
    ----------
    feature : ndarray of shape (n_questions,), int32
        Column that a question compares.
    border : ndarray of shape (n_questions,), float32
        The answer is 1 for values above it.
    missing_high : ndarray of shape (n_columns,), bool
        Whether a missing value of a column is above all borders; else it is below.
    splits : ndarray of shape (n_trees, depth), int32
        Questions of each tree, that of the lowest bit first; -1 after the last.
    values : ndarray of shape (n_leaves, n_scores), float64
        Leaves of the first tree, of the second, and so on.
    bias : ndarray of shape (n_scores,), float64
        What is added to all sums.
    """

    def __init__(
        self,
        feature: npt.NDArray[np.int32],
        border: npt.NDArray[np.float32],
        missing_high: npt.NDArray[np.bool_],
        splits: npt.NDArray[np.int32],
        values: Array,
        bias: Array,
    ) -> None:
        self.feature, self.border, self.missing_high = feature, border, missing_high
        self.splits, self.values, self.bias = splits, values, bias
        self.starts = _starts(splits)[:-1]

    def scores(self, X: Matrix) -> Array:
        """Return the sums of the leaves.

        Parameters
        ----------
        X : ndarray of shape (n_rows, n_columns), float32
            Rows; missing values are NaN.

        Returns
        -------
        ndarray of shape (n_rows, n_scores), float64
            The sums.
        """
        X = np.asarray(X, dtype=np.float32)
        if X.shape[1] != len(self.missing_high):
            raise ValueError(f"{X.shape[1]} columns; fitted on {len(self.missing_high)}")
        out = np.empty((len(X), len(self.bias)))
        step = max(1, CHUNK_CELLS // max(len(self.splits) * len(self.bias), 1))
        for start in range(0, len(X), step):
            rows = slice(start, start + step)
            out[rows] = self.values[self._leaves(X[rows])].sum(axis=0) + self.bias
        return out

    def _leaves(self, X: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
        """Return the leaf of each tree for each row, of shape (n_trees, n_rows)."""
        if self.missing_high.any():
            X = np.where(np.isnan(X) & self.missing_high, np.float32(np.inf), X)
        # The last question stands for none, and its answer is 0.
        answers = np.zeros((len(self.feature) + 1, len(X)), dtype=bool)
        np.greater(X.T[self.feature], self.border[:, None], out=answers[:-1])
        leaves = np.repeat(self.starts[:, None], len(X), axis=1)
        for level in range(self.splits.shape[1]):
            leaves += answers[self.splits[:, level]].astype(np.int64) << level
        return leaves

    def state(self) -> dict[str, Any]:
        """Return the arrays by name."""
        return {name: getattr(self, name) for name in _ARRAYS}

    @classmethod
    def from_state(cls, state: State, n_columns: int, n_scores: int) -> "ObliviousTrees":
        """Rebuild trees from what `state` returned.

        Raises
        ------
        ArtifactError
            The arrays do not fit together.
        """
        feature = state.array("feature", np.int32, (None,))
        border = state.array("border", np.float32, (len(feature),))
        missing_high = state.array("missing_high", bool, (n_columns,))
        splits = state.array("splits", np.int32, (None, None))
        state.check("feature", bool(((feature >= 0) & (feature < n_columns)).all()))
        there = (splits >= 0) & (splits < len(feature))
        state.check("splits", len(splits) > 0 and splits.shape[1] <= MOST_DEPTH)
        state.check("splits", bool((there | (splits == NO_SPLIT)).all()))
        # Nothing follows the last question of a tree.
        state.check("splits", not (there[:, 1:] & ~there[:, :-1]).any())
        n_leaves = int(_starts(splits)[-1])
        values = state.array("values", np.float64, (n_leaves, n_scores))
        bias = state.array("bias", np.float64, (n_scores,))
        return cls(feature, border, missing_high, splits, values, bias)

    @classmethod
    def from_catboost(cls, model: Mapping[str, Any], n_columns: int) -> "ObliviousTrees":
        """Read the trees of CatBoost's JSON format; all its features have to be numbers.

        Parameters
        ----------
        model : mapping
            What CatBoost saved.
        n_columns : int
            Columns of the matrix that it was fitted on.
        """
        missing_high = np.zeros(n_columns, dtype=bool)
        columns = {}
        for entry in model["features_info"]["float_features"]:
            columns[entry["feature_index"]] = entry["flat_feature_index"]
            # "AsIs": there were none in training. They are above nothing.
            missing_high[entry["flat_feature_index"]] = entry["nan_value_treatment"] == "AsTrue"
        trees = model["oblivious_trees"]
        questions: dict[tuple[int, float], int] = {}
        depth = max(len(tree.get("splits") or ()) for tree in trees)
        splits = np.full((len(trees), depth), NO_SPLIT, dtype=np.int32)
        for number, tree in enumerate(trees):
            for level, split in enumerate(tree.get("splits") or ()):
                asked = columns[split["float_feature_index"]], float(split["border"])
                splits[number, level] = questions.setdefault(asked, len(questions))
        scale, bias = model["scale_and_bias"]
        bias = np.atleast_1d(np.array(bias, dtype=np.float64))
        leaves = [np.reshape(tree["leaf_values"], (-1, len(bias))) for tree in trees]
        return cls(
            np.array([column for column, _ in questions], dtype=np.int32),
            np.array([border for _, border in questions], dtype=np.float32),
            missing_high,
            splits,
            np.concatenate(leaves).astype(np.float64) * float(scale),
            bias,
        )


def _starts(splits: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
    """Return the first leaf of each tree, and the number of leaves."""
    sizes = np.int64(1) << (splits != NO_SPLIT).sum(axis=1)
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
