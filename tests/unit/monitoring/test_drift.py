"""The index against sums by hand, and alarms against rows that did not change."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regatta.dataset.schema import Column
from regatta.monitoring import Counted, by_chance, compare, psi
from regatta.settings import MonitorSettings

SETTINGS = MonitorSettings()
LEVEL = SETTINGS.false_alarms / 10


def test_the_index_of_an_example_by_hand():
    before, after = np.array([100, 200, 300, 400]), np.array([40, 20, 20, 20])
    # 0.3 log(0.4 / 0.1) + 0 - 0.1 log(0.2 / 0.3) - 0.2 log(0.2 / 0.4)
    assert psi(before, after) == pytest.approx(0.415888 + 0.040547 + 0.138629, abs=1e-6)


def test_an_empty_bin_counts_as_half_a_row():
    # 0.1 log(1 / 0.9) - 0.05 log(0.05 / 0.1); the third bin is empty in both.
    assert psi(np.array([90, 10, 0]), np.array([10, 0, 0])) == pytest.approx(0.045194, abs=1e-6)


def test_chance_against_a_table_of_the_chi_squared_distribution():
    before, after = np.full(6, 1000 // 6), np.full(6, 100 // 6)
    scale = 1 / before.sum() + 1 / after.sum()
    assert by_chance(before, after, 0.05) == pytest.approx(11.0705 * scale, rel=1e-5)
    eleven = np.full(11, 50)
    assert by_chance(eleven, eleven, 0.001) == pytest.approx(29.5883 * 2 / 550, rel=1e-5)
    assert by_chance(np.array([5, 0]), np.array([9, 0]), 0.001) == 0.0


rows = st.lists(st.integers(0, 1000), min_size=2, max_size=12)
full = st.integers(2, 12).flatmap(
    lambda n: st.tuples(*[st.lists(st.integers(1, 1000), min_size=n, max_size=n)] * 2)
)


@given(rows, rows, st.integers(1, 50))
def test_the_index_is_never_negative_and_zero_for_the_same(before, after, times):
    size = min(len(before), len(after))
    p, q = np.array(before[:size]), np.array(after[:size])
    assert psi(p, q) >= 0
    assert psi(p, p) == 0
    assert psi(p, q) == pytest.approx(psi(q, p))
    positive = p + 1
    assert psi(positive, times * positive) == pytest.approx(0, abs=1e-12)


@given(full)
def test_merged_bins_tell_no_more(samples):
    before, after = map(np.array, samples)
    merged = [np.concatenate([[n[:2].sum()], n[2:]]) for n in (before, after)]
    assert psi(*merged) <= psi(before, after) + 1e-12


@given(st.integers(2, 12), st.integers(1, 10_000), st.floats(1e-9, 0.4))
def test_more_rows_leave_less_to_chance(bins, size, level):
    few, many = np.full(bins, size), np.full(bins, 2 * size)
    assert by_chance(few, many, level) < by_chance(few, few, level)
    assert by_chance(few, few, level / 2) > by_chance(few, few, level)


def population(rng: np.random.Generator, n_rows: int) -> pd.DataFrame:
    """Draw rows of one population: many kinds of columns that alarm too easily."""
    cities = rng.choice([f"city {n}" for n in range(30)], n_rows, p=np.arange(1, 31) / 465)
    return pd.DataFrame(
        {
            "normal": rng.normal(size=n_rows),
            "skewed": rng.lognormal(sigma=2, size=n_rows),
            "rarely missing": np.where(rng.random(n_rows) < 0.01, np.nan, rng.normal(size=n_rows)),
            "mostly zero": rng.poisson(0.2, n_rows).astype(float),
            "city": cities.astype(object),
            "user": np.array([f"u{n}" for n in rng.integers(0, 3000, n_rows)], dtype=object),
            "unique": np.array([f"{n:x}" for n in rng.integers(0, 2**40, n_rows)], dtype=object),
        }
    )


def column_of(name: str, values: pd.Series) -> Column:
    if values.dtype != object:
        return Column(name, "numeric", "float64")
    frequent = values.value_counts().index[:1000]
    return Column(name, "categorical", "string", categories=tuple(frequent))


def alarms(reference: pd.DataFrame, served: pd.DataFrame) -> list[str]:
    found = []
    for name in reference:
        column = column_of(name, reference[name])
        counted = Counted.of(column, reference[name])
        if compare(counted, served[name], column, SETTINGS, level=LEVEL).drifted:
            found.append(name)
    return found


@pytest.mark.parametrize("n_reference", [60, 300, 5000])
@pytest.mark.parametrize("n_served", [1, 10, 50, 500])
def test_rows_of_the_same_population_raise_no_alarm(n_reference, n_served):
    rng = np.random.default_rng(n_reference + n_served)
    for _ in range(25):
        reference = population(rng, n_reference)
        assert alarms(reference, population(rng, n_served)) == []


def test_the_index_alone_would_have_raised_it():
    rng = np.random.default_rng(0)
    column = Column("normal", "numeric", "float64")
    counted = Counted.of(column, population(rng, 5000)["normal"])
    found = [
        compare(counted, population(rng, 50)["normal"], column, SETTINGS, level=LEVEL).psi
        for _ in range(100)
    ]
    assert np.mean(np.array(found) > SETTINGS.psi) > 0.3
    assert np.mean(found) == pytest.approx(9 * (1 / 50 + 1 / 5000), rel=0.25)


@pytest.mark.parametrize("n_served", [50, 500])
def test_a_shift_always_raises_it(n_served):
    rng = np.random.default_rng(n_served)
    for _ in range(25):
        reference, served = population(rng, 1000), population(rng, n_served)
        served["normal"] += 1.5
        served["city"] = np.where(rng.random(n_served) < 0.5, "elsewhere", served["city"])
        served.loc[rng.random(n_served) < 0.5, "rarely missing"] = np.nan
        assert alarms(reference, served) == ["normal", "rarely missing", "city"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([0, 1] * 200, [0, 100] * 200),
        ([0, 1] * 200, [-7, 100] * 200),
        ([0] * 400 + [*range(1, 21)], [-7] * 400 + [*range(1, 21)]),
        ([*range(20)] + [99] * 400, [*range(20)] + [990] * 400),
        ([5] * 300 + [None] * 100, [8] * 300 + [None] * 100),
    ],
)
def test_values_beyond_those_that_were_ever_seen_are_noticed(before, after):
    column = Column("flag", "numeric", "float64")
    counted = Counted.of(column, pd.Series(before, dtype="float64"))
    served = pd.Series(after, dtype="float64")
    assert compare(counted, served, column, SETTINGS, level=LEVEL).drifted


def test_users_that_are_all_new_are_noticed():
    reference = pd.Series([f"u{n % 200}" for n in range(2000)])
    column = column_of("user", reference)
    counted = Counted.of(column, reference)
    known = compare(counted, reference.head(100), column, SETTINGS, level=LEVEL)
    assert not known.drifted
    assert known.unseen == (0.0, 0.0)
    new = compare(counted, pd.Series(["stranger"] * 100), column, SETTINGS, level=LEVEL)
    assert (new.drifted, new.unseen) == (True, (0.0, 1.0))
    # No bin of its own for any: the index does not see it.
    assert new.psi < SETTINGS.psi


def test_where_each_row_is_new_new_ones_are_expected():
    reference = pd.Series([f"key {n}" for n in range(2000)])
    column = column_of("key", reference)
    counted = Counted.of(column, reference)
    found = compare(counted, pd.Series(["another"] * 100), column, SETTINGS, level=LEVEL)
    assert found.unseen == (1.0, 1.0)
    assert not found.drifted


def test_what_is_said_of_a_column():
    column = Column("age", "numeric", "float64")
    counted = Counted.of(column, pd.Series([1.0, 2.0, 2.0, np.nan]))
    found = compare(counted, pd.Series([3.0, 3.0]), column, SETTINGS, level=0.01, importance=0.5)
    assert found.bins == (
        ("up to 1", 0.25, 0.0),
        ("up to 2", 0.5, 0.0),
        ("above 2", 0.0, 1.0),
        ("missing", 0.25, 0.0),
    )
    assert found.missing == (0.25, 0.0)
    assert found.importance == 0.5
    half = 0.5 / 2
    # The bins of 1 and of missing values lose nothing: half a row of two is a quarter.
    expected = (half - 0.5) * math.log(half / 0.5) + (1 - 0.5 / 4) * math.log(1 / (0.5 / 4))
    assert found.psi == pytest.approx(expected)


def test_rows_that_repeat_each_other_raise_no_alarm():
    """Rows of a customer are alike: a table of 40 customers is 40 rows, however many it has."""
    rng = np.random.default_rng(3)
    alone = grouped = 0
    for _ in range(25):
        reference = population(rng, 200).loc[np.repeat(np.arange(200), 10)].reset_index(drop=True)
        served = population(rng, 40).loc[np.repeat(np.arange(40), 25)].reset_index(drop=True)
        for name in ("normal", "skewed", "city"):
            column = column_of(name, reference[name])
            by_rows = Counted.of(column, reference[name])
            alone += compare(by_rows, served[name], column, SETTINGS, level=LEVEL).drifted
            by_groups = Counted.of(column, reference[name], 200)
            found = compare(by_groups, served[name], column, SETTINGS, level=LEVEL, groups=40)
            grouped += found.drifted
    assert alone > 25
    assert grouped == 0


def test_a_shift_of_all_groups_is_noticed():
    rng = np.random.default_rng(4)
    reference = pd.Series(np.repeat(rng.normal(size=200), 10))
    column = column_of("normal", reference)
    counted = Counted.of(column, reference, 200)
    served = pd.Series(np.repeat(rng.normal(2, size=40), 25))
    assert compare(counted, served, column, SETTINGS, level=LEVEL, groups=40).drifted
    cities = pd.Series(["Bern", "Ulm"] * 1000, dtype=object)
    column = column_of("city", cities)
    counted = Counted.of(column, cities, 200)
    served = pd.Series(["Bern"] * 500 + ["Atlantis"] * 500, dtype=object)
    found = [
        compare(counted, served, column, SETTINGS, level=LEVEL, groups=groups).drifted
        for groups in (2, 40)
    ]
    assert found == [False, True]


def test_names_that_come_with_each_group_are_expected():
    """Each customer has an address, in all of its rows: new customers bring new ones."""
    codes = np.repeat(np.arange(200), 10)
    reference = pd.Series([f"street {code}" for code in codes], dtype=object)
    column = column_of("address", reference)
    served = pd.Series([f"road {code}" for code in codes[:400]], dtype=object)
    counted = Counted.of(column, reference, 200, codes)
    found = compare(counted, served, column, SETTINGS, level=LEVEL, groups=40)
    assert (found.unseen, found.drifted) == ((1.0, 1.0), False)
    # An address that two of them share is none of these.
    shared = reference.where(codes % 2 == 0, "street 0")
    assert Counted.of(column, shared, 200, codes).unseen == 990 / 2000
