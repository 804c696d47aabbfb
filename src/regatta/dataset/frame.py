"""Typed pandas frames: of a dataset artifact, and of a file to predict."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from pyarrow import compute as pc
from pyarrow import parquet as pq

from regatta.artifacts.base import open_artifact
from regatta.dataset.names import listed, may_be_left_out
from regatta.dataset.reading import chunks
from regatta.dataset.schema import Column
from regatta.dataset.separators import Separators
from regatta.dataset.source import inspect
from regatta.dataset.typing import Plan, apply, clean, na_array, without_marks
from regatta.errors import DataError, RequestError, SettingsError
from regatta.settings import DataSettings

__all__ = ["TABLE", "load_column", "load_frame", "read_frame"]

logger = logging.getLogger(__name__)

TABLE = "table.parquet"

_DEFAULTS = DataSettings()
_NUMBERS = Plan("float64")
_COMMA = r"^\s*([+-]?[0-9]+),([0-9]+)\s*$"
_POINT = r"^\s*[+-]?[0-9]*\.[0-9]"


def load_frame(
    dataset: str | Path,
    columns: Sequence[str] | None = None,
    rows: npt.NDArray[np.integer] | None = None,
    *,
    verify: bool = True,
) -> pd.DataFrame:
    """Load rows and columns of a dataset artifact.

    Parameters
    ----------
    dataset : str or Path
        Its folder.
    columns : sequence of str or None, default None
        Names of the columns; ``None`` for all in file order.
    rows : ndarray of shape (n,), int, or None, default None
        Positions of the rows, in the order wanted; ``None`` for all.
    verify : bool, default True
        Whether to compare the file with its hash first.

    Returns
    -------
    DataFrame of shape (n, len(columns))
        Whole numbers are int64, or float64 where any is missing; texts object with ``None``;
        dates datetime64[us]; booleans bool, or object with ``None`` where any is missing. The
        index counts from 0.

    Raises
    ------
    ArtifactError
        The artifact is missing, changed, or no dataset.

    Notes
    -----
    Memory: the rows that are asked for, and one row group.
    """
    path = open_artifact(dataset, "dataset", verify=verify).file(TABLE)
    return _to_pandas(_load(path, None if columns is None else list(columns), rows))


def load_column(
    dataset: str | Path, name: str, rows: npt.NDArray[np.integer] | None = None
) -> pa.ChunkedArray:
    """Load a column of a dataset artifact as it is stored: no whole number loses a digit.

    Parameters
    ----------
    dataset : str or Path
        Its folder.
    name : str
        Name of the column.
    rows : ndarray of shape (n,), int, or None, default None
        Positions of the rows, in the order wanted; ``None`` for all.

    Returns
    -------
    ChunkedArray of shape (n,)
        int64, float64, bool, timestamp[us] or string; null where missing.

    Raises
    ------
    ArtifactError
        The artifact is missing or no dataset.
    """
    path = open_artifact(dataset, "dataset", verify=False).file(TABLE)
    return _load(path, [name], rows)[name]


def _load(path: Path, wanted: list[str] | None, rows: npt.NDArray[np.integer] | None) -> pa.Table:
    """Read rows and columns of a Parquet file."""
    if rows is None:
        return pq.read_table(path, columns=wanted)
    positions = np.asarray(rows, dtype=np.int64)
    order = np.argsort(positions, kind="stable")
    ascending = positions[order]
    parts: list[pa.RecordBatch] = []
    start = 0
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(131_072, columns=wanted):
            low, high = np.searchsorted(ascending, (start, start + batch.num_rows))
            if high > low or not parts:
                parts.append(batch.take(pa.array(ascending[low:high] - start)))
            start += batch.num_rows
    table = pa.Table.from_batches(parts)
    if np.array_equal(positions, ascending):
        return table
    back = np.empty_like(order)
    back[order] = np.arange(len(order))
    return table.take(pa.array(back))


def read_frame(
    path: str | Path,
    columns: Sequence[Column],
    settings: DataSettings | None = None,
    *,
    optional: Sequence[Column] = (),
) -> pd.DataFrame:
    """Read the columns of a model's signature from a file to predict.

    Texts are left to `conform`, which knows what each column should be: nothing is decided by
    what this file happens to hold.

    Parameters
    ----------
    path : str or Path
        A CSV (may be gzipped), Parquet or JSON-lines file.
    columns : sequence of Column
        The signature. Other columns of the file are not read. One that had missing values in
        training may be left out, as in a request: then all its values are missing.
    settings : DataSettings or None, default None
        Delimiter and encoding, where they cannot be found out.
    optional : sequence of Column, default ()
        Further columns, which are returned if the file has them.

    Returns
    -------
    DataFrame of shape (n_rows, len(columns) and the optional ones that are there)
        All rows in file order, to be given to `conform`.

    Raises
    ------
    DataError
        The file is no table.
    RequestError
        A column is missing, or its commas may be decimal ones or separate thousands.
    SettingsError
        The settings say what a value means, which the signature does.
    """
    settings = settings or DataSettings()
    _check_meanings(settings)
    # Each column has missing values of its own; `conform` knows them.
    settings = settings.model_copy(update={"na_values": ()})
    source = inspect(path, settings)
    everything = [*columns, *optional]
    needed = tuple(column.name for column in columns if not may_be_left_out(column))
    further = tuple(column.name for column in everything if column.name not in needed)
    commas: dict[str, Separators] = {}
    if source.format == "csv" and source.delimiter != ",":
        commas = {column.name: Separators() for column in everything}
    parts: list[pd.DataFrame] = []
    seen: dict[str, None] = {}
    for table in chunks(source, settings, columns=needed, optional=further):
        seen.update(dict.fromkeys(table.column_names))
        if table.num_rows:
            arrays = {column.name: _column(table, column, commas) for column in everything}
            parts.append(_to_pandas(pa.table(arrays)))
    for column in everything:
        _check_commas(column, commas)
    if not parts:
        raise DataError(
            f"{str(source.path)!r} has no rows", expected="rows to predict", fix="add rows"
        )
    frame = pd.concat(parts, ignore_index=True) if len(parts) > 1 else parts[0]
    _tell_left_out([column.name for column in columns if column.name not in seen])
    absent = [column.name for column in optional if column.name not in seen]
    return frame.drop(columns=absent) if absent else frame


def _check_meanings(settings: DataSettings) -> None:
    """Refuse settings that would read a value as another one than the model was trained on."""
    for key in ("na_values", "kinds"):
        if getattr(settings, key) != getattr(_DEFAULTS, key):
            raise SettingsError(
                f"data.{key} is set for rows of a trained model",
                expected="data.delimiter and data.encoding only: which values are missing, and "
                "what kind a column is, was settled in training",
                fix="leave it out; empty the fields whose value is missing, or train again with "
                "the setting",
            )


def _tell_left_out(names: list[str]) -> None:
    """Say which columns of the signature are not there: one may just be written differently."""
    if names:
        logger.warning(
            "the table has no column %s: all values count as missing, as some did in training",
            listed(names),
        )


def _check_commas(column: Column, commas: dict[str, Separators]) -> None:
    """Refuse ``1,362`` where nothing tells whether it is 1362 or 1.362.

    Values of training tell, where they could be the one and not the other.
    """
    found = commas.get(column.name)
    if found is None or not found.thousands:
        return
    ends = column.minimum, column.maximum
    # A long one may be beyond what training had although a short one is not.
    for text in (found.longest, found.thousands):
        decimal, whole = text.replace(",", "."), text.replace(",", "")
        fits = [_is_between(number, *ends) for number in (decimal, whole)]
        if column.dtype == "float64" and fits == [True, False]:
            return
    raise RequestError(
        f"column {column.name!r} holds {text!r}, which may be {whole} or {decimal}",
        expected="no sign between thousands, and decimal points",
        fix=f"write {whole} or {decimal}, whichever is meant, in all rows",
    )


def _is_between(number: str, least: float | None, most: float | None) -> bool:
    return least is not None and most is not None and least <= float(number) <= most


def _column(table: pa.Table, column: Column, commas: dict[str, Separators]) -> pa.ChunkedArray:
    """Return a column; texts as numbers where all of them are, which is faster than one by one."""
    if column.name not in table.column_names:
        missing = pa.float64() if column.kind == "numeric" else pa.string()
        return pa.chunked_array([pa.nulls(table.num_rows, missing)])
    values = table[column.name]
    if column.kind != "numeric" or not pa.types.is_string(values.type):
        return values
    na_values = na_array(column.na_values)
    plain = apply(values, _NUMBERS, na_values)
    if plain is None and commas:
        texts = clean(values, na_values)
        # With points among its numbers, a column has no decimal commas: in training it were texts.
        if not pc.any(pc.match_substring_regex(texts, _POINT)).as_py():
            values = pc.replace_substring_regex(values, _COMMA, r"\1.\2")
            plain = apply(values, _NUMBERS, na_values)
        if plain is not None:
            commas[column.name].take(without_marks(texts))
    return values if plain is None else plain


def _to_pandas(table: pa.Table) -> pd.DataFrame:
    """Turn a table into a frame without time zones or nanoseconds."""
    for place, field in enumerate(table.schema):
        if pa.types.is_null(field.type):
            table = table.set_column(place, field.name, pc.cast(table[place], pa.string()))
    frame: pd.DataFrame = table.to_pandas(ignore_metadata=True, split_blocks=True)
    return frame
