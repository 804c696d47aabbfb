"""Dates and times as text: which spellings are known, and how one and many are read."""

import datetime
import re
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import compute as pc

__all__ = ["FORMATS", "ISO_FORMATS", "parse_column", "parse_one"]

MICROSECONDS = pa.timestamp("us")

_YEAR_1000 = int(np.datetime64("1000-01-01", "us").astype(np.int64))

# ISO 8601 without and with a zone; nanoseconds are cut to microseconds.
ISO_FORMATS = ("iso", "iso-utc", "iso-ns", "iso-utc-ns")

_DATES = (
    "%Y/%m/%d",
    "%Y-%m-%d",
    "%Y.%m.%d",
    # Where every date of a column could be either, the month comes first.
    "%m/%d/%Y",
    "%d/%m/%Y",
    "%d.%m.%Y",
    "%d-%m-%Y",
    "%m-%d-%Y",
    # SAS; Arrow finds no blank where '%d %b %Y' has one, so this comes first.
    "%d%b%Y",
    "%d %b %Y",
    "%d-%b-%Y",
    "%b %d, %Y",
    "%b %d %Y",
    "%d %B %Y",
    "%B %d, %Y",
    "%m/%d/%y",
    "%d/%m/%y",
    "%d.%m.%y",
    "%d-%b-%y",
)
_TIMES = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")

FORMATS = (
    *ISO_FORMATS,
    *(date + time for date in _DATES for time in _TIMES),
    "%d%b%Y:%H:%M:%S",
)
"""Known spellings, the likeliest first: names of `ISO_FORMATS`, or formats of `strptime`."""


def parse_column(texts: pa.ChunkedArray, spelling: str) -> pa.ChunkedArray | None:
    """Read a column of dates that are all spelt alike.

    Parameters
    ----------
    texts : ChunkedArray of string
        Dates; nulls stay null.
    spelling : str
        One of `FORMATS`.

    Returns
    -------
    ChunkedArray of timestamp[us] or None
        Moments in UTC where the text has a zone; ``None`` if any text is spelt otherwise.
    """
    if spelling in ISO_FORMATS:
        unit = "ns" if spelling.endswith("ns") else "us"
        zone = "UTC" if "utc" in spelling else None
        try:
            moments = pc.cast(texts, pa.timestamp(unit, zone))
            return pc.cast(pc.cast(moments, pa.timestamp(unit)), MICROSECONDS, safe=False)
        except pa.ArrowInvalid:
            return None
    moments = pc.strptime(texts, format=spelling, unit="us", error_is_null=True)
    if moments.null_count > texts.null_count:
        return None
    # "%Y" also takes the year 20 for what was written as '1/2/20'; 0 is none that Python knows.
    first = pc.min(moments).value
    return None if first is not None and first < _YEAR_1000 else moments


def parse_one(text: str, spelling: str) -> datetime.datetime:
    """Read one date: ISO 8601 first, then the spelling of its column.

    Parameters
    ----------
    text : str
        The date, without blanks around it.
    spelling : str
        A format of `strptime`, one of `ISO_FORMATS`, or ``""``.

    Returns
    -------
    datetime
        Without a zone; in UTC if the text had one.

    Raises
    ------
    ValueError
        It is no date in either spelling.

    Examples
    --------
    >>> parse_one("2024-05-01T12:00:00+02:00", "")
    datetime.datetime(2024, 5, 1, 10, 0)
    >>> parse_one("1.5.2024", "%d.%m.%Y")
    datetime.datetime(2024, 5, 1, 0, 0)
    """
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        if not spelling.startswith("%"):
            raise
        moment = _strptime(text, spelling)
    return naive(moment)


def _strptime(text: str, spelling: str) -> datetime.datetime:
    """Read one date as Arrow does, to which ``%b`` also is the month's full name."""
    try:
        return datetime.datetime.strptime(text, spelling)
    except ValueError:
        if "%b" not in spelling:
            raise
        return datetime.datetime.strptime(text, spelling.replace("%b", "%B"))


def naive(moment: datetime.datetime) -> datetime.datetime:
    """Return a moment in UTC without its zone."""
    if moment.tzinfo is None:
        return moment
    try:
        return moment.astimezone(datetime.UTC).replace(tzinfo=None)
    except OverflowError as err:
        raise ValueError(f"{moment} is out of range") from err


_DATE = re.compile(
    r"\d{4}-\d\d?-\d\d?(\D|$)|\d{1,4}([/.-])\d{1,2}\2\d{2,4}(\D|$)"
    r"|\d{1,2}[ -][A-Za-z]{3,9}[ -]\d{2,4}|\d{1,2}[A-Za-z]{3}\d{4}(\D|$)"
    r"|[A-Za-z]{3,9} \d{1,2},? \d{4}"
)


def looks_like_date(text: Any) -> bool:
    """Return whether a text is worth trying: a quick look that spares most columns the formats."""
    return isinstance(text, str) and len(text) <= 40 and _DATE.match(text) is not None
