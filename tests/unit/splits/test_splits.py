import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regatta.errors import ArtifactError, SplitError
from regatta.splits import DROPPED, LOCKED, Lock, Scheme, Splits, assign, choose_scheme, repeat

LOCK = Lock(0, "ab" * 32, {"no": 1, "yes": 2})


def cut(target, n_folds=5, *, regression=False, share=0.2, seed=0):
    target = np.asarray(target, float)
    scheme = Scheme(n_folds, 0.2 if n_folds == 1 else 0.0)
    keys = np.random.default_rng([seed, 1]).integers(2**53, size=len(target), dtype=np.uint64)
    return assign(target, scheme, keys, regression=regression, locked_share=share, seed=seed)


def stored(parts, n_folds):
    return Splits(parts[None], n_folds, np.zeros((parts == LOCKED).sum(), np.uint64), LOCK)


@pytest.mark.parametrize(
    ("n_train", "seconds", "scheme"),
    [
        (20, 300, "2 x 5-fold"),
        (1_999, 120, "2 x 5-fold"),
        (1_999, 119, "5-fold"),
        (2_000, 300, "5-fold"),
        (20_000, 300, "5-fold"),
        (20_001, 300, "3-fold"),
        (100_000, 300, "3-fold"),
        (100_001, 300, "holdout"),
        (500, 20, "3-fold"),
        (30_000, 20, "holdout"),
    ],
)
def test_folds_by_size_and_budget(n_train, seconds, scheme):
    assert choose_scheme(n_train, budget_seconds=seconds).name == scheme


def test_a_holdout_is_bounded():
    assert choose_scheme(200_000, budget_seconds=300).holdout_share == 0.2
    assert choose_scheme(2_000_000, budget_seconds=300).holdout_share == 0.05


def test_the_user_may_choose():
    assert choose_scheme(1_000, budget_seconds=5, folds=10).n_folds == 10
    assert choose_scheme(1_000, budget_seconds=5, folds=1) == Scheme(1, 0.2)
    assert choose_scheme(1_000, budget_seconds=300, folds=8) == Scheme(8)
    assert choose_scheme(9_000, budget_seconds=5, folds=4, repeats=3) == Scheme(4, n_repeats=3)
    assert choose_scheme(1_000, budget_seconds=300, repeats=1) == Scheme(5)
    with pytest.raises(SplitError, match="2 repeats of one holdout"):
        choose_scheme(200_000, budget_seconds=300, repeats=2)
    with pytest.raises(SplitError, match=r"split\.folds=8"):
        choose_scheme(16, budget_seconds=300, folds=10)
    with pytest.raises(SplitError, match="left to train on"):
        choose_scheme(9, budget_seconds=300)


def test_classes_are_spread_evenly():
    target = np.repeat([0, 1, 2], [700, 250, 50])
    parts = cut(target)

    for code, n in ((0, 700), (1, 250), (2, 50)):
        assert (parts[target == code] == LOCKED).sum() == n / 5
        folds = np.bincount(parts[(target == code) & (parts >= 0)], minlength=5)
        assert folds.max() - folds.min() <= 1
    sizes = np.bincount(parts[parts >= 0])
    assert sizes.max() - sizes.min() <= 1


def test_numbers_are_spread_over_their_range():
    target = np.random.default_rng(0).lognormal(size=2_000)
    parts = cut(target, regression=True)

    means = [target[parts == part].mean() for part in range(5)]
    assert np.std(means) < 0.1 * np.mean(means)
    assert (parts == LOCKED).sum() == 400


def test_rows_without_a_target_are_dropped():
    target = np.r_[np.tile([0.0, 1.0], 50), [np.nan] * 3]
    parts = cut(target)

    assert (parts[-3:] == DROPPED).all()
    assert (parts[:-3] != DROPPED).all()


def test_rare_classes_are_trained_on_in_every_fold():
    target = np.repeat([0, 1, 2, 3], [60, 2, 3, 5])
    for n_folds in (1, 2, 5, 8):
        parts = cut(target, n_folds)
        for code in (1, 2, 3):
            mine = parts[target == code]
            for fold in range(n_folds):
                assert ((mine >= 0) & (mine != fold)).any()


def test_the_locked_part_does_not_depend_on_the_folds():
    target = np.tile([0, 1], 200)

    assert np.array_equal(cut(target, 5) == LOCKED, cut(target, 1) == LOCKED)
    assert not np.array_equal(cut(target, seed=1) == LOCKED, cut(target, seed=2) == LOCKED)
    assert np.array_equal(cut(target, seed=1), cut(target, seed=1))


