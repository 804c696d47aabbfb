"""Whether one column alone tells the target exactly."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import compute as pc

from regatta.dataset.measures import Measures

__all__ = ["LeakCheck"]

MAX_VALUES = 1_000
ROWS_A_VALUE = 5
MAX_CLASSES = 20
MIN_ROWS = 50
CORRELATION = 0.999999

_Mask = npt.NDArray[np.bool_]


class LeakCheck:
    """Compare columns with a target that is brought into shape once, not for each of thousands.

    Parameters
    ----------
    target : ChunkedArray of shape (n_rows,)
        The target; rows without one do not count.
    task : {"binary", "multiclass", "regression"}
        Kind of prediction.
    """

    def __init__(self, target: pa.ChunkedArray, task: str) -> None:
        self._task = task
        self._valid = _mask(target)
        if task == "regression":
            self._numbers = _plain(target).astype(np.float64)
            return
        codes = _codes(target)
        self._codes = codes if self._valid is None else codes[self._valid]
        self._order = np.argsort(self._codes, kind="stable")
        self._sorted = self._codes[self._order]
        self._starts = _starts(self._sorted)

    def gives_away(self, feature: pa.ChunkedArray, measures: Measures) -> bool:
        """Return whether a column alone tells the target exactly.

        For classes: every value of the column has one class (with at least five rows a value on
        average), or its ranges in the classes do not overlap. For a regression: the target is a
        linear function of the column.

        Parameters
        ----------
        feature : ChunkedArray of shape (n_rows,)
            The column.
        measures : Measures
            Measures of the column.

        Notes
        -----
        A column with few rows, or with a value of its own in each row, is never said to leak.
        """
        if measures.present < MIN_ROWS or measures.dtype == "timestamp" or measures.infinite_row:
            return False
        numeric = measures.dtype in ("int64", "float64")
        if self._task == "regression":
            return numeric and self._is_linear(feature)
        if measures.unique <= min(MAX_VALUES, measures.present / ROWS_A_VALUE):
            return self._is_function(feature)
        return numeric and self._are_apart(feature)

    def _is_linear(self, feature: pa.ChunkedArray) -> bool:
        x, y = _plain(feature).astype(np.float64), self._numbers
        present = _both(_mask(feature), self._valid)
        if present is not None:
            x, y = x[present], y[present]
        # Numbers near the largest float have no finite deviation.
        with np.errstate(over="ignore", invalid="ignore"):
            if len(x) < MIN_ROWS or not x.std() or not y.std():
                return False
            return bool(abs(np.corrcoef(x, y)[0, 1]) > CORRELATION)

    def _is_function(self, feature: pa.ChunkedArray) -> bool:
        """Return whether every value of a column, and its absence, has one class."""
        codes = _codes(feature)
        if self._valid is not None:
            codes = codes[self._valid]
        one_class = np.zeros(codes.max(initial=0) + 1, dtype=self._codes.dtype)
        one_class[codes] = self._codes
        return bool(np.array_equal(one_class[codes], self._codes))

    def _are_apart(self, feature: pa.ChunkedArray) -> bool:
        """Return whether the ranges of a number in the classes do not overlap."""
        x, starts = _plain(feature), self._starts
        present = _mask(feature)
        if self._valid is not None:
            x = x[self._valid]
            present = None if present is None else present[self._valid]
        x = x[self._order]
        if present is not None:
            present = present[self._order]
            x, starts = x[present], _starts(self._sorted[present])
        if not 2 <= len(starts) <= MAX_CLASSES:
            return False
        low, high = np.minimum.reduceat(x, starts), np.maximum.reduceat(x, starts)
        order = np.argsort(low, kind="stable")
        return bool(np.all(high[order][:-1] < low[order][1:]))


def _mask(column: pa.ChunkedArray) -> _Mask | None:
    """Return which rows have a value, or ``None`` if all have one."""
    if not column.null_count:
        return None
    valid: _Mask = pc.is_valid(column).to_numpy()
    return valid


def _both(one: _Mask | None, other: _Mask | None) -> _Mask | None:
    if one is None or other is None:
        return other if one is None else one
    return one & other


def _starts(codes: npt.NDArray[np.int32]) -> npt.NDArray[np.intp]:
    """Return where each code begins in sorted codes."""
    return np.flatnonzero(np.diff(codes, prepend=-1))


def _plain(column: pa.ChunkedArray) -> npt.NDArray[np.number]:
    """Return numbers as they are stored; a missing one is 0."""
    filled = pc.fill_null(column, 0) if column.null_count else column
    values: npt.NDArray[np.number] = filled.to_numpy()
    return values


def _codes(column: pa.ChunkedArray) -> npt.NDArray[np.int32]:
    """Return the number of its value for each row; a missing value has one too."""
    coded = pc.dictionary_encode(column, null_encoding="encode")
    return np.concatenate([chunk.indices.to_numpy() for chunk in coded.chunks])
