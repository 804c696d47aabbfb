"""Parquet files as batches of columns of the few types that Regatta knows."""

from collections.abc import Callable, Iterator

import pyarrow as pa
from pyarrow import compute as pc
from pyarrow import parquet as pq

from regatta.dataset.moments import MICROSECONDS
from regatta.dataset.names import check_wanted, chosen, clean_names, option
from regatta.dataset.source import Source
from regatta.dataset.typing import without_nan
from regatta.errors import DataError, SchemaError
from regatta.settings import DataSettings

__all__ = ["batches"]

BATCH_ROWS = 65_536


def batches(
    source: Source,
    settings: DataSettings,
    *,
    columns: tuple[str, ...] = (),
    optional: tuple[str, ...] = (),
) -> Iterator[pa.Table]:
    """Yield the rows in batches: int64, float64, bool, timestamp or string columns.

    Parameters
    ----------
    source : Source
        The file.
    settings : DataSettings
        Which columns are ignored or kept as text.
    columns : tuple of str, default ()
        Names of the columns that must be there.
    optional : tuple of str, default ()
        Names of further columns to read if they are there. Without any name all columns are read.

    Yields
    ------
    Table
        The first one may have no row: it tells the columns.

    Raises
    ------
    DataError
        The file is damaged.
    SchemaError
        A column is nested or of a type that cannot be learnt from.
    RequestError
        One of `columns` is missing, or none of the columns named is there.
    """
    try:
        with pq.ParquetFile(source.path) as file:
            raw = file.schema_arrow.names
            names = clean_names(raw, (*columns, *optional))
            check_wanted(names, columns)
            read = chosen(names, columns, optional)
            # Nested columns are refused, or left out when ignored, before anything is decoded.
            empty = file.schema_arrow.empty_table()
            kept = [
                (name, old)
                for name, old in zip(names, raw, strict=True)
                if name in read and not _is_nested(empty.schema.field(old).type)
            ]
            yield _table(empty.rename_columns(names).select(read), read, settings)
            for batch in file.iter_batches(BATCH_ROWS, columns=[old for _, old in kept]):
                table = pa.Table.from_batches([batch])
                by_old = dict(zip(table.column_names, table.columns, strict=True))
                arrays = {name: by_old[old] for name, old in kept}
                yield _table(pa.table(arrays), read, settings)
    except (pa.ArrowException, OSError) as err:
        reason = str(err).splitlines()[0][:120] if str(err) else type(err).__name__
        raise DataError(
            f"{str(source.path)!r} is a damaged Parquet file ({reason})",
            expected="a whole Parquet file",
            fix="download or export it again",
        ) from err


def _table(table: pa.Table, names: list[str], settings: DataSettings) -> pa.Table:
    """Bring every column to a known type; what was left out becomes a column of nulls."""
    arrays = []
    # `table.column_names` and `table[name]` walk through all columns at each call.
    there = dict(zip(table.column_names, table.columns, strict=True))
    for name in names:
        if name not in there:
            arrays.append(pa.chunked_array([pa.nulls(table.num_rows, pa.string())]))
            continue
        column = there[name]
        if _is_nested(column.type):
            _check_ignored(name, column.type, settings)
            column = pa.chunked_array([pa.nulls(len(column), pa.string())])
        column = _known(name, column)
        if settings.kinds.get(name) in ("categorical", "text"):
            column = as_text(column)
        arrays.append(column)
    return pa.table(arrays, names=names)


def _is_nested(dtype: pa.DataType) -> bool:
    return pa.types.is_nested(dtype) and not pa.types.is_dictionary(dtype)


def _check_ignored(name: str, dtype: pa.DataType, settings: DataSettings) -> None:
    if name in settings.ignore or settings.kinds.get(name) == "ignore":
        return
    raise SchemaError(
        f"column {name!r} is nested ({str(dtype)[:60]})",
        expected="numbers, texts, booleans or dates",
        fix="flatten it, or leave it out with " + option("data.ignore", name),
    )


def _known(name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Cast a column to the one of the known types that holds its values."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    dtype = column.type
    for suits, cast in _CASTS:
        if suits(dtype):
            try:
                return cast(column)
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as err:
                raise _unknown(name, dtype) from err
    raise _unknown(name, dtype)


def _unknown(name: str, dtype: pa.DataType) -> SchemaError:
    return SchemaError(
        f"column {name!r} is of type {dtype}",
        expected="numbers, texts, booleans or dates",
        fix="convert it in the file, or delete it",
    )


def _integers(column: pa.ChunkedArray) -> pa.ChunkedArray:
    try:
        return pc.cast(column, pa.int64())
    except pa.ArrowInvalid:
        return pc.cast(column, pa.float64(), safe=False)


def _moments(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_timestamp(column.type) and column.type.tz:
        column = pc.cast(column, pa.timestamp(column.type.unit))
    return pc.cast(column, MICROSECONDS, safe=False)


def _seconds(column: pa.ChunkedArray) -> pa.ChunkedArray:
    micro = pc.cast(pc.cast(column, pa.duration("us"), safe=False), pa.int64())
    return pc.divide(pc.cast(micro, pa.float64(), safe=False), 1e6)


def _to(dtype: pa.DataType) -> Callable[[pa.ChunkedArray], pa.ChunkedArray]:
    return lambda column: without_nan(pc.cast(column, dtype, safe=False))


_CASTS: tuple[tuple[Callable[[pa.DataType], bool], Callable[..., pa.ChunkedArray]], ...] = (
    (pa.types.is_boolean, lambda column: column),
    (pa.types.is_integer, _integers),
    (pa.types.is_floating, _to(pa.float64())),
    (pa.types.is_decimal, _to(pa.float64())),
    (pa.types.is_timestamp, _moments),
    (pa.types.is_date, _moments),
    (pa.types.is_duration, _seconds),
    (
        lambda dtype: (
            pa.types.is_string(dtype)
            or pa.types.is_large_string(dtype)
            or pa.types.is_string_view(dtype)
            or pa.types.is_binary(dtype)
            or pa.types.is_large_binary(dtype)
            or pa.types.is_time(dtype)
            or pa.types.is_null(dtype)
        ),
        lambda column: pc.cast(column, pa.string()),
    ),
)


def as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Write values as text; whole numbers without a decimal point.

    Examples
    --------
    >>> as_text(pa.chunked_array([[1.0, 2.5, None]])).to_pylist()
    ['1', '2.5', None]
    """
    if not pa.types.is_floating(column.type):
        return pc.cast(column, pa.string())
    whole = pc.and_(pc.equal(column, pc.floor(column)), pc.less(pc.abs(column), 2.0**53))
    digits = pc.cast(pc.cast(pc.if_else(whole, column, 0.0), pa.int64()), pa.string())
    return pc.if_else(whole, digits, pc.cast(column, pa.string()))
