"""Whole groups are locked and dealt: none is cut, whatever they are."""

from contextlib import suppress
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedGroupKFold

from regatta.errors import SplitError
from regatta.splits import Lock, Scheme, choose_scheme, deal_groups, lock_groups
from regatta.splits.together import group_codes, group_keys

LABELS = ("no", "yes", "maybe")


def keys_of(groups, seed=0):
    rows = np.arange(len(groups), dtype=np.uint64)
    return group_keys(pa.chunked_array([pa.array(groups)]), rows, seed)


def parts_of(dealt, part):
    return (dealt == part).any(axis=0)


@st.composite
def tables(draw, *, regression=False):
    """Draw groups of very different sizes whose classes may be all alike."""
    sizes = draw(st.lists(st.integers(1, 40), min_size=8, max_size=40))
    assume(sum(sizes) >= 20)
    groups = np.repeat(np.arange(len(sizes)), sizes)
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    rng.shuffle(groups)
    if regression:
        return groups, rng.normal(size=len(groups)).round(1)
    pure = rng.integers(0, 3, len(sizes))
    mixed = rng.integers(0, 3, len(groups))
    target = np.where(rng.random(len(groups)) < draw(st.sampled_from([0, 0.5, 1])), mixed, 0)
    target = np.where(target > 0, target, pure[groups])
    target[rng.random(len(groups)) < 0.05] = -1
    for code in range(3):
        # A class in a single group is refused.
        if len(np.unique(groups[target == code])) < 2:
            target[target == code] = -1
    target = np.where(target < 0, np.nan, target)
    assume((~np.isnan(target)).sum() >= 20)
    return groups, target


def split(groups, target, scheme, *, share=0.2, seed=0, classes=LABELS):
    keys = keys_of(groups, seed)
    known = {"classes": classes, "name": "g"}
    parts = lock_groups(target, keys, locked_share=share, **known)
    n_folds = min(scheme.n_folds, len(np.unique(groups[parts == 0])))
    scheme = replace(scheme, n_folds=n_folds)
    return deal_groups(target, keys, parts, scheme, seed=seed, **known)


def dealt_or_refused(groups, target, scheme, **more):
    """Split; give up where groups are too few for their classes or one is huge, there only."""
    known = ~np.isnan(target)
    spread = [len(np.unique(groups[target == code])) for code in np.unique(target[known])]
    largest = np.bincount(groups[known]).max()
    if len(spread) > 1 and min(spread) >= 5 and largest < known.sum() / 3:
        return split(groups, target, scheme, **more)
    with suppress(SplitError):
        return split(groups, target, scheme, **more)
    assume(False)


@settings(max_examples=120, deadline=None)
@given(
    table=tables(),
    n_folds=st.integers(1, 5),
    n_repeats=st.integers(1, 3),
    share=st.floats(0.05, 0.5),
    seed=st.integers(0, 9),
)
def test_no_group_is_in_two_parts(table, n_folds, n_repeats, share, seed):
    groups, target = table
    scheme = Scheme(n_folds, 0.2 if n_folds == 1 else 0.0, n_repeats if n_folds > 1 else 1)
    dealt = dealt_or_refused(groups, target, scheme, share=share, seed=seed)

    assert dealt.dtype == np.int16
    assert np.array_equal(dealt[0] == -2, np.isnan(target))
    for parts in dealt:
        for group in np.unique(groups):
            assert len(np.unique(parts[(groups == group) & (parts != -2)])) <= 1
        assert np.array_equal(parts < 0, dealt[0] < 0)
    assert parts_of(dealt, -1).any()
    # Whatever is validated was learnt, and every class is.
    n_folds = dealt.max() + 1 if scheme.n_folds > 1 else 1
    for fold in range(n_folds):
        train = (dealt != fold).all(axis=0) & (dealt[0] >= 0)
        assert parts_of(dealt, fold).any()
        assert set(target[train]) == set(target[~np.isnan(target)])


@settings(max_examples=60, deadline=None)
@given(table=tables(regression=True), n_folds=st.integers(2, 5), seed=st.integers(0, 9))
def test_the_order_of_the_rows_changes_nothing(table, n_folds, seed):
    groups, target = table
    order = np.random.default_rng(seed).permutation(len(groups))
    dealt = split(groups, target, Scheme(n_folds), seed=seed, classes=())
    again = split(groups[order], target[order], Scheme(n_folds), seed=seed, classes=())

    assert np.array_equal(again, dealt[:, order])


