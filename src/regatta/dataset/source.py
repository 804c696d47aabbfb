"""Find out what a file is before reading it: its format, compression, encoding and delimiter.

The content decides, then the suffix: a Parquet file that is named ``.csv`` is read as what it is.
"""

import codecs
import csv
import gzip
import hashlib
import io
import json
import os
import re
import shlex
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from regatta.errors import DataError, SettingsError, nearest
from regatta.settings import DataSettings

__all__ = ["Format", "Source", "fingerprint", "inspect", "named"]

Format = Literal["csv", "jsonl", "parquet"]

HEAD_BYTES = 65_536
DELIMITERS = (",", ";", "\t", "|")
_NAMED_DELIMITERS = {"\\t": "\t", "tab": "\t", "comma": ",", "semicolon": ";", "pipe": "|"}
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_FOREIGN = (
    (b"PK\x03\x04", "a ZIP archive or an Excel workbook"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook"),
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"%PDF", "a PDF document"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ", "an xz archive"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive"),
    (b"ARROW1", "an Arrow IPC file"),
    (b"SQLite format 3", "a SQLite database"),
    (b"\x7fELF", "a program"),
)
# {"age": {"0": 31, ...: a column first, then its rows by number.
_COLUMNS = re.compile(r'\s*\{\s*"(?:[^"\\]|\\.)*"\s*:\s*\{\s*"0"\s*:')
_EXPECTED = "a CSV, Parquet or JSON-lines file"


@dataclass(frozen=True)
class Source:
    """A file and how to read it.

    Attributes
    ----------
    path : Path
        Where it is.
    format : {"csv", "jsonl", "parquet"}
        What it holds.
    gzipped : bool
        Whether it is compressed by gzip.
    encoding : str
        Name of the codec of its text; ``""`` for Parquet.
    delimiter : str
        Field separator of a CSV file, else ``""``.
    """

    path: Path
    format: Format
    gzipped: bool = False
    encoding: str = ""
    delimiter: str = ""


def named(settings: DataSettings) -> str:
    """Return the source that is named.

    Raises
    ------
    DataError
        None is.
    """
    if not settings.source:
        raise DataError(
            "no table is given",
            expected="the path of a CSV, Parquet or JSON-lines file",
            fix="pass it as data.source",
        )
    return settings.source