def test_too_few_rows():
    with pytest.raises(SplitError, match="19 rows have a target"):
        cut([*[0, 1] * 9, 0, np.nan, np.nan])


@settings(max_examples=60, deadline=None)
@given(
    counts=st.lists(st.integers(2, 40), min_size=2, max_size=6).filter(lambda c: sum(c) >= 20),
    n_folds=st.integers(1, 8),
    share=st.floats(0.05, 0.6),
    seed=st.integers(0, 5),
    regression=st.booleans(),
)
def test_every_row_is_in_one_part(counts, n_folds, share, seed, regression):
    target = np.repeat(np.arange(len(counts)), counts)
    parts = cut(target, n_folds, share=share, seed=seed, regression=regression)
    highest = n_folds if n_folds == 1 else n_folds - 1

    assert parts.dtype == np.int16
    assert set(np.unique(parts)) <= set(range(-1, highest + 1))
    assert abs((parts == LOCKED).sum() - share * len(target)) <= 2 * len(counts) + 1
    assert (parts == 0).any()
    if not regression:
        for code in range(len(counts)):
            assert (parts[target == code] >= 0).sum() >= 2


@settings(max_examples=40, deadline=None)
@given(
    n_rows=st.integers(20, 90),
    n_folds=st.integers(2, 5),
    n_repeats=st.integers(1, 4),
    seed=st.integers(0, 5),
    regression=st.booleans(),
)
def test_each_repeat_deals_all_rows_anew(n_rows, n_folds, n_repeats, seed, regression):
    target = np.r_[np.random.default_rng(seed).integers(0, 3, n_rows), np.nan]
    parts, scheme = cut(target, n_folds, seed=seed), Scheme(n_folds, n_repeats=n_repeats)
    dealt = repeat(target, parts, scheme, regression=regression, seed=seed)

    assert dealt.dtype == np.int16
    assert np.array_equal(dealt[0], parts)
    for number, one in enumerate(dealt):
        assert np.array_equal(one[parts < 0], parts[parts < 0])
        folds, counts = np.unique(one[parts >= 0], return_counts=True)
        assert list(folds) == [number * n_folds + fold for fold in range(n_folds)]
        assert counts.max() - counts.min() <= 1
        if number:
            assert not np.array_equal(one % n_folds, parts % n_folds)
    assert np.array_equal(dealt, repeat(target, parts, scheme, regression=regression, seed=seed))


def test_the_artifact_of_repeats(tmp_path):
    target = np.tile([0.0, 1.0], 50)
    scheme = Scheme(5, n_repeats=2)
    dealt = repeat(target, cut(target), scheme, regression=False, seed=0)
    keys = np.arange(len(target), dtype=np.uint64)
    made = Splits.of(dealt, scheme, keys, target, labels=["no", "yes"], seed=0, columns="ab" * 32)
    numbers = made.write(tmp_path / "splits", scheme)
    back = Splits.open(tmp_path / "splits")

    assert (numbers["scheme"], numbers["n_folds"], numbers["n_train"]) == ("2 x 5-fold", 10, 80)
    assert np.array_equal(back.assignment, dealt)
    assert np.array_equal(back.keys, keys[back.locked()])


def test_the_artifact(tmp_path):
    parts = cut(np.r_[np.tile([0.0, 1.0], 50), np.nan])
    numbers = stored(parts, 5).write(tmp_path / "splits", Scheme(5))
    back = Splits.open(tmp_path / "splits")

    assert numbers == {
        "n_folds": 5,
        "n_train": 80,
        "n_locked": 20,
        "n_dropped": 1,
        "scheme": "5-fold",
    }
    assert np.array_equal(back.assignment, parts[None])
    assert back.lock == LOCK
    assert len(back.keys) == 20
    assert len(back.train()) == 80
    assert len(back.locked()) == 20
    assert not set(back.train()) & set(back.locked())


def test_a_foreign_artifact_is_refused(tmp_path):
    stored(np.array([7, 0], np.int16), 3).write(tmp_path / "splits", Scheme(3))
    with pytest.raises(ArtifactError, match="a row is in no part"):
        Splits.open(tmp_path / "splits")
    stored(np.array([0.5, 1.0]), 3).write(tmp_path / "splits", Scheme(3))
    with pytest.raises(ArtifactError, match="no assignment"):
        Splits.open(tmp_path / "splits")
    Splits(np.array([[-1, 0]], np.int16), 3, np.zeros(2, np.uint64), LOCK).write(
        tmp_path / "splits", Scheme(3)
    )
    with pytest.raises(ArtifactError, match="a locked row has no key"):
        Splits.open(tmp_path / "splits")
