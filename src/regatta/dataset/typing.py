"""What type a column of texts has, decided over the whole column, chunk by chunk."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import pyarrow as pa
from pyarrow import compute as pc

from regatta.dataset.moments import FORMATS, MICROSECONDS, looks_like_date, parse_column
from regatta.dataset.separators import Separators

__all__ = [
    "MARKS",
    "Plan",
    "TextColumn",
    "apply",
    "clean",
    "is_padded",
    "na_array",
    "without_marks",
    "without_nan",
]

Wanted = Literal["", "numeric", "boolean", "text", "datetime"]

NONE = "None"
_WORDS = ("na", "n/a", "n.a.", "nan", "null", "none", "nil", "missing", "(missing)")
_SIGNS = (".", "..", "...", "-", "--", "---", "*", "**", "?", "??", "#", "_", "/")
_ERRORS = ("#n/a", "#div/0!", "#value!", "#ref!", "#name?", "#num!", "#null!")
MARKS = frozenset((*_WORDS, *_SIGNS, *_ERRORS))
"""Texts, in small letters, that mean a missing value among numbers, dates or truths; SAS writes a
point, and a cell of Excel that cannot be computed holds an error. Elsewhere they may be
categories."""
# Less than this share of 'None' in a column of texts is taken for missing values.
NONE_SHARE = 0.01
# Up to here it costs more to choose the texts than to look at all of them.
FEW_ROWS = 5_000

_ARROW = {
    "null": pa.string(),
    "bool": pa.bool_(),
    "int64": pa.int64(),
    "float64": pa.float64(),
    "timestamp": MICROSECONDS,
    "string": pa.string(),
}


@dataclass(frozen=True)
class Plan:
    """How the texts of a column are turned into values.

    Attributes
    ----------
    dtype : {"null", "bool", "int64", "float64", "timestamp", "string"}
        Type of the values; ``null`` where there is none.
    format : str
        Spelling of its dates, one of `FORMATS`; else ``""``.
    decimal_comma : bool
        Whether its numbers are written as ``3,14``.
    keeps_none : bool
        Whether the text ``None`` is a value.
    """

    dtype: str
    format: str = ""
    decimal_comma: bool = False
    keeps_none: bool = False

    @property
    def arrow(self) -> pa.DataType:
        """Type of the column in Arrow."""
        return _ARROW[self.dtype]


class TextColumn:
    """Find out the type of a column while its texts pass by.

    It starts with the narrowest type and widens when a text does not fit: whole numbers to
    numbers to numbers with a decimal comma, and anything to text. Every text of the column is
    looked at. Whole numbers with leading zeros (postal codes, keys) are text: the zeros count.

    Parameters
    ----------
    na_values : sequence of str
        Texts that mean a missing value.
    decimal_comma : bool, default False
        Whether a comma may be a decimal sign: the file is separated by something else.
    marks : bool, default True
        Whether `MARKS` are missing values where all other texts are numbers, dates or truths.
    wanted : {"", "numeric", "boolean", "text", "datetime"}, default ""
        What the user says it is; ``text`` keeps every text as it is.
    """

    def __init__(
        self,
        na_values: Sequence[str],
        *,
        decimal_comma: bool = False,
        marks: bool = True,
        wanted: Wanted = "",
    ) -> None:
        self._na_but_none = _na_but_none(tuple(na_values))
        self._comma_allowed = decimal_comma
        self._marks = marks
        self._wanted = wanted
        self._dtype: str = "string" if wanted == "text" else "null"
        self._comma = False
        self._formats: tuple[str, ...] = ()
        self._separators = Separators()
        self._nones = 0
        self._rows = 0
        self._knows_none = NONE in na_values
        # The texts last looked at for leading zeros, and what was found: asked more than once.
        self._looked: tuple[pa.ChunkedArray, bool] | None = None

    @property
    def plan(self) -> Plan:
        """What the texts seen so far ask for."""
        if self._dtype != "string":
            spelling = self._formats[0] if self._dtype == "timestamp" else ""
            return Plan(self._dtype, spelling, self._comma)
        common = self._nones and self._nones >= NONE_SHARE * self._rows
        return Plan("string", keeps_none=bool(common) or not self._knows_none)

    @property
    def ambiguous(self) -> bool:
        """Whether its dates can be read in two ways, as 01/02/2024."""
        starts = {spelling[:2] for spelling in self._formats}
        return self._dtype == "timestamp" and {"%m", "%d"} <= starts

    @property
    def thousands(self) -> str:
        """One of its numbers, where all that have a comma or a point may be thousands; or ``""``.

        Where the comma separates the fields, a point is taken for a decimal one.
        """
        return self._separators.thousands if self._dtype == "float64" else ""

    def take(self, texts: pa.ChunkedArray) -> pa.ChunkedArray:
        """Take the next texts into account, and return their values by the plan so far.

        Parameters
        ----------
        texts : ChunkedArray of string
            The next rows of the column.

        Returns
        -------
        ChunkedArray
            Values of the type ``plan.arrow``. A later chunk may change the plan; then they are
            void and the file is read again.
        """
        self._rows += len(texts)
        # Most columns of numbers need no cleaning, and cleaning costs more than reading them.
        if self._dtype in ("int64", "float64"):
            values = self._fit(texts)
            if values is not None:
                return values
        texts = clean(texts, self._na_but_none)
        known = texts
        if self._knows_none:
            is_none = pc.equal(texts, NONE)
            nones = pc.sum(is_none).as_py() or 0
            self._nones += nones
            if nones:
                known = pc.if_else(is_none, pa.scalar(None, pa.string()), texts)
        if self._dtype != "string":
            unmarked = without_marks(known) if self._marks else known
            while (values := self._fit(unmarked)) is None:
                self._widen(unmarked)
            if self._dtype != "string":
                return values
        return texts if known is texts or self.plan.keeps_none else known

    def _fit(self, texts: pa.ChunkedArray) -> pa.ChunkedArray | None:
        """Return the values if the texts fit the type so far; of a date, drop spellings."""
        if self._dtype == "timestamp":
            left = {f: parse_column(texts, f) for f in self._formats}
            fitting = tuple(f for f, values in left.items() if values is not None)
            if not fitting:
                return None
            self._formats = fitting
            return left[fitting[0]]
        if texts.null_count == len(texts):
            return pa.chunked_array([pa.nulls(len(texts), self.plan.arrow)])
        if self._dtype == "null" or (self._dtype == "int64" and self._is_code(texts)):
            return None
        values = convert(texts, self.plan)
        if values is not None and self._comma_allowed and self._dtype == "float64":
            self._separators.take(texts)
        return values

    def _is_code(self, texts: pa.ChunkedArray) -> bool:
        if self._wanted == "numeric":
            return False
        if self._looked is None or self._looked[0] is not texts:
            self._looked = texts, is_padded(texts)
        return self._looked[1]

    def _widen(self, texts: pa.ChunkedArray) -> None:
        """Move on to the next type that may fit all texts of the column."""
        was, self._dtype = self._dtype, "string"
        if was == "null":
            self._first(texts)
        elif was == "int64" and not self._is_code(texts):
            self._dtype = "float64"
            self._comma = self._comma_allowed and convert(texts, Plan("float64")) is None

    def _first(self, texts: pa.ChunkedArray) -> None:
        """Choose the narrowest type for the first texts of the column."""
        value = texts[0].as_py()
        if value is None:
            value = texts[pc.index(pc.is_valid(texts), pa.scalar(True)).as_py()].as_py()
        if self._wanted in ("", "datetime") and looks_like_date(value):
            one = pa.chunked_array([[value]], pa.string())
            likely = [f for f in FORMATS if parse_column(one, f) is not None]
            self._formats = tuple(f for f in likely if parse_column(texts, f) is not None)
            if self._formats:
                self._dtype = "timestamp"
                return
        truth = value.lower() in ("true", "false") and self._wanted in ("", "boolean")
        if truth and convert(texts, Plan("bool")) is not None:
            self._dtype = "bool"
        elif self._may_be_number(value) and not self._is_code(texts):
            # Whole numbers are tried next; from there it widens.
            self._dtype = "int64"
            # A cast makes a message of each text that fails, and that is slow.
            if "." in value or "," in value:
                self._widen(texts)

    def _may_be_number(self, text: str) -> bool:
        """Return whether a text is a number; casts that fail take longer than this."""
        try:
            float(text.replace(",", ".", 1) if self._comma_allowed else text)
        except ValueError:
            return False
        return True


def na_array(texts: Sequence[str]) -> pa.Array:
    """Return the texts that mean a missing value, and the empty one, as an array."""
    return pa.array(sorted({"", *(text.strip() for text in texts)}), pa.string())


@lru_cache(maxsize=8)
def _na_but_none(texts: tuple[str, ...]) -> pa.Array:
    """Return the same array for each column of a table: there may be thousands."""
    return na_array([text for text in texts if text != NONE])


def clean(texts: pa.ChunkedArray, na_values: pa.Array) -> pa.ChunkedArray:
    """Cut blanks around texts, then turn those that mean a missing value into null."""
    trimmed = pc.utf8_trim_whitespace(texts)
    missing = pc.is_in(trimmed, value_set=na_values)
    if not pc.any(missing).as_py():
        return trimmed
    return pc.if_else(missing, pa.scalar(None, pa.string()), trimmed)


def without_marks(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """Turn the texts that are among `MARKS` into null."""
    # All of them are short, and most texts need not be looked at any closer.
    short = pc.less_equal(pc.binary_length(texts), max(map(len, MARKS)))
    if not pc.any(short).as_py():
        return texts
    marked = pc.is_in(pc.utf8_lower(texts), value_set=pa.array(sorted(MARKS), pa.string()))
    if not pc.any(marked).as_py():
        return texts
    return pc.if_else(marked, pa.scalar(None, pa.string()), texts)


def apply(
    texts: pa.ChunkedArray, plan: Plan, na_values: pa.Array, *, marks: bool = True
) -> pa.ChunkedArray | None:
    """Turn texts into values by a plan that is known, or return ``None`` if one does not fit."""
    if plan.dtype in ("int64", "float64"):
        values = convert(texts, plan)
        if values is not None:
            return values
    cleaned = clean(texts, na_values)
    return convert(without_marks(cleaned) if marks and plan.dtype != "string" else cleaned, plan)


def convert(texts: pa.ChunkedArray, plan: Plan) -> pa.ChunkedArray | None:
    """Turn clean texts into values, or return ``None`` if one does not fit."""
    if plan.dtype in ("string", "null"):
        return texts
    if plan.dtype == "timestamp":
        return parse_column(texts, plan.format)
    if plan.dtype == "bool":
        lower = pc.utf8_lower(texts)
        if not pc.all(pc.is_in(lower, value_set=pa.array(["true", "false", None]))).as_py():
            return None
        return pc.equal(lower, "true")
    if plan.decimal_comma:
        if pc.any(pc.match_substring(texts, ".")).as_py():
            return None
        texts = pc.replace_substring(texts, ",", ".", max_replacements=1)
    try:
        values = pc.cast(texts, plan.arrow)
    except pa.ArrowInvalid:
        return None
    return without_nan(values)


def without_nan(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Turn NaN of a column of floats into null: there is one kind of missing value."""
    if pa.types.is_floating(values.type) and pc.any(pc.is_nan(values)).as_py():
        return pc.if_else(pc.is_nan(values), pa.scalar(None, values.type), values)
    return values


def is_padded(texts: pa.ChunkedArray) -> bool:
    """Return whether a whole number of three or more letters starts with a zero (or with 0x)."""
    # The expression is slow, the first letter is not.
    starts = pc.starts_with(texts, "0")
    if not pc.any(starts).as_py():
        return False
    if len(texts) > FEW_ROWS:
        texts = pc.filter(texts, pc.and_(starts, pc.greater(pc.binary_length(texts), 2)))
    return bool(pc.any(pc.match_substring_regex(texts, r"^0[0-9xX][0-9a-fA-F]+$")).as_py())
