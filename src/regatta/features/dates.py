"""Parts of dates: what a learner can split on or add up, where a timestamp alone says little."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = ["PERIODS", "date_parts", "datetimes", "parts_that_vary", "seconds"]

PERIODS = {"month": 12, "day": 31, "weekday": 7, "hour": 24, "weekhour": 168, "minute": 60}
"""Parts that come round again, and after how many steps."""

DAY = 86_400.0
_ORDER = (
    "year",
    "month",
    "day",
    "yearday",
    "weekday",
    "weekend",
    "hour",
    "weekhour",
    "minute",
    "days",
)

Array = npt.NDArray[np.float32]
Datetimes = npt.NDArray[np.datetime64]


def datetimes(values: "pd.Series[Any]") -> Datetimes:
    """Return a column's moments in UTC, without a time zone, in microseconds.

    Parameters
    ----------
    values : Series of shape (n_rows,)
        Timestamps, with or without time zone, or texts in ISO 8601. What is none is missing.

    Returns
    -------
    ndarray of shape (n_rows,), datetime64[us]
        NaT where missing.
    """
    dtype = values.dtype
    if isinstance(dtype, np.dtype) and dtype.kind == "M":
        return values.to_numpy().astype("datetime64[us]")
    moments = pd.to_datetime(values, errors="coerce", utc=True, format="ISO8601")
    return moments.dt.tz_localize(None).to_numpy().astype("datetime64[us]")


def seconds(moments: Datetimes) -> npt.NDArray[np.float64]:
    """Return seconds since the epoch; NaN where missing."""
    found = moments.astype(np.int64) / 1e6
    found[np.isnat(moments)] = np.nan
    return found


def parts_that_vary(minimum: float | None, maximum: float | None) -> tuple[str, ...]:
    """Return the parts that may differ between two moments.

    Parameters
    ----------
    minimum, maximum : float or None
        First and last moment, in seconds since the epoch; None: unknown.

    Examples
    --------
    >>> parts_that_vary(0.0, 3600.0)
    ('hour', 'weekhour', 'minute', 'days')
    >>> parts_that_vary(None, None)[:3]
    ('year', 'month', 'day')
    """
    if minimum is None or maximum is None:
        return _ORDER
    first, last = np.array([minimum, maximum]).astype("datetime64[s]")
    constant = set()
    if first.astype("M8[D]") == last.astype("M8[D]"):
        constant |= {"year", "month", "day", "yearday", "weekday", "weekend"}
    if first.astype("M8[M]") == last.astype("M8[M]"):
        constant |= {"year", "month", "yearday"}
    if first.astype("M8[Y]") == last.astype("M8[Y]"):
        constant |= {"year"}
    return tuple(part for part in _ORDER if part not in constant)


def date_parts(moments: Datetimes, parts: Iterable[str], origin: float) -> dict[str, Array]:
    """Compute parts of moments.

    Parameters
    ----------
    moments : ndarray of shape (n_rows,), datetime64[us]
        As `datetimes` returns them.
    parts : iterable of str
        Names of parts.
    origin : float
        Moment from which ``days`` are counted, in seconds since the epoch. Near the data, so
        that float32 keeps the minutes.

    Returns
    -------
    dict of str to ndarray of shape (n_rows,), float32
        ``weekday`` is 0 on a Monday, ``weekhour`` counts the hours from its midnight; ``month``,
        ``day`` and ``yearday`` begin at 1; NaN where missing.

    Examples
    --------
    >>> moment = np.array(["2024-03-01T17:30"], dtype="M8[us]")
    >>> {name: float(part[0]) for name, part in date_parts(moment, ("hour", "weekday"), 0).items()}
    {'hour': 17.0, 'weekday': 4.0}
    """
    missing = np.isnat(moments)
    moments = np.where(missing, np.datetime64(0, "us"), moments)
    days = moments.astype("M8[D]")
    day_number = days.astype(np.int64)
    in_day = (moments - days).astype(np.int64) // 1_000_000
    months = moments.astype("M8[M]")
    years = moments.astype("M8[Y]")
    found: dict[str, Array] = {}
    value: npt.NDArray[Any]
    for part in parts:
        match part:
            case "year":
                value = years.astype(np.int64) + 1970
            case "month":
                value = months.astype(np.int64) % 12 + 1
            case "day":
                value = (days - months.astype("M8[D]")).astype(np.int64) + 1
            case "yearday":
                value = (days - years.astype("M8[D]")).astype(np.int64) + 1
            case "weekday":
                value = (day_number + 3) % 7
            case "weekend":
                value = (day_number + 3) % 7 >= 5
            case "hour":
                value = in_day // 3600
            case "weekhour":
                value = (day_number + 3) % 7 * 24 + in_day // 3600
            case "minute":
                value = in_day // 60 % 60
            case "days":
                value = (moments.astype(np.int64) / 1e6 - origin) / DAY
            case _:
                raise KeyError(part)
        found[part] = value.astype(np.float32)
        found[part][missing] = np.nan
    return found
