"""Nearest neighbours: which they are, how many, and what is refused."""

import time

import numpy as np
import pytest

from regatta.artifacts.state import State
from regatta.errors import ArtifactError, TrialSkipped
from regatta.learners import get_learner
from regatta.learners import nearest_neighbors as module
from regatta.learners.base import FitData, Shape
from regatta.learners.nearest_neighbors import NearestNeighborsModel
from regatta.testing.contracts import fit_data


def fit(data, deadline=None, **params):
    learner = get_learner("nearest_neighbors")
    chosen = learner.defaults(Shape(data.task, *data.X.shape, data.n_outputs)) | params
    deadline = deadline or time.time() + 60
    return learner.fit(data, chosen, seed=0, threads=1, deadline=deadline)


def clouds(n_columns=2, noise=0.0):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(900, n_columns)).astype(np.float32)
    y = (X[:, 0] * X[:, 1] > 0).astype(float)
    y = np.where(rng.random(900) < noise, 1 - y, y)
    return FitData("binary", 2, X[:600], y[:600], X[600:], y[600:])


def test_the_nearest_are_those_of_scikit_learn():
    from sklearn.neighbors import NearestNeighbors

    data = clouds(3)
    model = fit(data)
    model.weights[:] = 1
    model = NearestNeighborsModel(model.rows, model.targets, model.weights, model.prior, 5)
    distances, places = NearestNeighbors(n_neighbors=5).fit(data.X).kneighbors(data.X_valid)
    found, squares = model.nearest(data.X_valid, 5)
    np.testing.assert_array_equal(found, places)
    np.testing.assert_allclose(np.sqrt(squares), distances, atol=1e-4)


def test_it_learns_what_no_line_can():
    data = clouds()
    assert np.mean(fit(data).predict(data.X_valid).argmax(axis=1) == data.y_valid) > 0.93


def test_noise_asks_for_more_neighbors():
    assert fit(clouds(noise=0.3)).n_neighbors > fit(clouds()).n_neighbors


def test_columns_without_a_say_count_less():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(900, 30)).astype(np.float32)
    y = X[:, 0]
    data = FitData("regression", 1, X[:600], y[:600], X[600:], y[600:])
    model = fit(data)
    assert model.weights[0] == 1
    assert model.weights[1:].max() < 0.3
    assert np.mean((model.predict(X[600:])[:, 0] - y[600:]) ** 2) < 0.2


def test_the_same_rows_many_times():
    X = np.repeat(np.eye(3, dtype=np.float32), 100, axis=0)
    y = np.repeat([0.0, 1, 2], 100)
    data = FitData("multiclass", 3, X, y, X, y)
    model = fit(data)
    predicted = model.predict(X)
    assert (predicted.argmax(axis=1) == y).all()
    assert predicted.min() > 0
    np.testing.assert_allclose(model.predict(X[150:151]), predicted[150:151])


def test_a_sample_is_stored_and_chunks_change_nothing(monkeypatch):
    data = clouds()
    whole = fit(data)
    expected = whole.predict(data.X_valid)
    monkeypatch.setattr(module, "CHUNK_CELLS", 4_000)
    np.testing.assert_allclose(whole.predict(data.X_valid), expected, rtol=1e-9)
    monkeypatch.setattr(module, "STORED_ROWS", 200)
    model = fit(data)
    assert len(model.rows) == 200
    assert np.mean(model.predict(data.X_valid).argmax(axis=1) == data.y_valid) > 0.85


def test_few_rows():
    X = np.arange(3, dtype=np.float32).reshape(-1, 1)
    y = np.array([0.0, 1, 1])
    assert fit(FitData("binary", 2, X, y, X, y)).predict(X).shape == (3, 2)


def test_it_ends_at_the_deadline():
    data = clouds()
    model = fit(data, deadline=time.time() - 1)
    assert model.truncated
    assert np.isfinite(model.predict(data.X_valid)).all()


@pytest.mark.parametrize(("name", "found"), [("MOST_ROWS", "600 rows"), ("MOST_COLUMNS", "2 col")])
def test_what_is_too_large_is_skipped(name, found, monkeypatch):
    monkeypatch.setattr(module, name, 1)
    with pytest.raises(TrialSkipped, match=found):
        fit(clouds())


DAMAGE = {
    "one target too few": ("targets", lambda a: a[1:]),
    "a class that is not there": ("targets", lambda a: a + 7),
    "half a class": ("targets", lambda a: a + 0.5),
    "targets that are no numbers": ("targets", lambda a: a * np.nan),
    "rows that are no numbers": ("rows", lambda a: a * np.float32(np.nan)),
    "no rows": ("rows", lambda a: a[:0]),
    "another type": ("rows", lambda a: a.astype(np.float64)),
    "one column too few": ("rows", lambda a: a[:, 1:]),
    "a negative weight": ("weights", lambda a: -a),
    "no prior": ("prior", lambda a: a[:0]),
    "a prior of more than all": ("prior", lambda a: a * 2),
    "no neighbors": ("n_neighbors", lambda a: 0),
    "more neighbors than rows": ("n_neighbors", lambda a: 10**6),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_model_is_refused(damage, tmp_path):
    model = fit(fit_data("multiclass", "dense"))
    model.save(tmp_path)
    state = State.load(tmp_path, "model")
    name, change = DAMAGE[damage]
    State({**state.values, name: change(state.values[name])}).save(tmp_path, "model")
    with pytest.raises(ArtifactError):
        NearestNeighborsModel.load(tmp_path)
