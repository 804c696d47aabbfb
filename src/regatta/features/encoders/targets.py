r"""Target means of categories with many values, out of fold for the training rows.

A category with :math:`n` rows of target sum :math:`s` becomes :math:`(s + m \bar y) / (n + m)`,
its mean drawn towards the mean of all by :math:`m` = 20 rows. A training row gets the value that
the other inner folds give it, so that its own target is not in it.

References
----------
.. [1] D. Micci-Barreca, A preprocessing scheme for high-cardinality categorical attributes in
   classification and prediction problems, SIGKDD Explorations 3 (2001). We differ by the inner
   folds and by giving missing values and rare ones a mean of their own.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from regatta.artifacts.state import State
from regatta.features.encoders.base import Frame, column, count_rows
from regatta.features.encoders.categories import Table, count_labels, look_up, tables_fit
from regatta.settings import Task

__all__ = [
    "INNER_FOLDS",
    "MOST_LABELS",
    "TargetMeans",
    "inner_folds",
    "means_by_code",
    "target_columns",
    "with_labels",
]

Array = npt.NDArray[np.float64]
Floats = npt.NDArray[np.float32]

INNER_FOLDS = 5
PRIOR_ROWS = 20.0
MOST_LABELS = 50_000
MOST_CLASSES = 10


class TargetMeans:
    """Target means and frequencies of categorical columns.

    Attributes
    ----------
    names : list of str
        The columns.
    labels : list of list of str
        Of each column the values with a mean of their own.
    means : list of ndarray of shape (n_labels + 2, n_targets + 1), float32
        Of each column the means of the values, of rare ones, of missing ones; then the logarithm
        of one plus the number of rows.
    numbers : list of str
        Which of the columns are numbers; their values are taken for texts.
    """

    def __init__(
        self,
        names: Sequence[str],
        labels: Sequence[Sequence[str]],
        means: Sequence[Floats],
        numbers: Sequence[str] = (),
    ) -> None:
        self.numbers = list(numbers)
        self.names, self.labels, self.means = list(names), [list(x) for x in labels], list(means)
        self.tables: list[Table] = [
            {label: code for code, label in enumerate(kept)} for kept in self.labels
        ]

    @property
    def n_columns(self) -> int:
        """Columns that `transform` returns."""
        return sum(means.shape[1] for means in self.means)

    def column_names(self) -> list[str]:
        """Return a name for each column of `transform`."""
        return [
            f"{name}:target{place}" if place < means.shape[1] - 1 else f"{name}:rows"
            for name, means in zip(self.names, self.means, strict=True)
            for place in range(means.shape[1])
        ]

    @classmethod
    def fit_transform(
        cls,
        frame: Frame,
        names: Sequence[str],
        targets: Array,
        seed: int,
        numbers: Sequence[str] = (),
    ) -> tuple["TargetMeans", Floats]:
        """Fit on training rows and encode them out of fold.

        Parameters
        ----------
        frame : DataFrame or mapping of arrays, of n_rows rows
            Training rows.
        names : sequence of str
            Categorical features.
        targets : ndarray of shape (n_rows, n_targets), float64
            As `target_columns` returns them.
        seed : int
            Seed of the inner folds.
        numbers : sequence of str, default ()
            Numeric features that name something (`regatta.features.encoders.identifiers`).

        Returns
        -------
        TargetMeans, ndarray of shape (n_rows, n_columns), float32
            What was fitted, and the training rows.
        """
        folds = inner_folds(len(targets), INNER_FOLDS, seed)
        names = [*names, *numbers]
        frame = with_labels(frame, names, numbers)
        labels, means, encoded = [], [], []
        for name in names:
            values = column(frame, name)
            found, counts, _ = count_labels(values)
            order = np.argsort(-counts, kind="stable")[:MOST_LABELS]
            kept = [found[place] for place in order if counts[place] > 1]
            table = {label: code for code, label in enumerate(kept)}
            codes = look_up(values, table, len(kept) + 1, len(kept))
            mean, rows = means_by_code(codes, len(kept) + 2, folds, targets)
            labels.append(kept)
            means.append(mean)
            encoded.append(rows)
        stacked = np.hstack(encoded) if encoded else np.empty((len(targets), 0), np.float32)
        return cls(names, labels, means, numbers), stacked

    def transform(self, frame: Frame) -> Floats:
        """Encode any rows; of shape (n_rows, n_columns), float32."""
        out = np.empty((count_rows(frame), self.n_columns), dtype=np.float32)
        frame = with_labels(frame, self.names, self.numbers)
        start = 0
        for name, table, means in zip(self.names, self.tables, self.means, strict=True):
            codes = look_up(column(frame, name), table, len(table) + 1, len(table))
            out[:, start : start + means.shape[1]] = means[codes]
            start += means.shape[1]
        return out

    def state(self, prefix: str) -> dict[str, Any]:
        """Return what was fitted."""
        means = np.vstack(self.means) if self.means else np.empty((0, 1), np.float32)
        return {
            f"{prefix}.names": self.names,
            f"{prefix}.numbers": self.numbers,
            f"{prefix}.labels": self.labels,
            f"{prefix}.means": means,
        }

    @classmethod
    def from_state(cls, state: State, prefix: str) -> "TargetMeans":
        """Rebuild from what `state` returned."""
        names = state.names(f"{prefix}.names")
        labels = tables_fit(state, f"{prefix}.labels", names)
        lengths = [len(kept) + 2 for kept in labels]
        means = state.array(f"{prefix}.means", np.float32, (sum(lengths), None))
        # One of an earlier version knew no numbers.
        known = f"{prefix}.numbers" in state.values
        numbers = state.names(f"{prefix}.numbers") if known else []
        parts = np.split(means, np.cumsum(lengths)[:-1]) if names else []
        return cls(names, labels, parts, numbers)


def means_by_code(
    codes: npt.NDArray[np.int32], n_codes: int, folds: npt.NDArray[np.int64], targets: Array
) -> tuple[Floats, Floats]:
    """Return the means by code, and the out-of-fold means of the rows; each with frequencies.

    Parameters
    ----------
    codes : ndarray of shape (n_rows,), int32
        Code of each row.
    n_codes : int
        Number of codes.
    folds : ndarray of shape (n_rows,), int64
        Inner fold of each row.
    targets : ndarray of shape (n_rows, n_targets), float64
        What means are taken of.

    Returns
    -------
    means : ndarray of shape (n_codes, n_targets + 1), float32
        By all rows; the last column is the logarithm of one plus their number.
    rows : ndarray of shape (n_rows, n_targets + 1), float32
        Of each row, by those of other folds.
    """
    cells = codes * INNER_FOLDS + folds
    shape = (n_codes, INNER_FOLDS)
    counts = np.bincount(cells, minlength=n_codes * INNER_FOLDS).reshape(shape).astype(np.float64)
    rows_of = counts.sum(axis=1)
    frequency = np.log1p(np.maximum(rows_of, 1))
    means = np.empty((n_codes, targets.shape[1] + 1), dtype=np.float32)
    rows = np.empty((len(codes), targets.shape[1] + 1), dtype=np.float32)
    for place, target in enumerate(targets.T):
        sums = np.bincount(cells, weights=target, minlength=counts.size).reshape(shape)
        prior = sums.sum() / len(codes)
        means[:, place] = (sums.sum(axis=1) + PRIOR_ROWS * prior) / (rows_of + PRIOR_ROWS)
        others = sums.sum(axis=1, keepdims=True) - sums
        n_others = rows_of[:, None] - counts
        out_prior = others.sum(axis=0) / np.maximum(n_others.sum(axis=0), 1)
        out_means = (others + PRIOR_ROWS * out_prior) / (n_others + PRIOR_ROWS)
        rows[:, place] = out_means[codes, folds]
    means[:, -1] = frequency
    rows[:, -1] = frequency[codes]
    return means, rows


def inner_folds(n_rows: int, n_folds: int, seed: int) -> npt.NDArray[np.int64]:
    """Return a random inner fold for each row, of equal sizes."""
    return np.random.default_rng(seed).permutation(n_rows) % n_folds


def target_columns(y: Array, task: Task, n_outputs: int) -> Array:
    """Return what to take means of.

    Parameters
    ----------
    y : ndarray of shape (n_rows,), float64
        Class codes or values.
    task : {"binary", "multiclass", "regression"}
        Kind of prediction.
    n_outputs : int
        Number of classes; 1 for a regression.

    Returns
    -------
    ndarray of shape (n_rows, n_targets), float64
        The class of a binary task; an indicator for each of up to 10 most frequent classes; or
        the standardised value.
    """
    if task == "binary":
        return y.reshape(-1, 1)
    if task == "regression":
        return np.asarray((y - y.mean()) / (y.std() or 1.0)).reshape(-1, 1)
    counts = np.bincount(y.astype(np.intp), minlength=n_outputs)
    frequent = np.sort(np.argsort(-counts, kind="stable")[:MOST_CLASSES])
    return np.equal(y.reshape(-1, 1), frequent).astype(np.float64)


def with_labels(frame: Frame, names: Sequence[str], numbers: Sequence[str]) -> Frame:
    """Return some columns of a frame, those that are numbers as texts.

    Parameters
    ----------
    frame : DataFrame or mapping of arrays, of n_rows rows
        Any rows.
    names : sequence of str
        Columns to return.
    numbers : sequence of str
        Which of them are numbers.

    Returns
    -------
    mapping of arrays of shape (n_rows,), or the frame itself where none is a number
        A missing number is None.

    Examples
    --------
    >>> with_labels({"shop": np.array([7.0, np.nan, 12.0])}, ["shop"], ["shop"])
    {'shop': array(['7', None, '12'], dtype=object)}
    """
    if not numbers:
        return frame
    labelled: Mapping[str, Any] = {
        name: _labels(column(frame, name)) if name in numbers else column(frame, name)
        for name in names
    }
    return labelled


def _labels(values: npt.NDArray[Any]) -> npt.NDArray[np.object_]:
    """Return numbers as texts; each different one is written once."""
    found, places = np.unique(values, return_inverse=True)
    texts = np.array([None if np.isnan(one) else f"{one:.10g}" for one in found], dtype=object)
    return texts[places]