@settings(max_examples=100, deadline=None)
@given(
    table=tables(),
    more=st.integers(0, 200),
    share=st.floats(0.05, 0.4),
    new_groups=st.integers(0, 30),
    seed=st.integers(0, 9),
)
def test_groups_that_both_locked_were_never_trained_on(table, more, share, new_groups, seed):
    groups, target = table
    rng = np.random.default_rng(seed)
    grown = np.r_[groups, rng.integers(0, groups.max() + 1 + new_groups, more)]
    order = rng.permutation(len(grown))
    try:
        parts = lock_groups(target, keys_of(groups), classes=LABELS, locked_share=share, name="g")
    except SplitError:
        assume(False)
    known = parts != -2
    lock = Lock.together(parts[known] == -1, keys_of(groups)[known], seed=0, columns="", group="g")
    lock = Lock.from_dict(lock.to_dict())

    covered = lock.covers(keys_of(grown[order]), np.zeros(len(grown), np.int64), ("",))
    trained = np.unique(groups[parts == 0])
    assert not np.isin(grown[order][covered], trained).any()
    # What was locked is known to be, wherever it stands now.
    assert covered[np.isin(grown[order], np.unique(groups[parts == -1]))].all()
    # The list of exceptions is short: groups that are too large, or whose class is rare; unless
    # the last one was locked for its class, or for its size.
    keys = keys_of(groups)
    first = (parts == -1) & (keys != keys[parts == -1].max())
    if len(np.unique(target[first])) > 1:
        assert len(lock.trained) <= 2 / share + 2 * len(LABELS)


def test_a_table_that_has_grown_locks_nearly_the_same_groups():
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 500, 5_000)
    grown = np.r_[groups, rng.integers(0, 600, 1_000)]
    y = np.zeros(len(grown))
    locked = [
        set(g[lock_groups(y[: len(g)], keys_of(g), classes=(), locked_share=0.2, name="g") == -1])
        for g in (groups, grown)
    ]

    assert len(locked[0] & locked[1]) > 0.95 * len(locked[0])


def test_rows_and_classes_are_spread_as_evenly_as_by_scikit_learn():
    rng = np.random.default_rng(3)
    groups = (rng.pareto(1.5, 3_000) * 20).astype(int) % 200
    target = (rng.normal(size=3_000) + rng.normal(size=200)[groups] > 1.2).astype(float)
    dealt = split(groups, target, Scheme(5), classes=LABELS[:2])[0]
    train = np.flatnonzero(dealt >= 0)
    theirs = np.empty(len(train))
    folds = StratifiedGroupKFold(5, shuffle=True, random_state=0)
    for fold, (_, valid) in enumerate(folds.split(train, target[train], groups[train])):
        theirs[valid] = fold

    def unevenness(parts):
        sizes = np.array([(parts == fold).mean() for fold in range(5)])
        rates = np.array([target[train][parts == fold].mean() for fold in range(5)])
        return np.ptp(sizes), np.ptp(rates)

    ours = unevenness(dealt[train])
    assert max(ours) < 0.01
    assert all(one <= other for one, other in zip(ours, unevenness(theirs), strict=True))


def test_values_are_spread_over_their_range():
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 150, 3_000)
    target = rng.lognormal(size=150)[groups]
    dealt = split(groups, target, Scheme(5), classes=())[0]

    means = [target[dealt == fold].mean() for fold in range(5)]
    assert np.std(means) < 0.1 * np.mean(means)


def test_the_first_fold_is_most_like_the_whole():
    # One group is a third of all rows, and has most of the rare class.
    groups = np.r_[np.zeros(400, int), np.repeat(np.arange(1, 81), 10)]
    target = np.r_[np.tile([0.0, 1.0], 200), np.arange(800) % 10 == 0].astype(float)
    dealt = split(groups, target, Scheme(3), classes=LABELS[:2])[0]

    assert 0 not in groups[dealt == 0]
    assert abs(target[dealt == 0].mean() - 0.1) < 0.03


def test_each_repeat_deals_groups_anew():
    groups = np.repeat(np.arange(60), 10)
    dealt = split(groups, np.zeros(600), Scheme(5, n_repeats=3), classes=())

    together = [
        {frozenset(groups[one == fold]) for fold in np.unique(one) if fold >= 0} for one in dealt
    ]
    assert not together[0] & together[1]
    assert [sorted(set(one[one >= 0])) for one in dealt] == [
        [0, 1, 2, 3, 4],
        [5, 6, 7, 8, 9],
        [10, 11, 12, 13, 14],
    ]


