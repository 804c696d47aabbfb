"""The latest rows are locked, those before validate, and the earliest are learnt from."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from regatta.errors import SplitError
from regatta.splits import Lock, Scheme, lock_latest, validate_latest
from regatta.splits.keys import NO_TIME, time_keys

LABELS = ("no", "yes")


def split(times, target=None, *, share=0.2, valid=0.2, classes=()):
    times = np.asarray(times, float)
    target = np.zeros(len(times)) if target is None else np.asarray(target, float)
    keys = time_keys(times)
    target = np.where(keys == NO_TIME, np.nan, target)
    parts = lock_latest(target, keys, classes=classes, locked_share=share, name="t")
    return validate_latest(target, keys, parts, Scheme(1, valid), classes=classes, name="t")


@settings(max_examples=150, deadline=None)
@given(
    times=st.lists(
        st.one_of(st.integers(-20, 20), st.floats(-1e300, 1e300), st.just(float("nan"))),
        min_size=25,
        max_size=120,
    ),
    share=st.floats(0.05, 0.4),
    seed=st.integers(0, 9),
)
def test_time_goes_on_from_part_to_part(times, share, seed):
    times = np.array(times, float)
    counts = np.unique(time_keys(times[~np.isnan(times)]), return_counts=True)[1]
    # Few times, or a time that most rows have, are refused.
    assume(counts.sum() >= 20 and len(counts) >= 3 and counts.max() <= 0.25 * counts.sum())
    (parts,) = split(times, share=share)

    assert parts.dtype == np.int16
    assert np.array_equal(parts == -2, np.isnan(times))
    known = time_keys(times)
    learnt, validated, locked = (known[parts == part] for part in (1, 0, -1))
    # Later times have lower keys; rows of one time are in one part.
    assert learnt.min() > validated.max()
    assert validated.min() > locked.max()
    assert times[parts == 1].max() < times[parts == 0].min()
    assert times[parts == 0].max() < times[parts == -1].min()
    order = np.random.default_rng(seed).permutation(len(times))
    assert np.array_equal(split(times[order], share=share)[0], parts[order])


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2, max_size=30))
def test_keys_fall_as_times_go_on(times):
    times = np.sort(np.array(times))
    keys = time_keys(times)

    assert (np.diff(keys.astype(np.int64)) <= 0).all()
    assert keys.max() < 2**53
    # Dates of this century differ from microsecond to millisecond at most.
    moments = np.datetime64("2026-03-01T12:00", "us").astype(np.int64) + np.arange(5) * 1000.0
    assert (np.diff(time_keys(moments).astype(np.int64)) < 0).all()


@settings(max_examples=60, deadline=None)
@given(
    n_rows=st.integers(30, 200),
    more=st.integers(0, 100),
    seed=st.integers(0, 99),
)
def test_rows_that_a_later_run_locks_too_were_never_trained_on(n_rows, more, seed):
    rng = np.random.default_rng(seed)
    # New rows are mostly later ones, but not all.
    times = np.r_[rng.integers(0, 50, n_rows), rng.integers(30, 80, more)].astype(float)
    (before,) = split(times[:n_rows])
    lock = Lock.together(before == -1, time_keys(times[:n_rows]), seed=0, columns="", time="t")
    lock = Lock.from_dict(lock.to_dict())

    covered = lock.covers(time_keys(times), np.zeros(len(times), np.int64), ("",))
    assert np.array_equal(covered[:n_rows], before == -1)
    assert not lock.trained
    assert (times[covered] > times[:n_rows][before >= 0].max()).all()


def test_shares_are_those_asked_for():
    (parts,) = split(np.random.default_rng(0).permutation(1_000), share=0.25, valid=0.1)

    assert [(parts == part).sum() for part in (-1, 0, 1)] == [250, 75, 675]


def test_rows_of_one_time_stay_together():
    times = np.repeat(np.arange(10), 100)
    (parts,) = split(times, share=0.27)

    assert set(times[parts == -1]) == {7, 8, 9}
    assert set(times[parts == 0]) == {6}


REFUSED = {
    "one": ([3] * 40, "1 different time in 't'"),
    "two": ([3, 4] * 20, "2 different times in 't'"),
    "lump": (
        [*range(10), *[99] * 30],
        "30 of 40 rows would be set apart at once: they have the same time in 't'",
    ),
    "few": ([float("nan")] * 21 + list(range(19)), "19 rows have a target and a time"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_times_that_do_not_do(case):
    times, expected = REFUSED[case]
    with pytest.raises(SplitError) as caught:
        split(times)
    assert expected in str(caught.value)
    assert "To fix" in str(caught.value)


def test_a_class_that_comes_late_is_refused():
    target = (np.arange(100) >= 70) & (np.arange(100) % 2 == 0)
    with pytest.raises(SplitError, match="class 'yes' is not among the 64 earliest rows by 't'"):
        split(np.arange(100), target, classes=LABELS)


def test_rows_that_validate_must_be_of_two_classes():
    target = (np.arange(100) < 60) | (np.arange(100) > 90)
    with pytest.raises(SplitError, match=r"the 16 rows that validate.*all are of class 'no'"):
        split(np.arange(100), target, classes=LABELS)
    assert split(np.arange(100), np.arange(100) % 2, classes=LABELS).shape == (1, 100)


def test_locked_rows_must_be_of_two_classes():
    target = np.arange(100) % 2 * (np.arange(100) < 80)
    with pytest.raises(SplitError) as caught:
        split(np.arange(100), target, classes=LABELS)
    assert "the 20 rows to be locked, the latest by 't', all are of class 'no'" in str(caught.value)
    assert "larger --set split.locked_share" in str(caught.value)
    # One row more has the other class.
    assert split(np.arange(100), target, classes=LABELS, share=0.21).shape == (1, 100)
