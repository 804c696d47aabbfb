"""CSV files as batches of text columns, in bounded memory.

pyarrow splits the records; it reads every field as text, so that nothing is decided from the
first rows. What it cannot explain (which line is ragged, where a quote was left open) is found
by reading the file a second time with `csv`, slowly, once there is something to explain.
"""

import contextlib
import csv
import itertools
from collections.abc import Iterable, Iterator, Sequence

import pyarrow as pa
from pyarrow import compute as pc
from pyarrow import csv as pa_csv

from regatta.dataset.source import Source
from regatta.dataset.streams import TextStream, block_bytes, lines, undecodable
from regatta.errors import DataError
from regatta.settings import DataSettings

__all__ = ["batches", "header"]


def header(source: Source, settings: DataSettings) -> list[str]:
    """Return the fields of the first record that is not blank.

    Raises
    ------
    DataError
        The file has no header, or it cannot be read.
    """
    return _header(source, settings)[1]


def _header(source: Source, settings: DataSettings) -> tuple[int, list[str]]:
    """Return how many blank lines come first, and the header."""
    with _field_limit(settings):
        try:
            reader = csv.reader(_lines(source, settings), delimiter=source.delimiter)
            for blank, record in enumerate(reader):
                if record:
                    return blank, record
        except csv.Error as err:
            raise too_long(source, settings, 1) from err
    raise DataError(
        f"{str(source.path)!r} is empty",
        expected="a header line and at least 20 rows",
        fix="check the export that wrote it",
    )


def batches(
    source: Source,
    names: Sequence[str],
    settings: DataSettings,
    *,
    columns: Sequence[str] = (),
    na_values: Sequence[str] = (),
) -> Iterator[pa.Table]:
    """Yield the rows as text, block by block.

    Parameters
    ----------
    source : Source
        The file.
    names : sequence of str
        Names of all its columns, in order.
    settings : DataSettings
        Longest field.
    columns : sequence of str, default ()
        Names of the columns to return; empty for all.
    na_values : sequence of str, default ()
        Texts that become null at once. Only exact ones: blanks around them are not cut here.

    Yields
    ------
    Table
        At least one row of text columns. A blank line is no row, unless the file has one column:
        there it is a missing value.

    Raises
    ------
    DataError
        A row is ragged, a field is too long, a quote is never closed, a byte is no text.
    """
    # Names may be anything; the reader works with positions.
    keys = [str(position) for position in range(len(names))]
    wanted = [keys[list(names).index(name)] for name in columns] if columns else keys
    stream = TextStream(source)
    # What the reader takes for rows above the first one.
    above = 1 + (_header(source, settings)[0] if len(keys) == 1 else 0)
    rows = 0
    try:
        with contextlib.closing(stream):
            for batch in _open(stream, source, keys, wanted, settings, na_values):
                table = pa.Table.from_batches([batch.slice(above)])
                above -= min(above, batch.num_rows)
                _check_lengths(table, source, settings, rows)
                rows += table.num_rows
                if table.num_rows:
                    yield table.rename_columns(list(columns) or list(names))
    except pa.ArrowInvalid as err:
        raise _explained(source, len(names), settings, str(err)) from err
    if stream.quotes % 2:
        _check_closed(source, settings)


def _open(
    stream: TextStream,
    source: Source,
    keys: list[str],
    wanted: list[str],
    settings: DataSettings,
    na_values: Sequence[str],
) -> pa_csv.CSVStreamingReader:
    return pa_csv.open_csv(
        stream,
        read_options=pa_csv.ReadOptions(
            column_names=keys, block_size=block_bytes(settings.max_field_bytes)
        ),
        parse_options=pa_csv.ParseOptions(
            delimiter=source.delimiter,
            newlines_in_values=True,
            ignore_empty_lines=len(keys) > 1,
        ),
        convert_options=pa_csv.ConvertOptions(
            column_types=dict.fromkeys(keys, pa.string()),
            include_columns=wanted,
            null_values=list(na_values) or ["\0"],
            strings_can_be_null=True,
            quoted_strings_can_be_null=True,
        ),
    )


def _check_lengths(table: pa.Table, source: Source, settings: DataSettings, rows: int) -> None:
    """Refuse fields that are too long; offsets tell it without looking at the text."""
    limit = settings.max_field_bytes
    if table.nbytes <= limit:
        return
    for column in table.itercolumns():
        if column.nbytes <= limit:
            continue
        lengths = pc.binary_length(column)
        longest = pc.max(lengths).as_py()
        if longest is not None and longest > limit:
            row = rows + pc.index(pc.greater(lengths, limit), True).as_py() + 1
            raise too_long(source, settings, row)