def test_a_group_with_most_of_the_rows_is_learnt_from():
    groups = np.r_[np.zeros(900, int), np.arange(1, 101)]
    for seed in range(20):
        parts = lock_groups(
            np.zeros(1_000), keys_of(groups, seed), classes=(), locked_share=0.1, name="g"
        )
        assert parts[0] == 0
        # Half of the others, or hardly any would be left beside it.
        assert (parts == -1).sum() == 50


def test_a_few_rows_without_a_group_are_not_all_that_is_locked():
    groups = [*["a"] * 400, *["b"] * 350, *["c"] * 180, *[None] * 5]
    for seed in range(20):
        parts = lock_groups(
            np.zeros(935), keys_of(groups, seed), classes=(), locked_share=0.2, name="site"
        )
        assert (parts[750:930] == -1).all()
        assert (parts[:750] == 0).all()


def test_a_group_that_does_not_fit_is_passed_over():
    # Three quarters of the rows to be locked are in each of ten groups, the others are small.
    groups = np.r_[np.repeat(np.arange(10), 75), np.repeat(np.arange(10, 60), 5)]
    for seed in range(30):
        parts = lock_groups(
            np.zeros(1_000), keys_of(groups, seed), classes=(), locked_share=0.1, name="g"
        )
        assert 75 <= (parts == -1).sum() <= 140


def test_groups_that_leave_hardly_a_row_to_lock():
    groups = np.r_[np.zeros(900, int), np.repeat([1, 2, 3], 4)]
    with pytest.raises(SplitError) as caught:
        lock_groups(np.zeros(912), keys_of(groups), classes=(), locked_share=0.2, name="g")
    found = "8 of 912 rows could be locked by 'g': its largest group has 900"
    assert found in str(caught.value)
    assert "make up 182 locked rows, or at least 10" in str(caught.value)


def test_two_classes_are_locked():
    groups = np.repeat(np.arange(100), 10)
    target = (groups < 5).astype(float)
    for seed in range(30):
        parts = lock_groups(
            target, keys_of(groups, seed), classes=LABELS[:2], locked_share=0.2, name="g"
        )
        assert set(target[parts == -1]) == {0, 1}
        assert len(np.unique(groups[(parts == 0) & (target == 1)])) >= 2
        assert 200 <= (parts == -1).sum() <= 210


def test_a_class_of_two_groups_leaves_only_one_to_lock():
    groups = np.repeat(np.arange(40), 5)
    target = (groups < 2).astype(float)
    with pytest.raises(SplitError) as caught:
        lock_groups(target, keys_of(groups), classes=LABELS[:2], locked_share=0.2, name="g")
    assert "40 rows to be locked, whole groups of 'g', all are of class 'no'" in str(caught.value)
    assert "larger --set split.locked_share" in str(caught.value)


def test_where_all_groups_are_too_large_the_smallest_is_locked():
    groups = np.repeat([0, 1, 2], [40, 25, 35])
    parts = lock_groups(np.zeros(100), keys_of(groups), classes=(), locked_share=0.2, name="g")

    assert set(groups[parts == -1]) == {1}


def test_a_rare_class_stays_with_the_trials():
    groups = np.repeat(np.arange(40), 5)
    target = np.isin(groups, [3, 17]) * np.tile([2.0, 0, 0, 0, 0], 40)
    target += np.tile([0.0, 1, 0, 0, 0], 40)
    for seed in range(10):
        dealt = split(groups, target, Scheme(5), seed=seed)[0]
        folds = dealt[target == 2]
        assert len(set(folds)) == 2
        assert min(folds) >= 0


