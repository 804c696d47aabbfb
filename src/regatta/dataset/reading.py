"""Read a table: texts and values of a file become typed columns, in bounded memory.

One pass over the file is usually enough: each chunk is typed by what the column looked like so
far and handed on at once. Where a later chunk shows that a column is something else (a text among
numbers in the millionth row), the pass goes on only to find the types, and a second one reads
the file by them. So the type is always that of the whole column.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
from pyarrow import parquet as pq

from regatta.dataset import csv_file, json_lines, parquet_file
from regatta.dataset.columns import Columns
from regatta.dataset.findings import Finding
from regatta.dataset.names import check_settings, check_wanted, chosen, clean_names
from regatta.dataset.source import Source, fingerprint, inspect
from regatta.dataset.spellings import Spellings
from regatta.dataset.typing import NONE, Plan
from regatta.errors import DataError
from regatta.settings import DataSettings, SplitSettings

__all__ = ["Reading", "chunks", "fingerprint", "read_table", "write_table"]

CHUNK_ROWS = 131_072
CHUNK_BYTES = 64 << 20
# Rows of a block above which it is worth a call of its own.
SMALL_BLOCK = 10_000


@dataclass(frozen=True)
class Reading:
    """What was read, and how.

    Attributes
    ----------
    source : str
        Base name of the file.
    format : {"csv", "jsonl", "parquet"}
        What it was.
    encoding, delimiter : str
        Of a text file, else ``""``.
    n_rows : int
        Number of rows.
    columns : tuple of str
        Names in file order.
    na_values : dict of str to tuple of str
        Texts that meant a missing value, by column.
    formats : dict of str to str
        Spelling of dates (see `regatta.dataset.moments`), by column.
    target_texts : tuple of str
        Different texts of the target in the file, sorted; ``()`` where it holds none.
    findings : tuple of Finding
        What was noticed.
    """

    source: str
    format: str
    encoding: str
    delimiter: str
    n_rows: int
    columns: tuple[str, ...]
    na_values: dict[str, tuple[str, ...]] = field(default_factory=dict)
    formats: dict[str, str] = field(default_factory=dict)
    target_texts: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()

    @property
    def decimal_comma(self) -> bool:
        """Whether a comma may be a decimal sign, as it does not separate the fields."""
        return self.format == "csv" and self.delimiter != ","

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {**vars(self), "findings": [finding.to_dict() for finding in self.findings]}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Reading":
        """Read what `to_dict` returned."""
        findings = tuple(Finding(**finding) for finding in values["findings"])
        na_values = {name: tuple(texts) for name, texts in values["na_values"].items()}
        tuples = {name: tuple(values[name]) for name in ("columns", "target_texts")}
        return cls(**{**values, **tuples, "na_values": na_values, "findings": findings})


class _Sink(Protocol):
    """Takes the typed chunks; told to start again when the types turn out to be others."""

    def start(self, schema: pa.Schema) -> None: ...

    def write(self, table: pa.Table) -> None: ...


class _Memory:
    """Keep the chunks."""

    def start(self, schema: pa.Schema) -> None:
        self.schema, self.tables = schema, list[pa.Table]()

    def write(self, table: pa.Table) -> None:
        self.tables.append(table)


class _ParquetFile:
    """Write the chunks, one row group each."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer: pq.ParquetWriter | None = None

    def start(self, schema: pa.Schema) -> None:
        self.close()
        texts = [f.name for f in schema if pa.types.is_string(f.type)]
        # A dictionary of floats that all differ costs time and is thrown away.
        self._writer = pq.ParquetWriter(self._path, schema, use_dictionary=texts)

    def write(self, table: pa.Table) -> None:
        if self._writer is not None:
            self._writer.write_table(table, row_group_size=max(1, table.num_rows))

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None


def read_table(path: str | Path, settings: DataSettings) -> pa.Table:
    r"""Read a whole table into memory.

    Parameters
    ----------
    path : str or Path
        A CSV (may be gzipped), Parquet or JSON-lines file.
    settings : DataSettings
        How to read it; its ``source`` is not looked at.

    Returns
    -------
    Table
        Columns of int64, float64, bool, timestamp[us] or string.

    Raises
    ------
    DataError
        The file is no table; the message says where it is not.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "table.csv")
    ...     _ = path.write_text("age;city\n31;Bern\n ?;Genf\n")
    ...     read_table(path, DataSettings()).to_pylist()
    [{'age': 31, 'city': 'Bern'}, {'age': None, 'city': 'Genf'}]
    """
    sink = _Memory()
    _read(path, settings, sink)
    return pa.concat_tables(sink.tables).cast(sink.schema)


def write_table(
    path: str | Path,
    settings: DataSettings,
    destination: str | Path,
    split: SplitSettings | None = None,
) -> Reading:
    """Read a table and write it as Parquet, in bounded memory.

    Parameters
    ----------
    path, settings
        As for `read_table`.
    destination : str or Path
        Parquet file to write; deleted again on an error.
    split : SplitSettings, optional
        Names columns that must be there, too.

    Returns
    -------
    Reading
        What was read, and how.

    Raises
    ------
    DataError
        The file is no table; the message says where it is not.

    Notes
    -----
    Memory: a few chunks of at most 64 MiB of text and their values.
    """
    destination = Path(destination)
    sink = _ParquetFile(destination)
    try:
        reading = _read(path, settings, sink, split)
    except BaseException:
        sink.close()
        destination.unlink(missing_ok=True)
        raise
    sink.close()
    return reading


