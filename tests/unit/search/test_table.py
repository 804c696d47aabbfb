import time
from dataclasses import replace

import numpy as np
import pytest

from regatta.artifacts import writing
from regatta.errors import ArtifactError
from regatta.refit.whole import AllRows
from regatta.search.cache import EncodedFolds
from regatta.search.table import ROWS_OF_RARE_CLASS
from tests.unit.search.fakes import TOOLBOX, open_features


def test_folds_share_out_all_rows(tmp_path):
    table = open_features(tmp_path / "features")
    for fold in range(table.n_folds):
        both = np.concatenate([table.train(fold), table.valid(fold)])
        assert sorted(both) == list(range(table.n_rows))
    assert table.shape.n_rows == 80
    assert table.shape.n_columns == 4


def test_each_repeat_has_places_of_its_own(tmp_path):
    table = open_features(tmp_path / "features", n_repeats=2)
    assert table.n_folds == 6
    for fold in range(6):
        both = np.concatenate([table.train(fold), table.valid(fold)])
        assert sorted(both) == list(range(120))
        places = table.places(1, fold)
        assert (places // 120 == fold // 3).all()
        np.testing.assert_array_equal(places % 120, table.valid(fold))
    assert sorted(table.places(6)) == list(range(240))
    assert set(table.places(4)) == set(range(120)) | set(table.places(1, 3))


def test_sample_is_seeded_sorted_and_inside_the_fold(tmp_path):
    table = open_features(tmp_path / "features", n_rows=300, task="regression")
    rows = table.sample(1, 50, seed=3)
    assert len(rows) == 50
    assert (np.diff(rows) > 0).all()
    assert not np.isin(rows, table.valid(1)).any()
    assert (rows == table.sample(1, 50, seed=3)).all()
    assert not np.array_equal(rows, table.sample(1, 50, seed=4))
    assert len(table.sample(1, 0, seed=3)) == len(table.sample(1, 10_000, seed=3)) == 200


def test_sample_keeps_rare_classes(tmp_path):
    table = open_features(tmp_path / "features", n_rows=6000)
    table.y[:] = 0
    table.y[::61] = 1
    counts = np.bincount(table.y[table.sample(0, 100, seed=0)].astype(int))
    assert counts[1] == min(ROWS_OF_RARE_CLASS, int(table.y[table.train(0)].sum()))


def test_reading_is_no_part_of_encoding(tmp_path, monkeypatch):
    table = open_features(tmp_path / "features")
    read = type(table).frame

    def slowly(self):
        time.sleep(0.3)
        return read(self)

    monkeypatch.setattr(type(table), "frame", slowly)
    cache = EncodedFolds(table, tmp_path / "scratch", tmp_path / "encoders", 0, TOOLBOX)
    assert not cache.holds("tree", 0, 0)
    assert cache.fold("tree", 0, 0, np.inf).seconds < 0.3 <= cache.read_seconds
    assert cache.holds("tree", 0, 0)


def test_foreign_artifact_is_refused(tmp_path):
    with writing(tmp_path / "other", "dataset"):
        pass
    with pytest.raises(ArtifactError, match="dataset artifact"):
        open_features(tmp_path / "x").open(tmp_path / "other")


def test_fold_is_encoded_once_and_mapped(tmp_path):
    table = open_features(tmp_path / "features")
    cache = EncodedFolds(table, tmp_path / "scratch", tmp_path / "encoders", 0, TOOLBOX)
    first = cache.fold("tree", 1, 0, np.inf)
    stamp = (tmp_path / "scratch/tree/fold-1/train.npy").stat().st_mtime_ns
    cache.forget_frame()
    again = EncodedFolds(table, tmp_path / "scratch", tmp_path / "encoders", 0, TOOLBOX)
    second = again.fold("tree", 1, 500, np.inf)
    assert second.encoder == "tree/fold-1", "more rows than there are mean all rows"
    assert (tmp_path / "scratch/tree/fold-1/train.npy").stat().st_mtime_ns == stamp
    np.testing.assert_array_equal(first.data.X, second.data.X)
    kept = np.array(first.data.X)
    second.data.X[:] = 0
    np.testing.assert_array_equal(first.data.X, kept, "a trial's changes stay its own")
    second = again.fold("tree", 1, 500, np.inf)
    frame = table.frame()
    np.testing.assert_array_equal(first.data.X, frame.iloc[table.train(1)].to_numpy())
    np.testing.assert_array_equal(first.data.y_valid, table.y[table.valid(1)])


def test_sparse_folds_survive(tmp_path):
    from scipy import sparse

    from regatta.search.cache import _load, _save

    for matrix in (sparse.random(20, 30, 0.1, "csr", np.float32), sparse.csr_matrix((4, 0))):
        folder = tmp_path / str(matrix.shape[1])
        folder.mkdir()
        _save(folder, "train", matrix)
        loaded = _load(folder, "train")
        assert loaded.shape == matrix.shape
        assert (loaded != matrix).nnz == 0


def test_weights_go_with_their_rows(tmp_path):
    table = open_features(tmp_path / "features", n_rows=300, weighted=True)
    rows = table.sample(0, 50, seed=3)
    found = table.weights_of(rows)
    assert table.weights is not None
    assert found.mean() == pytest.approx(1)
    assert found == pytest.approx(table.weights[rows] / table.weights[rows].mean())
    assert table.weights_of(rows[:0]) is None
    assert open_features(tmp_path / "plain").weights_of(rows) is None
    cache = EncodedFolds(table, tmp_path / "scratch", tmp_path / "encoders", 3, TOOLBOX)
    fold = cache.fold("tree", 1, 40, time.time() + 60)
    assert fold.data.weights == pytest.approx(table.weights_of(table.sample(1, 40, 3)))
    assert fold.data.weights_valid == pytest.approx(table.weights_of(fold.valid))
    assert not np.allclose(fold.data.weights, 1)


def test_all_rows_keep_their_weights(tmp_path):
    table = open_features(tmp_path / "features", weighted=True)
    whole = AllRows.of(table, 0)
    assert np.array_equal(whole.weights_of(whole.train(0)), table.weights_of(np.arange(120)))


@pytest.mark.parametrize(("n_groups", "may"), [(None, True), (100, True), (60, True), (57, False)])
def test_one_fold_of_few_groups_does_not_do(tmp_path, n_groups, may):
    table = open_features(tmp_path / "features", n_rows=6_000)
    groups = None if n_groups is None else np.arange(6_000) // 3 % (n_groups // 3) * 3
    if groups is not None:
        groups += table.folds[0]
    assert replace(table, groups=groups).one_fold_may_do == may