def fingerprint(path: str | Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def inspect(path: str | Path, settings: DataSettings) -> Source:
    """Find out how to read a file.

    Parameters
    ----------
    path : str or Path
        The file.
    settings : DataSettings
        ``encoding`` and ``delimiter``, where given, are taken instead of being found out.

    Returns
    -------
    Source
        The file and how to read it.

    Raises
    ------
    DataError
        The file is missing, no file, empty, or no table.
    SettingsError
        The encoding or the delimiter is none.
    """
    path = Path(path)
    _check_there(path)
    try:
        with path.open("rb") as stream:
            head = stream.read(HEAD_BYTES)
    except OSError as err:
        raise DataError(
            f"{str(path)!r} cannot be read ({err.strerror})",
            expected="a file that this user may read",
            fix="check its permissions",
        ) from err
    gzipped = head.startswith(b"\x1f\x8b")
    if gzipped:
        head = _unzipped_head(path)
    if not head:
        raise _empty(path)
    if head.startswith(b"PAR1"):
        if gzipped:
            raise _foreign(path, "a Parquet file inside gzip", "unpack it first")
        return Source(path, "parquet")
    for magic, what in _FOREIGN:
        if head.startswith(magic):
            raise _foreign(path, what, "export the table as CSV or Parquet and pass that file")
    encoding = _encoding(path, head, settings.encoding)
    text = _head_text(path, head, encoding)
    if not text.strip():
        raise _empty(path)
    _check_text(path, text)
    if _is_json_lines(path, text):
        return Source(path, "jsonl", gzipped, encoding)
    return Source(path, "csv", gzipped, encoding, _delimiter(text, settings.delimiter))


def _check_there(path: Path) -> None:
    """Refuse what is no file."""
    shown = str(path)
    if "://" in shown or shown.startswith(("s3:/", "http:/", "https:/", "gs:/")):
        raise DataError(
            f"{shown!r} is an address",
            expected="the path of a local file",
            fix="download the table first and pass its path",
        )
    try:
        exists, is_file, is_folder = path.exists(), path.is_file(), path.is_dir()
    except (OSError, ValueError) as err:
        raise DataError(
            f"{shown!r} is no path ({err})", expected="the path of a file", fix="check the path"
        ) from err
    if not exists:
        names = os.listdir(path.parent) if path.parent.is_dir() else []
        raise DataError(
            f"there is no file {shown!r}{nearest(path.name, names)}",
            expected=_EXPECTED,
            fix="check the path",
        )
    if is_folder:
        raise DataError(
            f"{shown!r} is a folder",
            expected=_EXPECTED,
            fix="pass the path of one file in it",
        )
    if not is_file:
        raise DataError(
            f"{shown!r} is no regular file", expected=_EXPECTED, fix="copy it into a file first"
        )


def _unzipped_head(path: Path) -> bytes:
    """Return the first bytes inside a gzip file."""
    try:
        with gzip.open(path, "rb") as stream:
            return stream.read(HEAD_BYTES)
    except (OSError, EOFError, zlib.error) as err:
        raise DataError(
            f"{str(path)!r} is a damaged gzip file ({err})",
            expected="a whole gzip file",
            fix="download or export it again",
        ) from err


def _empty(path: Path) -> DataError:
    return DataError(
        f"{str(path)!r} is empty",
        expected="a header line and at least 20 rows",
        fix="check the export that wrote it",
    )


def _foreign(path: Path, what: str, fix: str) -> DataError:
    return DataError(f"{str(path)!r} is {what}", expected=_EXPECTED, fix=fix)


def _encoding(path: Path, head: bytes, wanted: str) -> str:
    """Return the codec: the wanted one, else by the byte-order mark, else UTF-8."""
    if wanted:
        try:
            codec = codecs.lookup(wanted)
            known = codec._is_text_encoding and codec.incrementaldecoder is not None
        except (LookupError, ValueError):
            known = False
        if not known:
            names = ["utf-8", "utf-16", "latin-1", "cp1252", "iso8859-15", "shift-jis", "gb18030"]
            raise SettingsError(
                f"there is no encoding {wanted!r}{nearest(wanted, names)}",
                expected="a name such as " + ", ".join(names[:4]),
                fix="set another one with --set data.encoding=…",
            )
        return codec.name
    for bom, encoding in _BOMS:
        if head.startswith(bom):
            return encoding
    if b"\0" in head:
        even, odd = head[0:400:2].count(0), head[1:400:2].count(0)
        if max(even, odd) > 8 * (min(even, odd) + 1):
            guess = "utf-16-le" if odd > even else "utf-16-be"
            raise _foreign(
                path, "UTF-16 without a byte-order mark", f"add --set data.encoding={guess}"
            )
        line = head[: head.index(b"\0")].count(b"\n") + 1
        raise _foreign(
            path,
            f"no text: line {line} holds a NUL byte",
            "export the table again as CSV, Parquet or JSON lines",
        )
    return "utf-8"


def _head_text(path: Path, head: bytes, encoding: str) -> str:
    """Decode the head; single bytes that cannot be decoded are reported when they are read."""
    try:
        return codecs.getincrementaldecoder(encoding)("replace").decode(head).lstrip("\ufeff")
    except UnicodeError as err:
        raise DataError(
            f"{str(path)!r} cannot be read as {encoding} ({err})",
            expected="text in that encoding",
            fix="set the right one with --set data.encoding=…, or leave it out",
        ) from err


def _check_text(path: Path, text: str) -> None:
    """Refuse texts that look like a table of the formats that are read, and are another one."""
    lines = text.splitlines()
    first = next((line.strip() for line in lines if _says_something(line)), "")
    if found := re.fullmatch(r'"?sep=(.?)"?', first, re.IGNORECASE):
        separator = found.group(1) or "\t"
        raise DataError(
            f"the first line of {str(path)!r} is {first!r}, which only tells Excel what separates"
            " the fields",
            expected="the names of the columns in the first line",
            fix=f"delete that line, and add --set data.delimiter={_shown(separator)}",
        )
    if re.match(r"@relation\b", first, re.IGNORECASE):
        raise _foreign(
            path,
            "an ARFF file, as Weka writes them",
            "save it as CSV in Weka, or convert it with scipy.io.arff.loadarff and pandas",
        )
    if _COLUMNS.match(text) and not any(line.startswith("{") for line in lines[1:]):
        raise _foreign(
            path,
            "one JSON object of whole columns, as to_json of pandas writes it",
            'write it with to_json(path, orient="records", lines=True)',
        )


def _says_something(line: str) -> bool:
    """Return whether a line is neither blank nor a comment of an ARFF file."""
    return bool(line.strip()) and not line.lstrip().startswith("%")


def _shown(delimiter: str) -> str:
    return "tab" if delimiter == "\t" else shlex.quote(delimiter)


def _is_json_lines(path: Path, text: str) -> bool:
    """Return whether a text is JSON lines; an array of objects is refused with the fix."""
    suffixes = {suffix.lower() for suffix in path.suffixes[-2:]}
    first = text.lstrip()
    if first.startswith("["):
        rest = first[1:].lstrip()
        if rest.startswith("{") or ".json" in suffixes:
            raise _foreign(
                path,
                "a JSON array",
                "write one object a line instead: jq -c '.[]' table.json > table.jsonl, or with"
                ' pandas to_json(path, orient="records", lines=True)',
            )
    if suffixes & {".jsonl", ".ndjson", ".json"}:
        return True
    if not first.startswith("{") or suffixes & {".csv", ".tsv"}:
        return False
    try:
        return isinstance(json.loads(first.splitlines()[0]), dict)
    except (ValueError, RecursionError):
        return False


def _delimiter(text: str, wanted: str) -> str:
    """Return the delimiter: the wanted one, else what splits the first lines most evenly."""
    if wanted:
        delimiter = _NAMED_DELIMITERS.get(wanted.lower(), wanted)
        if len(delimiter) != 1 or not delimiter.isascii() or delimiter in '"\r\n\0':
            raise SettingsError(
                f"delimiter {wanted!r} cannot separate fields",
                expected="one ASCII character, or the word tab",
                fix="set it like --set data.delimiter=';'",
            )
        return delimiter
    best, best_score = ",", (0.0, 0)
    for delimiter in DELIMITERS:
        score = _evenness(text, delimiter)
        if score > best_score:
            best, best_score = delimiter, score
    return best


def _evenness(text: str, delimiter: str) -> tuple[float, int]:
    """Return which share of the first records has as many fields as the header, and how many."""
    records = []
    # The last record of a cut head may be cut too, and tell a wrong number.
    cut = len(text) > HEAD_BYTES // 8
    try:
        for record in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
            if record:
                records.append(len(record))
            if len(records) > 100:
                break
    except csv.Error:
        pass
    if cut and len(records) > 2:
        records.pop()
    if not records or records[0] < 2:
        return 0.0, 0
    return sum(n == records[0] for n in records) / len(records), records[0]