def chunks(
    source: Source,
    settings: DataSettings,
    *,
    columns: tuple[str, ...] = (),
    optional: tuple[str, ...] = (),
) -> Iterator[pa.Table]:
    """Yield the rows of a file in chunks; the columns of a text file as texts.

    Parameters
    ----------
    source : Source
        The file.
    settings : DataSettings
        How to read it.
    columns : tuple of str, default ()
        Names of the columns that must be there; of JSON lines, on each line.
    optional : tuple of str, default ()
        Names of further columns to read if they are there. Without any name all columns are read.

    Yields
    ------
    Table
        Some 100,000 rows; the first one tells the columns even where there are no rows. A later
        chunk of a JSON-lines file may have more columns.

    Raises
    ------
    DataError
        The file is no table.
    RequestError
        One of `columns` is missing, or none of the columns named is there.
    """
    if source.format == "parquet":
        tables = parquet_file.batches(source, settings, columns=columns, optional=optional)
    elif source.format == "jsonl":
        tables = json_lines.batches(source, settings, columns=columns, optional=optional)
    else:
        names = clean_names(csv_file.header(source, settings), (*columns, *optional))
        check_wanted(names, columns)
        read = chosen(names, columns, optional)
        # 'None' may be a value: that is decided over the whole column.
        sure = [text for text in settings.na_values if text != NONE]
        yield pa.table({name: pa.array([], pa.string()) for name in read})
        tables = csv_file.batches(
            source, names, settings, columns=() if read == names else read, na_values=sure
        )
    yield from _gathered(tables)


def _gathered(tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """Put small blocks together: one chunk is typed, and written, at once."""
    waiting: list[pa.Table] = []
    rows = size = 0
    for table in tables:
        if waiting and waiting[-1].schema != table.schema:
            yield _joined(waiting)
            waiting, rows, size = [], 0, 0
        waiting.append(table)
        rows += table.num_rows
        size += table.nbytes
        if rows >= CHUNK_ROWS or size >= CHUNK_BYTES:
            yield _joined(waiting)
            waiting, rows, size = [], 0, 0
    if waiting:
        yield _joined(waiting)


def _joined(tables: list[pa.Table]) -> pa.Table:
    """Put tables together; many small blocks into one, as each costs a call per column."""
    table = pa.concat_tables(tables)
    small = len(tables) > 1 and table.num_rows < SMALL_BLOCK * len(tables)
    return table.combine_chunks() if small else table


def _read(
    path: str | Path, settings: DataSettings, sink: _Sink, split: SplitSettings | None = None
) -> Reading:
    """Read a file into a sink, a second time if the types turn out to be others."""
    source = inspect(path, settings)
    columns = Columns(source, settings)
    written: dict[str, Plan] = {}
    n_rows, current, spellings = 0, False, Spellings()
    for table in chunks(source, settings):
        if not n_rows and source.format != "jsonl":
            check_settings(table.column_names, settings, split)
        if settings.target in table.column_names:
            spellings.take(table[settings.target])
        values = columns.take(table)
        n_rows += table.num_rows
        if not written and table.num_rows:
            written, current = columns.plans, True
            sink.start(_schema(written))
        if current and table.num_rows:
            current = columns.plans == written
        if current and table.num_rows:
            sink.write(_arranged(values, written))
    _check_rows(source, columns.names, n_rows)
    check_settings(columns.names, settings, split)
    if not current:
        _write_by(columns, source, settings, sink)
    return _reading(source, columns, n_rows, tuple(sorted(spellings.texts)))


def _write_by(columns: Columns, source: Source, settings: DataSettings, sink: _Sink) -> None:
    """Read the file again, now that the type of each whole column is known."""
    plans = columns.plans
    sink.start(_schema(plans))
    for table in chunks(source, settings):
        if table.num_rows:
            sink.write(_arranged(columns.values(table, plans), plans))


def _schema(plans: dict[str, Plan]) -> pa.Schema:
    return pa.schema([(name, plan.arrow) for name, plan in plans.items()])


def _arranged(values: dict[str, pa.ChunkedArray], plans: dict[str, Plan]) -> pa.Table:
    return pa.table([values[name] for name in plans], schema=_schema(plans))


def _check_rows(source: Source, names: list[str], n_rows: int) -> None:
    if n_rows and names:
        return
    what = f"{len(names)} column{'s' * (len(names) != 1)} and no rows"
    raise DataError(
        f"{str(source.path)!r} has {what if names else 'no columns'}",
        expected="at least 20 rows",
        fix="check the export that wrote it",
    )


def _reading(
    source: Source, columns: Columns, n_rows: int, target_texts: tuple[str, ...]
) -> Reading:
    plans = columns.plans
    unnamed = [
        Finding("info", name, "unnamed", f"{name} has no name in the file")
        for position, name in enumerate(columns.names, start=1)
        if name == f"column_{position}"
    ]
    ambiguous = [
        Finding(
            "warning",
            name,
            "ambiguous_dates",
            f"dates like {plans[name].format.replace('%', '')} could be read day first as well",
        )
        for name in columns.ambiguous
    ]
    thousands = [
        Finding(
            "warning",
            name,
            "ambiguous_numbers",
            f"numbers like {text} were read as {text.replace(',', '.')}; if the"
            f" {'comma' if ',' in text else 'point'} separates thousands, delete it in the file",
        )
        for name, text in columns.thousands.items()
    ]
    return Reading(
        source=source.path.name,
        format=source.format,
        encoding=source.encoding,
        delimiter=source.delimiter,
        n_rows=n_rows,
        columns=tuple(columns.names),
        na_values={name: columns.na_values(plan) for name, plan in plans.items()},
        formats={name: plan.format for name, plan in plans.items() if plan.format},
        target_texts=target_texts,
        findings=(*unnamed, *ambiguous, *thousands),
    )
