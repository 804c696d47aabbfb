"""JSON-lines files as batches of text columns: one object a line, scalars only."""

import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from regatta.dataset.names import check_wanted, chosen, clean_names, option
from regatta.dataset.source import Source
from regatta.dataset.streams import block_bytes, lines
from regatta.errors import DataError, SchemaError
from regatta.settings import DataSettings

__all__ = ["batches"]

BATCH_ROWS = 20_000
BATCH_LETTERS = 32 << 20
MAX_COLUMNS = 10_000

# Numbers stay as they are written, so that a column is typed as one of a CSV file is.
_DECODER = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str)


def batches(
    source: Source,
    settings: DataSettings,
    *,
    columns: tuple[str, ...] = (),
    optional: tuple[str, ...] = (),
) -> Iterator[pa.Table]:
    """Yield the rows as text columns; later batches may have more columns.

    Parameters
    ----------
    source : Source
        The file.
    settings : DataSettings
        Longest field.
    columns : tuple of str, default ()
        Names of the columns that each line must have.
    optional : tuple of str, default ()
        Names of further columns to read if they are there. Without any name all columns are read.

    Yields
    ------
    Table
        At least one row. A key that an object lacks is null.

    Raises
    ------
    DataError
        A line is no object, or cannot be decoded.
    SchemaError
        A value is nested, or two keys are the same but for blanks.
    RequestError
        A line lacks one of `columns`, or none of the columns named is there.
    """
    keys: dict[str, None] = {}
    records: list[tuple[int, dict[str, Any]]] = []
    letters = 0
    for number, line in enumerate(lines(source, block_bytes(settings.max_field_bytes)), start=1):
        if not line.strip():
            continue
        record = _object(source, number, line)
        keys.update(dict.fromkeys(record))
        records.append((number, record))
        letters += len(line)
        if len(keys) > MAX_COLUMNS:
            raise SchemaError(
                f"the first {number} lines of {str(source.path)!r} have more than"
                f" {MAX_COLUMNS:,} keys",
                expected="the same keys on each line",
                fix="turn keys that are values into a column of their own",
            )
        if len(records) == BATCH_ROWS or letters > BATCH_LETTERS:
            yield _table(source, records, list(keys), settings, columns, optional)
            records, letters = [], 0
    if records:
        yield _table(source, records, list(keys), settings, columns, optional)


def _object(source: Source, number: int, line: str) -> dict[str, Any]:
    """Decode one line."""
    try:
        record = _DECODER.decode(line.strip().removeprefix("\ufeff"))
    except (ValueError, RecursionError) as err:
        reason = str(err).split(":")[0] if isinstance(err, ValueError) else "too deeply nested"
        raise DataError(
            f"line {number} of {str(source.path)!r} is not JSON ({reason})",
            expected='one object a line, like {"age": 31, "city": "Bern"}',
            fix="correct or delete that line",
        ) from err
    if not isinstance(record, dict):
        what = {"list": "an array", "str": "a text or number"}.get(type(record).__name__, "a value")
        raise DataError(
            f"line {number} of {str(source.path)!r} is {what}",
            expected='one object a line, like {"age": 31, "city": "Bern"}',
            fix="write each row as an object",
        )
    return record


def _table(
    source: Source,
    records: list[tuple[int, dict[str, Any]]],
    keys: list[str],
    settings: DataSettings,
    columns: tuple[str, ...],
    optional: tuple[str, ...],
) -> pa.Table:
    names = clean_names(keys, (*columns, *optional))
    by_name = dict(zip(names, keys, strict=True))
    _check_lines(source, records, by_name, columns)
    read = chosen(names, columns, optional)
    arrays = []
    for name in read:
        values = [record.get(by_name[name]) for _, record in records]
        if not {type(value) for value in values} <= {str, type(None)}:
            values = [
                _text(number, name, value, settings)
                for (number, _), value in zip(records, values, strict=True)
            ]
        try:
            arrays.append(pa.array(values, pa.string()))
        except UnicodeEncodeError as err:
            raise DataError(
                f"column {name!r} holds half a character (a lone surrogate)"
                f" between lines {records[0][0]} and {records[-1][0]}",
                expected="text that can be written as UTF-8",
                fix="export the table again",
            ) from err
    return pa.table(arrays, names=read)


def _check_lines(
    source: Source,
    records: list[tuple[int, dict[str, Any]]],
    by_name: dict[str, str],
    columns: tuple[str, ...],
) -> None:
    """Refuse a line that lacks a column which each line must have."""
    for name in columns:
        key = by_name.get(name)
        for number, record in records:
            if key not in record:
                where = f"line {number} of {str(source.path)!r}"
                check_wanted([key.strip() for key in record], [name], where, "null")


def _text(number: int, name: str, value: object, settings: DataSettings) -> str | None:
    """Return a scalar as the text that a CSV file would hold."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if name in settings.ignore or settings.kinds.get(name) == "ignore":
        return None
    what = "an array" if isinstance(value, list) else "an object"
    raise SchemaError(
        f"line {number} has {what} in column {name!r}",
        expected="numbers, texts, booleans or null",
        fix="flatten it, or leave it out with " + option("data.ignore", name),
    )
