"""Bring any frame to the typed columns that a model was trained on.

The rows of training, of a batch and of a request all pass through `conform`, so a value means the
same in each. It reads texts as the readers of files do, and compares categories as text: one that
training did not know is taken for the one it knew that is the same number, or the same word in
other letters.
"""

import datetime
import math
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from regatta.dataset.moments import naive, parse_one
from regatta.dataset.schema import Column
from regatta.dataset.typing import MARKS
from regatta.errors import RequestError, nearest

__all__ = ["conform"]

Objects = npt.NDArray[np.object_]
Read = Callable[[Any], Any]

MANY = 256
# Types, as pandas calls them, whose values are often the same in a column of categories.
_CODES = ("string", "integer", "floating", "boolean")

_TRUTHS = {
    **dict.fromkeys(("true", "yes", "t", "y", "1", "1.0"), True),
    **dict.fromkeys(("false", "no", "f", "n", "0", "0.0"), False),
}
_EXPECTED = {
    "numeric": "a number",
    "boolean": "true or false",
    "categorical": "a text",
    "text": "a text",
    "datetime": "a date such as 2024-05-01T12:00:00",
}


def conform(frame: pd.DataFrame, columns: Sequence[Column]) -> pd.DataFrame:
    """Return the columns of a model's signature, typed by their kind.

    Parameters
    ----------
    frame : DataFrame of shape (n_rows, n)
        Rows with any types: numbers as texts, codes as numbers, dates in ISO 8601, ``None``,
        NaN or ``pandas.NA`` for a missing value. Other columns are left out.
    columns : sequence of Column
        The signature.

    Returns
    -------
    DataFrame of shape (n_rows, len(columns))
        In the order and under the names of the signature, with the index of `frame`. A numeric
        column is float64 with NaN; a boolean one bool, or object with ``None`` where any is
        missing; a categorical or text one object: texts without blanks around them, or ``None``;
        a datetime datetime64[us] with NaT.

    Raises
    ------
    RequestError
        A column is missing or twice there, or a value cannot be read as what it should be; the
        message names the column and the row, counted from 1.

    Examples
    --------
    >>> age, code = Column("age", "numeric", "int64"), Column("code", "categorical", "string")
    >>> conform(pd.DataFrame({"code": [1.0, None], "age": ["31", " 7 "]}), [age, code])
        age  code
    0  31.0     1
    1   7.0  None
    """
    if not frame.columns.is_unique:
        _check_unique(frame, columns)
    arrays = {}
    for column in columns:
        there = column.name in frame.columns
        values = frame[column.name if there else _other_name(frame, column.name)]
        arrays[column.name] = _typed(values, column)
    return pd.DataFrame(arrays, index=frame.index, copy=False)


def _check_unique(frame: pd.DataFrame, columns: Sequence[Column]) -> None:
    """Refuse a column of the signature that is there twice."""
    names = list(frame.columns)
    for column in columns:
        if names.count(column.name) > 1:
            raise RequestError(
                f"column {column.name!r} is there {names.count(column.name)} times",
                expected="each column once",
                fix="rename or delete the others",
            )


def _other_name(frame: pd.DataFrame, name: str) -> str:
    """Find a column whose name has blanks around it, or say that there is none."""
    found = [other for other in frame.columns if isinstance(other, str) and other.strip() == name]
    if len(found) == 1:
        return found[0]
    texts = [str(other) for other in frame.columns]
    raise RequestError(
        f"column {name!r} is missing{nearest(name, texts)}",
        expected="every column that the model was trained on",
        fix=f"add {name!r}; where its value is not known, leave it empty (null)",
    )