REFUSED = {
    "one": ([7] * 40, "1 group of 'g'"),
    "two": ([7, 8] * 20, "2 groups of 'g'"),
    "class": ([*range(30), *[5] * 10], "class 'yes' is in one group of 'g' only"),
    "scarce": ([0, 1] * 20, "2 groups of 'g'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_too_few_groups_are_refused(case):
    groups, expected = REFUSED[case]
    target = np.zeros(40) if case in ("one", "two") else (np.arange(40) >= 30).astype(float)
    classes = () if case in ("one", "two") else LABELS[:2]
    with pytest.raises(SplitError) as caught:
        split(np.array(groups), target, Scheme(2), classes=classes)
    assert expected in str(caught.value)
    assert "To fix" in str(caught.value)


def test_a_class_that_has_no_row_left_is_passed_over():
    groups, target = np.repeat(np.arange(12), 4), np.tile([0.0, 1.0], 24)
    dealt = split(groups, target, Scheme(3))[0]

    assert sorted(np.unique(dealt)) == [-1, 0, 1, 2]


def test_three_groups_are_enough():
    dealt = split(np.repeat([0, 1, 2], 10), np.zeros(30), Scheme(2), classes=())

    assert sorted(np.unique(dealt)) == [-1, 0, 1]


def test_classes_that_are_in_too_few_groups_to_lock_one():
    groups, target = np.repeat(np.arange(4), 10), np.repeat([0.0, 0.0, 1.0, 1.0], 10)
    with pytest.raises(SplitError, match="each has a class that only two of them have"):
        split(groups, target, Scheme(3), classes=LABELS[:2])


def test_groups_that_no_deal_suits():
    # Of three groups two are in one fold, and with them all of a class.
    groups, target = np.repeat([0, 1, 2], 10), np.array([0.0, 1, 1, 2, 2, 0]).repeat(5)
    parts = np.zeros(30, np.int16)
    known = {"classes": LABELS, "seed": 0, "name": "g"}
    with pytest.raises(SplitError, match="3 groups of 'g' cannot be dealt so that each of 2 folds"):
        deal_groups(target, keys_of(groups), parts, Scheme(2), **known)
    assert len(set(deal_groups(target, keys_of(groups), parts, Scheme(3), **known)[0])) == 3


def test_another_order_is_tried_where_the_first_does_not_suit():
    # The largest two go apart, and the third has the last of both classes.
    groups = np.repeat([0, 1, 2], [16, 16, 4])
    target = np.repeat([0.0, 1.0, 0.0, 1.0], [16, 16, 2, 2])
    known = {"classes": LABELS[:2], "seed": 0, "name": "g"}
    dealt = deal_groups(target, keys_of(groups), np.zeros(36, np.int16), Scheme(2), **known)[0]

    assert dealt[0] == dealt[16] != dealt[-1]


@pytest.mark.parametrize(
    ("n_train", "n_groups", "seconds", "name"),
    [
        (1_500, 400, 300, "2 x 5-fold"),
        (1_500, 9, 300, "5-fold"),
        (1_500, 3, 300, "3-fold"),
        (1_500, 2, 300, "2-fold"),
        (500_000, 100, 300, "holdout"),
        (500_000, 99, 300, "3-fold"),
        (500_000, 2, 300, "2-fold"),
        (30_000, 50, 20, "3-fold"),
    ],
)
def test_folds_by_groups(n_train, n_groups, seconds, name):
    assert choose_scheme(n_train, budget_seconds=seconds, n_groups=n_groups).name == name


def test_the_user_may_ask_for_no_more_folds_than_groups():
    wanted = {"budget_seconds": 300, "n_groups": 4}
    assert choose_scheme(1_000, folds=4, **wanted) == Scheme(4)
    assert choose_scheme(1_000, folds=1, **wanted) == Scheme(1, 0.2)
    assert choose_scheme(1_000, folds=3, repeats=2, **wanted) == Scheme(3, n_repeats=2)
    with pytest.raises(SplitError, match=r"4 groups of training rows for 5 folds.*folds=4"):
        choose_scheme(1_000, folds=5, **wanted)
    with pytest.raises(SplitError, match="2 repeats of 4 folds of one group each"):
        choose_scheme(1_000, repeats=2, **wanted)


def test_whole_numbers_of_many_digits_are_told_apart():
    values = pa.chunked_array([[2**60, None], [2**60 + 1, 2**60, None]])

    assert group_codes(values).tolist() == [0, 2, 1, 0, 3]
    keys = group_keys(values, np.arange(5, dtype=np.uint64), 0)
    assert len(set(keys.tolist())) == 4
    assert keys.max() < 2**53
    assert keys[[1, 4]].tolist() == [1, 4]


def test_a_group_keeps_its_key_whatever_stands_beside_it():
    whole = keys_of([5, 6, 7])
    decimals = keys_of([6.0, 7.0, float("nan"), 5.0])

    assert decimals[[3, 0, 1]].tolist() == whole.tolist()
    assert decimals[2] == 2
    assert not set(keys_of([5, 6, 7], seed=1)) & set(whole)
