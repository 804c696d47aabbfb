"""Bins: tenths, single values, frequent categories; every value is counted once."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regatta.monitoring.bins import Bins


def counts(kind: str, values: list) -> tuple[Bins, list[int]]:
    dtype = {"numeric": "float64", "datetime": "datetime64[us]"}.get(kind, object)
    column = pd.Series(values, dtype=dtype)
    bins = Bins.of("c", kind, column)
    return bins, bins.counts(column).tolist()


def test_numbers_are_counted_in_tenths():
    bins, found = counts("numeric", [*range(1, 101), None])
    assert bins.edges == tuple(range(10, 100, 10))
    assert found == [10] * 10 + [1]


def below(value: float) -> float:
    return float(np.nextafter(value, -np.inf))


@pytest.mark.parametrize(
    ("values", "edges", "expected"),
    [
        # A rare value at either end keeps a bin of its own.
        # What is beyond it gets another, empty one.
        ([0] * 95 + [1] * 5, (below(0), 0, 1), [0, 95, 5, 0, 0]),
        ([0] * 5 + [1] * 95, (below(0), 0, 1), [0, 5, 95, 0, 0]),
        ([*range(20), *[99] * 180], (19, 99), [20, 180, 0, 0]),
        ([*[0] * 188, *range(1, 13)], (below(0), 0), [0, 188, 12, 0]),
        ([7] * 9, (below(7), 7), [0, 9, 0, 0]),
        ([None] * 9, (), [0, 9]),
    ],
)
def test_ties(values, edges, expected):
    bins, found = counts("numeric", values)
    assert bins.edges == edges
    assert found == expected


def test_dates_are_seconds_and_texts_are_lengths():
    bins, found = counts("datetime", ["1970-01-01T00:01:00", "1970-01-01T00:02:00", None])
    assert (bins.edges, found) == ((below(60), 60, 120), [0, 1, 1, 0, 1])
    bins, found = counts("text", ["four", "seventy", None])
    assert (bins.edges, found) == ((below(4), 4, 7), [0, 1, 1, 0, 1])
    assert bins.names[:2] == ("below 4 letters", "up to 4 letters")
    assert bins.names[2:] == ("up to 7 letters", "above 7 letters", "missing")


def test_rare_categories_share_a_bin():
    values = ["a"] * 60 + ["b"] * 20 + ["c"] * 19 + [None] * 6
    bins, found = counts("categorical", values)
    assert bins.labels == ("a", "b")
    assert found == [60, 20, 19, 6]
    assert bins.counts(pd.Series(["b", "never seen", None])).tolist() == [0, 1, 1, 1]


def test_of_many_categories_the_most_frequent_have_bins():
    bins, found = counts("categorical", [f"{n % 40}" for n in range(4000)])
    assert len(bins.labels) == 15
    assert found == [100] * 15 + [2500, 0]


@pytest.mark.parametrize(
    "values", [[True] * 30 + [False] * 40, [True] * 30 + [False] * 40 + [None]]
)
def test_truths_are_two_categories(values):
    column = pd.Series(values)
    bins = Bins.of("c", "boolean", column)
    assert bins.labels == ("false", "true")
    assert bins.counts(column).tolist() == [40, 30, 0, len(values) - 70]


numbers = st.lists(st.floats(-1e9, 1e9) | st.integers(-3, 3) | st.none(), max_size=60)


@given(numbers, numbers)
def test_every_number_falls_into_one_bin(reference, served):
    bins, found = counts("numeric", reference)
    assert sum(found) == len(reference)
    assert list(bins.edges) == sorted(set(bins.edges))
    column = pd.Series(served, dtype="float64")
    again = Bins.from_dict(bins.to_dict()).counts(column)
    assert again.sum() == len(served)
    assert again[-1] == column.isna().sum()
    np.testing.assert_array_equal(again, bins.counts(column))
