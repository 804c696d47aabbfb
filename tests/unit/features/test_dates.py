"""Dates become parts that a learner can use."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regatta.features.dates import date_parts, datetimes, parts_that_vary, seconds

PARTS = ("year", "month", "day", "yearday", "weekday", "weekend", "hour", "weekhour", "minute")


@given(st.datetimes(min_value=pd.Timestamp("1700-01-01"), max_value=pd.Timestamp("2250-01-01")))
def test_parts_are_those_of_the_calendar(moment):
    found = date_parts(np.array([moment], dtype="M8[us]"), PARTS, 0.0)
    stamp = pd.Timestamp(moment)
    expected = {
        "year": stamp.year,
        "month": stamp.month,
        "day": stamp.day,
        "yearday": stamp.dayofyear,
        "weekday": stamp.weekday(),
        "weekend": stamp.weekday() >= 5,
        "hour": stamp.hour,
        "weekhour": stamp.weekday() * 24 + stamp.hour,
        "minute": stamp.minute,
    }
    assert {name: int(values[0]) for name, values in found.items()} == expected


def test_missing_moments_are_nan_in_every_part():
    found = date_parts(np.array(["NaT"], dtype="M8[us]"), (*PARTS, "days"), 0.0)
    assert all(np.isnan(values[0]) for values in found.values())


def test_days_keep_the_minutes_near_the_origin():
    origin = pd.Timestamp("2024-01-01").timestamp()
    moment = np.array(["2024-01-02T12:00:00"], dtype="M8[us]")
    assert date_parts(moment, ("days",), origin)["days"][0] == 1.5


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_every_unit_of_time_is_read(unit):
    values = pd.Series(pd.to_datetime(["2024-03-01 17:30", None])).astype(f"datetime64[{unit}]")
    moments = datetimes(values)
    assert moments[0] == np.datetime64("2024-03-01T17:30")
    assert np.isnat(moments[1])


def test_time_zones_are_turned_into_utc():
    values = pd.Series(pd.to_datetime(["2024-03-01 17:30+02:00"], utc=True)).dt.tz_convert(
        "Europe/Zurich"
    )
    assert datetimes(values)[0] == np.datetime64("2024-03-01T15:30")


def test_texts_are_read_as_iso_dates_and_others_are_missing():
    moments = datetimes(pd.Series(["2024-03-01T17:30:00Z", "no date", None], dtype=object))
    assert moments[0] == np.datetime64("2024-03-01T17:30")
    assert np.isnat(moments[1:]).all()


def test_seconds_count_from_the_epoch():
    found = seconds(np.array(["1970-01-01T00:01:00.5", "NaT"], dtype="M8[us]"))
    assert found[0] == 60.5
    assert np.isnan(found[1])


def test_parts_that_cannot_vary_are_left_out():
    day = 86_400.0
    assert "weekday" not in parts_that_vary(0.0, day - 1)
    assert "month" not in parts_that_vary(0.0, 20 * day)
    assert "year" not in parts_that_vary(0.0, 300 * day)
    assert "year" in parts_that_vary(0.0, 400 * day)