def _typed(values: "pd.Series[Any]", column: Column) -> npt.NDArray[Any]:
    """Return one column, typed; what is typed already passes without a look at each value."""
    dtype = values.dtype
    kind = dtype.kind if isinstance(dtype, np.dtype) else ""
    if column.kind == "numeric" and kind and kind in "fiub":
        return _checked_numbers(values.to_numpy().astype(np.float64), column)
    if column.kind == "boolean" and kind == "b":
        return values.to_numpy()
    if column.kind == "datetime" and (kind == "M" or isinstance(dtype, pd.DatetimeTZDtype)):
        if not kind:
            values = values.dt.tz_convert("UTC").dt.tz_localize(None)
        return values.to_numpy().astype("datetime64[us]")
    found = _read_all(_objects(values, kind), _READERS[column.kind](column), column)
    if column.kind == "numeric":
        return _checked_numbers(found.astype(np.float64), column)
    if column.kind == "datetime":
        return found.astype("datetime64[us]")
    if column.kind == "boolean" and not any(value is None for value in found):
        return found.astype(bool)
    return found


def _objects(values: "pd.Series[Any]", kind: str) -> Objects:
    """Return a column as Python objects."""
    if kind and kind in "Ofiub":
        return values.to_numpy().astype(object, copy=False)
    # pandas turns its own types into objects that know what they are.
    return values.astype(object).to_numpy()


def _read_all(objects: Objects, read: Read, column: Column) -> Objects:
    """Read each value; of many texts, or codes, each different one once."""
    repeated = _CODES if column.kind == "categorical" else ("string",)
    if len(objects) > MANY and pd.api.types.infer_dtype(objects, skipna=True) in repeated:
        codes, different = pd.factorize(objects, use_na_sentinel=True)
        first = np.full(len(different) + 1, -1)
        first[codes[::-1]] = np.arange(len(codes))[::-1]
        table = _read_each(different, read, column, first)
        return np.append(table, _read_each([None], read, column, first))[codes]
    return _read_each(objects, read, column, range(len(objects)))


def _read_each(
    values: Sequence[Any] | Objects, read: Read, column: Column, rows: Sequence[int] | Any
) -> Objects:
    """Read values one by one; `rows` tells where each is."""
    found = np.empty(len(values), dtype=object)
    for place, value in enumerate(values):
        try:
            found[place] = read(value)
        except (ValueError, TypeError, OverflowError) as err:
            raise _unreadable(value, int(rows[place]), column) from err
    return found


def _unreadable(value: Any, row: int, column: Column) -> RequestError:
    shown = repr(value)
    return RequestError(
        f"column {column.name!r} holds {shown if len(shown) < 60 else shown[:57] + '…'}"
        f" in row {row + 1}",
        expected=f"{_EXPECTED[column.kind]}, or null where it is missing",
        fix="correct the value",
    )


def _checked_numbers(numbers: npt.NDArray[np.float64], column: Column) -> npt.NDArray[np.float64]:
    """Refuse infinite numbers, and turn those that mean a missing value into NaN."""
    infinite = np.isinf(numbers)
    if infinite.any():
        row = int(infinite.argmax())
        raise _unreadable(float(numbers[row]), row, column)
    missing = _na_numbers(column)
    return np.where(np.isin(numbers, missing), np.nan, numbers) if missing else numbers


def _na_numbers(column: Column) -> list[float]:
    """Return the texts that mean a missing value and are numbers, such as -999, as numbers."""
    numbers = []
    for text in column.na_values:
        if text[-1:].isdigit() or text[-1:] == ".":
            try:
                numbers.append(float(text))
            except ValueError:
                continue
    return numbers


def _is_missing(value: Any) -> bool:
    if value is None or value is pd.NA or value is pd.NaT:
        return True
    if isinstance(value, float | np.floating):
        return math.isnan(value)
    return isinstance(value, np.datetime64) and bool(np.isnat(value))


def _number_reader(column: Column) -> Read:
    na_values = {"", *column.na_values}

    def read(value: Any) -> float:
        if isinstance(value, str):
            text = value.strip()
            if text in na_values or text.lower() in MARKS:
                return math.nan
            if "_" in text:
                raise ValueError(text)
            return float(text)
        if _is_missing(value):
            return math.nan
        if isinstance(value, datetime.date | datetime.timedelta | np.datetime64):
            raise TypeError(value)
        return float(value)

    return read