def too_long(source: Source, settings: DataSettings, row: int) -> DataError:
    """Return the error for a field that is too long, naming the line of an open quote if any."""
    try:
        _check_closed(source, settings)
    except DataError as err:
        return err
    return DataError(
        f"row {row} of {str(source.path)!r} has a field longer than"
        f" {settings.max_field_bytes:,} bytes",
        expected="shorter fields; mostly a quote was left open",
        fix="check the quotes near that row, or allow longer fields with"
        " --set data.max_field_bytes=…",
    )


def _explained(source: Source, n_columns: int, settings: DataSettings, arrow: str) -> DataError:
    """Return the error for what the reader could not read."""
    if "UTF8" in arrow and (wrong := undecodable(source)):
        return wrong
    if "straddling" in arrow:
        return too_long(source, settings, 1)
    try:
        with _field_limit(settings):
            reader = csv.reader(_lines(source, settings), delimiter=source.delimiter)
            rows = before = 0
            for record in reader:
                if record and len(record) != n_columns:
                    if rows == 1 and _names_rows(record, reader, n_columns):
                        return _row_names(source, n_columns)
                    return _ragged(source, before + 1, len(record), n_columns)
                rows += bool(record)
                before = reader.line_num
    except DataError as err:
        return err
    except csv.Error:
        return too_long(source, settings, 1)
    reason = arrow.removeprefix("CSV parse error: ").splitlines()[0][:120]
    return DataError(
        f"{str(source.path)!r} cannot be split into fields ({reason})",
        expected="as many fields in each row as in the header",
        fix="check the delimiter and the quotes",
    )


def _ragged(source: Source, line: int, found: int, expected: int) -> DataError:
    more = "put quotes around a field that holds the delimiter"
    if found < expected:
        more = "fill up the missing fields"
    return DataError(
        f"line {line} of {str(source.path)!r} has {found} field{'s' * (found != 1)}",
        expected=f"{expected}, as in the header (separated by {source.delimiter!r})",
        fix=f"{more}, or set the right delimiter with --set data.delimiter=…",
    )


def _names_rows(record: list[str], reader: Iterable[list[str]], n_columns: int) -> bool:
    """Return whether the first records all have a name before their fields, as R writes them."""
    some = [record, *(more for more in itertools.islice(reader, 100) if more)]
    same = all(len(more) == n_columns + 1 and more[0] for more in some)
    # What is empty at each end is no field: the lines end with a delimiter.
    return same and any(more[-1] for more in some)


def _row_names(source: Source, n_columns: int) -> DataError:
    return DataError(
        f"each line of {str(source.path)!r} has {n_columns + 1} fields, and the header {n_columns}"
        f" name{'s' * (n_columns != 1)}: the names of the rows have no header",
        expected="as many names in the header as fields in each line",
        fix="from R, write it with row.names=FALSE, or with write.table(…, col.names=NA)",
    )


def _check_closed(source: Source, settings: DataSettings) -> None:
    """Raise `DataError` if the file ends inside a quoted field."""
    opened, inside = 0, False
    for number, line in enumerate(_lines(source, settings), start=1):
        if not inside and '"' not in line:
            continue
        at_start, position = True, 0
        while position < len(line):
            if inside:
                position = line.find('"', position) + 1
                if not position:
                    break
                if line.startswith('"', position):
                    position += 1
                else:
                    inside = at_start = False
            elif at_start and line[position] == '"':
                inside, opened, position = True, number, position + 1
            else:
                position = line.find(source.delimiter, position) + 1
                if not position:
                    break
                at_start = True
    if inside:
        raise DataError(
            f"the quote opened in line {opened} of {str(source.path)!r} is never closed",
            expected="a second quote at the end of the field",
            fix="close it, or double a quote that belongs to the text",
        )


def _lines(source: Source, settings: DataSettings) -> Iterator[str]:
    return lines(source, block_bytes(settings.max_field_bytes))


@contextlib.contextmanager
def _field_limit(settings: DataSettings) -> Iterator[None]:
    """Let `csv` read fields as long as the settings allow."""
    before = csv.field_size_limit(block_bytes(settings.max_field_bytes))
    try:
        yield
    finally:
        csv.field_size_limit(before)
