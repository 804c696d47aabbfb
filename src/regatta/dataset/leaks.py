"""Whether one column alone tells the target exactly."""

import numpy as np
import pyarrow as pa
from pyarrow import compute as pc

from regatta.dataset.measures import Measures

__all__ = ["gives_away"]

MAX_VALUES = 1_000
ROWS_A_VALUE = 5
MAX_CLASSES = 20
MIN_ROWS = 50
CORRELATION = 0.999999


def gives_away(
    feature: pa.ChunkedArray, target: pa.ChunkedArray, measures: Measures, task: str
) -> bool:
    """Return whether a column alone tells the target exactly.

    For classes: every value of the column has one class (with at least five rows a value on
    average), or its ranges in the classes do not overlap. For a regression: the target is a linear
    function of the column.

    Parameters
    ----------
    feature, target : ChunkedArray of shape (n_rows,)
        The column and the target; rows without a target do not count.
    measures : Measures
        Measures of the column.
    task : {"binary", "multiclass", "regression"}
        Kind of prediction.

    Notes
    -----
    A column with few rows, or with a value of its own in each row, is never said to leak.
    """
    if measures.present < MIN_ROWS or measures.dtype == "timestamp" or measures.infinite_row:
        return False
    numeric = measures.dtype in ("int64", "float64")
    if task == "regression":
        return numeric and _is_linear(feature, target)
    table = pa.table({"feature": feature, "target": target}).filter(pc.is_valid(target))
    if measures.unique <= min(MAX_VALUES, measures.present / ROWS_A_VALUE):
        classes = table.group_by("feature").aggregate([("target", "count_distinct")])
        return bool(pc.all(pc.equal(classes["target_count_distinct"], 1)).as_py())
    return numeric and _are_apart(table)


def _is_linear(feature: pa.ChunkedArray, target: pa.ChunkedArray) -> bool:
    both = pc.and_(pc.is_valid(feature), pc.is_valid(target))
    x = feature.filter(both).to_numpy().astype(np.float64)
    y = target.filter(both).to_numpy().astype(np.float64)
    if len(x) < MIN_ROWS or not x.std() or not y.std():
        return False
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(abs(np.corrcoef(x, y)[0, 1]) > CORRELATION)


def _are_apart(table: pa.Table) -> bool:
    """Return whether the ranges of a number in the classes do not overlap."""
    ranges = (
        table.filter(pc.is_valid(table["feature"]))
        .group_by("target")
        .aggregate([("feature", "min"), ("feature", "max")])
    )
    if ranges.num_rows < 2 or ranges.num_rows > MAX_CLASSES:
        return False
    low, high = ranges["feature_min"].to_numpy(), ranges["feature_max"].to_numpy()
    order = np.argsort(low, kind="stable")
    return bool(np.all(high[order][:-1] < low[order][1:]))