def _truth_reader(column: Column) -> Read:
    na_values = {"", *column.na_values}

    def read(value: Any) -> bool | None:
        if isinstance(value, str):
            text = value.strip()
            if text in na_values or text.lower() in MARKS:
                return None
            if text.lower() not in _TRUTHS:
                raise ValueError(text)
            return _TRUTHS[text.lower()]
        if _is_missing(value):
            return None
        if isinstance(value, int | float | np.number | np.bool_) and value in (0, 1):
            return bool(value)
        raise ValueError(value)

    return read


def _label_reader(column: Column) -> Read:
    na_values = {"", *column.na_values}
    known = frozenset(column.categories)

    def read(value: Any) -> str | None:
        if isinstance(value, str):
            text = written = value.strip()
            if text in na_values:
                return None
        elif _is_missing(value):
            return None
        else:
            text = _as_text(value)
            # 4.0 is '4', but in a file of both '4' and '4.0' it is the latter.
            written = repr(float(value)) if isinstance(value, float | np.floating) else text
        if written in known:
            return written
        return text if text in known or not known else _known_as(text, known, column)

    return read


def _known_as(text: str, known: frozenset[str], column: Column) -> str:
    """Return the category that an unknown text stands for; the text itself where there is none."""
    # '1.0' is the code 1, as a spreadsheet may write it, and 1 may have been '1.0' in training.
    for other in (text.removesuffix(".0"), f"{text}.0"):
        if other in known:
            return other
    # Of very many categories the rare ones are not listed: one may be spelt just like this.
    if column.unique > len(column.categories):
        return text
    return _by_letters(column.categories).get(text.casefold(), text)


@lru_cache(maxsize=256)
def _by_letters(categories: tuple[str, ...]) -> Mapping[str, str]:
    """Return the categories by their small letters, where these tell them apart."""
    found: dict[str, str] = {}
    twice = set()
    for category in categories:
        small = category.casefold()
        if found.setdefault(small, category) != category:
            twice.add(small)
    return {small: category for small, category in found.items() if small not in twice}


def _as_text(value: Any) -> str:
    """Write a value as the text that a file would hold."""
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    if isinstance(value, int | float | np.number):
        return str(value.item() if isinstance(value, np.number) else value)
    if isinstance(value, datetime.date | np.datetime64):
        return str(pd.Timestamp(value))
    raise TypeError(value)


def _moment_reader(column: Column) -> Read:
    na_values = {"", *column.na_values}

    def read(value: Any) -> np.datetime64:
        if isinstance(value, str):
            text = value.strip()
            if text in na_values or text.lower() in MARKS:
                return _NAT
            return np.datetime64(parse_one(text, column.format), "us")
        if _is_missing(value):
            return _NAT
        if isinstance(value, datetime.datetime):
            return np.datetime64(naive(value), "us")
        if isinstance(value, datetime.date | np.datetime64):
            return np.datetime64(pd.Timestamp(value).to_pydatetime(), "us")
        if isinstance(value, bool) or not isinstance(value, int | float | np.number):
            raise TypeError(value)
        return _from_number(float(value))

    return read


_NAT = np.datetime64("NaT", "us")


def _from_number(number: float) -> np.datetime64:
    """Read a number as a date: 20240501, or seconds or milliseconds since the epoch."""
    if number.is_integer() and 10_000_101 <= number <= 99_991_231:
        text = str(int(number))
        return np.datetime64(datetime.datetime.strptime(text, "%Y%m%d"), "us")
    seconds = number / 1000 if abs(number) > 1e11 else number
    epoch = datetime.datetime(1970, 1, 1)
    return np.datetime64(epoch + datetime.timedelta(seconds=seconds), "us")


_READERS: dict[str, Callable[[Column], Read]] = {
    "numeric": _number_reader,
    "boolean": _truth_reader,
    "categorical": _label_reader,
    "text": _label_reader,
    "datetime": _moment_reader,
}
