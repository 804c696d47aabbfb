"""The text of a file as a stream of UTF-8 bytes: unpacked, decoded, guarded, with line numbers.

Memory stays bounded whatever the file holds: nothing here keeps more than one block.
"""

import codecs
import contextlib
import gzip
import io
import re
import zlib
from collections.abc import Iterator
from typing import BinaryIO, cast

from regatta.dataset.source import Source
from regatta.errors import DataError

__all__ = ["TextStream", "block_bytes", "lines", "undecodable"]

# The reader of the columns makes a block of each, and a wide table pays for each block.
CHUNK_BYTES = 4 << 20
# A carriage return by itself, where lines end otherwise: part of a text, as pandas writes it.
LONE_RETURN = re.compile(rb"\r(?!\n)")
LINE_END = re.compile(rb"\r?\n|\r")


def block_bytes(max_field_bytes: int) -> int:
    """Return how long a record may be in all, in bytes; also the size of a reader's block.

    A record may hold several long fields. 16 MiB at the default of `DataSettings`.
    """
    return max(1 << 20, 2 * max_field_bytes)


class TextStream(io.RawIOBase):
    """A binary stream that gives the text of a file as UTF-8.

    Where lines end with a line feed, a carriage return alone ends none: it becomes a blank.

    Parameters
    ----------
    source : Source
        The file.
    decoded : bool, default False
        Whether to decode UTF-8 too, so that the first wrong byte is found. Without it, UTF-8
        passes unchecked (the reader of the columns checks it faster).

    Attributes
    ----------
    quotes : int
        Number of quote characters so far. An odd number at the end means one was left open.

    Raises
    ------
    DataError
        On reading: a NUL byte, a byte that the encoding does not have, a damaged gzip file.
    """

    def __init__(self, source: Source, *, decoded: bool = False) -> None:
        super().__init__()
        self._source = source
        opened = gzip.GzipFile if source.gzipped else open
        self._raw = cast(BinaryIO, opened(source.path, "rb"))
        plain = source.encoding in ("utf-8", "utf-8-sig", "ascii") and not decoded
        self._decoder = None if plain else codecs.getincrementaldecoder(source.encoding)("strict")
        self._lines = 0
        self._start = True
        self._feeds: bool | None = None
        self._held = b""
        self._rest = b""
        self._given = 0
        self.quotes = 0

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, at most `size` where it is positive; ``b""`` at the end."""
        while self._given >= len(self._rest):
            chunk = self._raw_chunk()
            text = self._utf8(chunk)
            if not chunk and not text and not self._held:
                return b""
            if self._start and text:
                text = text.removeprefix(codecs.BOM_UTF8)
                self._start = False
            text = self._without_lone_returns(text, last=not chunk)
            self._guard(text)
            self._rest, self._given = text, 0
        start = self._given
        self._given = len(self._rest) if size is None or size < 0 else start + size
        return self._rest[start : self._given]

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Fill a buffer, as `io.BufferedReader` asks for it."""
        given = self.read(len(buffer))
        buffer[: len(given)] = given
        return len(given)

    def close(self) -> None:
        """Close the file."""
        self._raw.close()
        super().close()

    def _raw_chunk(self) -> bytes:
        try:
            return self._raw.read(CHUNK_BYTES)
        except (OSError, EOFError, zlib.error) as err:
            what = "is a damaged gzip file" if self._source.gzipped else "cannot be read"
            raise DataError(
                f"{str(self._source.path)!r} {what} ({err})",
                expected="a whole file",
                fix="download or export it again",
            ) from err

    def _utf8(self, chunk: bytes) -> bytes:
        """Turn bytes of the file into UTF-8."""
        if self._decoder is None:
            return chunk
        try:
            # Lone surrogates, which UTF-16 can smuggle in, have no UTF-8 form.
            return self._decoder.decode(chunk, final=not chunk).encode("utf-8")
        except UnicodeDecodeError as err:
            before = err.object[: err.start]
            raise self._wrong_byte(err.object[err.start], before) from err
        except UnicodeError as err:
            raise DataError(
                f"{str(self._source.path)!r} cannot be read as {self._source.encoding} ({err})",
                expected="text in that encoding",
                fix="set the right one with --set data.encoding=…",
            ) from err

    def _without_lone_returns(self, text: bytes, *, last: bool) -> bytes:
        """Turn carriage returns that end no line into blanks."""
        text, self._held = self._held + text, b""
        if text.endswith(b"\r") and not last:
            # The next block tells whether a line feed follows.
            text, self._held = text[:-1], b"\r"
        if self._feeds is None and (end := LINE_END.search(text)):
            self._feeds = end.group() != b"\r"
        return LONE_RETURN.sub(b" ", text) if self._feeds and b"\r" in text else text

    def _wrong_byte(self, byte: int, before: bytes) -> DataError:
        line = self._lines + before.count(b"\n") + 1
        # 0x80 to 0x9f are control characters in Latin-1 and letters or quotes in Windows-1252.
        guess = "cp1252" if 0x80 <= byte < 0xA0 else "latin-1"
        if self._source.encoding != "utf-8":
            guess = "…"
        shown = self._source.encoding.removesuffix("-sig").upper()
        return DataError(
            f"line {line} of {str(self._source.path)!r} holds the byte 0x{byte:02X},"
            f" which is not {shown}",
            expected=f"{shown} text",
            fix=f"if the file is in another encoding, add --set data.encoding={guess}",
        )

    def _guard(self, text: bytes) -> None:
        """Count quotes and lines, and refuse NUL bytes."""
        if b"\0" in text:
            line = self._lines + text[: text.index(b"\0")].count(b"\n") + 1
            raise DataError(
                f"line {line} of {str(self._source.path)!r} holds a NUL byte",
                expected="text",
                fix="export the table again, or delete the NUL bytes: tr -d '\\000'",
            )
        self.quotes += text.count(b'"')
        self._lines += text.count(b"\n")


def lines(source: Source, limit_bytes: int) -> Iterator[str]:
    """Yield the lines of a file with their ends, as `csv.reader` wants them.

    Parameters
    ----------
    source : Source
        The file.
    limit_bytes : int
        Longest line, in bytes.

    Raises
    ------
    DataError
        A line is too long or cannot be decoded.
    """
    number = 0
    raw = io.BufferedReader(TextStream(source, decoded=True))
    # newline="" keeps line ends as they are, and knows all three kinds.
    with io.TextIOWrapper(raw, encoding="utf-8", newline="") as stream:
        while line := stream.readline(limit_bytes + 1):
            number += 1
            if len(line) > limit_bytes:
                raise DataError(
                    f"line {number} of {str(source.path)!r} is longer than {limit_bytes:,} bytes",
                    expected="lines of a table",
                    fix="check that the file is a table; allow longer fields with"
                    " --set data.max_field_bytes=…",
                )
            yield line


def undecodable(source: Source) -> DataError | None:
    """Return the error for the first byte that the encoding does not have, or ``None``."""
    try:
        with contextlib.closing(TextStream(source, decoded=True)) as stream:
            while stream.read():
                pass
    except DataError as err:
        return err
    return None
