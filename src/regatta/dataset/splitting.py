"""The columns that say how rows are split: what they belong to, and when they were."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from regatta.dataset.conforming import conform
from regatta.dataset.findings import Finding
from regatta.dataset.frame import load_frame
from regatta.dataset.measures import Measures
from regatta.dataset.schema import Column, Schema
from regatta.errors import RequestError, SchemaError

__all__ = ["analyse_group", "analyse_time", "load_times", "times_of"]

Array = npt.NDArray[np.float64]

_OTHER = "turn it into dates or numbers, or name another column with --time"


def analyse_group(name: str, measures: Measures) -> tuple[Finding, ...]:
    """Check that rows can be split by the groups in a column, and say what is odd about them.

    Parameters
    ----------
    name : str
        The column.
    measures : Measures
        Its measures.

    Returns
    -------
    tuple of Finding
        How many rows have no group; that no two rows share one.

    Raises
    ------
    SchemaError
        No row has a group.
    """
    if not measures.present:
        raise SchemaError(
            f"the column of the groups, {name!r}, is empty in all {measures.n_rows:,} rows",
            expected="a value in most rows",
            fix="check the column, or name another with --group",
        )
    found = []
    if measures.missing:
        rows = f"{measures.missing:,} row{'s' * (measures.missing != 1)}"
        message = f"{rows} without a value: each is taken for a group of its own"
        found.append(Finding("warning", name, "no_group", message))
    if measures.unique == measures.present:
        message = "no two rows have the same value: splitting by groups changes nothing"
        found.append(Finding("warning", name, "single_groups", message))
    return tuple(found)


def analyse_time(
    column: Column, values: pa.ChunkedArray, target_column: pa.ChunkedArray
) -> tuple[Finding, ...]:
    """Check that rows can be split by the times in a column.

    Parameters
    ----------
    column : Column
        The column.
    values : ChunkedArray of shape (n_rows,)
        Its values.
    target_column : ChunkedArray of shape (n_rows,)
        The target; rows without one are left out anyway.

    Returns
    -------
    tuple of Finding
        How many rows have no time and are left out.

    Raises
    ------
    SchemaError
        The values are neither dates nor numbers, one is infinite, or no row has any.
    """
    name = column.name
    if not column.unique and column.missing == len(values):
        raise SchemaError(
            f"the column of the times, {name!r}, is empty in all {len(values):,} rows",
            expected="a date or a number in most rows",
            fix="check the column, or name another with --time",
        )
    times = times_of(pa.table({name: values}).to_pandas()[name], column)
    infinite = np.flatnonzero(np.isinf(times))
    if len(infinite):
        raise SchemaError(
            f"time {name!r} is infinite in row {infinite[0] + 1:,}",
            expected="finite numbers or dates",
            fix="correct the value, or leave it empty: rows without a time are left out",
        )
    known = ~np.asarray(target_column.is_null(nan_is_null=True).to_numpy(), dtype=bool)
    n_missing = int((known & np.isnan(times)).sum())
    if not n_missing:
        return ()
    many = n_missing != 1
    message = f"{n_missing:,} row{'s' * many} without a time {'are' if many else 'is'} left out"
    return (Finding("warning", name, "dropped", message),)


def times_of(values: "pd.Series[Any]", column: Column) -> Array:
    """Return times as numbers; dates as microseconds since the epoch.

    Parameters
    ----------
    values : Series of shape (n_rows,)
        As `regatta.dataset.load_frame` returns them.
    column : Column
        What the schema says of them.

    Returns
    -------
    ndarray of shape (n_rows,), float64
        NaN where missing.

    Raises
    ------
    SchemaError
        The values are neither dates nor numbers.

    Examples
    --------
    >>> day = Column("day", "datetime", "timestamp")
    >>> times_of(pd.Series(["1970-01-02", None]), day)
    array([8.64e+10,      nan])
    """
    if column.kind in ("datetime", "numeric"):
        try:
            values = conform(values.to_frame(column.name), [column])[column.name]
        except RequestError as err:
            raise SchemaError(err.found, expected="a date or a number", fix=_OTHER) from err
    elif column.dtype not in ("int64", "float64", "timestamp"):
        row = int(values.notna().to_numpy().argmax())
        text = f"{values.iloc[row]!r} in row {row + 1:,}"
        held = text if column.dtype == "string" else "true and false"
        raise SchemaError(
            f"time {column.name!r} holds {held}", expected="dates or numbers", fix=_OTHER
        )
    if pd.api.types.is_datetime64_any_dtype(values):
        moments = values.to_numpy().astype("datetime64[us]")
        return np.where(np.isnat(moments), np.nan, moments.astype(np.int64).astype(np.float64))
    return values.to_numpy(dtype=np.float64, na_value=np.nan)


def load_times(
    dataset: str | Path, schema: Schema, rows: npt.NDArray[np.integer] | None = None
) -> Array:
    """Load the times by which the rows of a dataset are split.

    Parameters
    ----------
    dataset : str or Path
        Folder of the dataset artifact.
    schema : Schema
        Its columns; `Schema.time` names the one.
    rows : ndarray of shape (n,), int, or None, default None
        Positions of the rows, in the order wanted; None for all.

    Returns
    -------
    ndarray of shape (n,), float64
        As `times_of` returns them.
    """
    values = load_frame(dataset, columns=[schema.time], rows=rows, verify=False)[schema.time]
    return times_of(values, schema.column(schema.time))
