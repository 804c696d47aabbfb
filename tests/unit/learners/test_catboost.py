"""CatBoost: its trees as arrays predict what it predicts, without it."""

import sys
import time
from dataclasses import replace

import numpy as np
import pytest

from regatta.artifacts.state import State
from regatta.errors import ArtifactError, SettingsError, TrialSkipped
from regatta.learners import get_learner, learners_for
from regatta.learners.base import FitData, Shape
from regatta.learners.catboost import CatBoostLearner, CatBoostModel, _saved
from regatta.learners.oblivious import ObliviousTrees
from regatta.search.plan import make_plan
from regatta.settings import RunSettings
from regatta.testing.contracts import fit_data
from tests.unit.search.fakes import open_features


def fitted(task="binary", **params):
    pytest.importorskip("catboost")
    learner, data = get_learner("catboost"), fit_data(task, "tree")
    chosen = learner.defaults(Shape(task, *data.X.shape, data.n_outputs))
    chosen |= {"n_rounds": 15, "depth": 4, **params}
    return learner.fit(data, chosen, seed=0, threads=1, deadline=9e9), data


@pytest.mark.parametrize("missing", ["Min", "Max", "Forbidden"])
@pytest.mark.parametrize("loss", ["Logloss", "MultiClass", "RMSE"])
def test_the_arrays_predict_what_catboost_predicts(loss, missing):
    catboost = pytest.importorskip("catboost")
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 6)).round(1).astype(np.float32)
    X[:, 5] = rng.integers(0, 3, 400)
    if missing != "Forbidden":
        X[rng.random(X.shape) < 0.1] = np.nan
    score = np.nan_to_num(X[:, 0]) + np.isnan(X[:, 1]) + np.nan_to_num(X[:, 2] * X[:, 5])
    y = score if loss == "RMSE" else np.digitize(score, [0.0, 1.5][: 1 + (loss == "MultiClass")])
    booster = catboost.CatBoost(
        {
            "loss_function": loss,
            "iterations": 40,
            "depth": 5,
            "nan_mode": missing,
            "thread_count": 1,
            "allow_writing_files": False,
            "logging_level": "Silent",
        }
    )
    booster.fit(X[:300], y[:300])
    trees = ObliviousTrees.from_catboost(_saved(booster), X.shape[1])
    strange = np.array([[np.inf] * 6, [-np.inf] * 6, [3e38] * 6, [-3e38] * 6], dtype=np.float32)
    every = np.concatenate([X, strange])
    raw = booster.predict(every, prediction_type="RawFormulaVal").reshape(len(every), -1)
    np.testing.assert_allclose(trees.scores(every), raw, atol=1e-6)
    # Columns that had no missing value in training.
    if missing == "Forbidden":
        X[::3, 2] = np.nan
        raw = booster.predict(X, prediction_type="RawFormulaVal").reshape(len(X), -1)
        np.testing.assert_allclose(trees.scores(X), raw, atol=1e-6)


def test_chunks_do_not_change_what_is_predicted(monkeypatch):
    model, data = fitted("multiclass")
    whole = model.predict(data.X_valid)
    monkeypatch.setattr("regatta.learners.oblivious.CHUNK_CELLS", 300)
    np.testing.assert_allclose(model.predict(data.X_valid), whole, rtol=1e-12)
    with pytest.raises(ValueError, match="columns; fitted on"):
        model.predict(data.X_valid[:, 1:])


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_a_stored_model_predicts_without_the_package(task, tmp_path, monkeypatch):
    model, data = fitted(task)
    model.save(tmp_path)
    monkeypatch.setitem(sys.modules, "catboost", None)
    loaded = get_learner("catboost").model.load(tmp_path)
    np.testing.assert_array_equal(loaded.predict(data.X_valid), model.predict(data.X_valid))


def test_it_ends_at_the_deadline_and_leaves_no_files(tmp_path, monkeypatch):
    pytest.importorskip("catboost")
    monkeypatch.chdir(tmp_path)
    learner, data = get_learner("catboost"), fit_data("binary", "tree")
    params = learner.defaults(Shape("binary", *data.X.shape, 2))
    params |= {"n_rounds": 100_000, "patience": 100_000, "learning_rate": 0.02}
    began = time.time()
    model = learner.fit(data, params, seed=0, threads=1, deadline=began + 0.5)
    assert time.time() - began < 5
    assert model.truncated
    assert len(model.trees.splits) > 1
    assert not list(tmp_path.iterdir())


def test_the_best_round_is_kept():
    short, data = fitted(n_rounds=400, learning_rate=0.2, patience=5)
    assert 1 < len(short.trees.splits) < 400
    same, _ = fitted(n_rounds=len(short.trees.splits), learning_rate=0.2, patience=5)
    np.testing.assert_array_equal(same.predict(data.X_valid), short.predict(data.X_valid))


def test_columns_that_do_not_vary_are_skipped():
    pytest.importorskip("catboost")
    learner, data = get_learner("catboost"), fit_data("binary", "tree")
    zeros = np.zeros((len(data.y), 1), np.float32)
    nothing = replace(data, X=zeros, X_valid=data.X_valid[:, :1], categorical=())
    params = learner.defaults(Shape("binary", len(data.y), 1, 2))
    with pytest.raises(TrialSkipped, match="no column varies"):
        learner.fit(nothing, params, seed=0, threads=1, deadline=time.time() + 60)


def test_matrices_that_cannot_be_written_to():
    pytest.importorskip("catboost")
    learner, data = get_learner("catboost"), fit_data("regression", "tree")
    fixed = FitData("regression", 1, data.X.copy(), data.y, data.X_valid.copy(), data.y_valid)
    for array in (fixed.X, fixed.X_valid):
        array.setflags(write=False)
    params = learner.defaults(Shape("regression", *data.X.shape, 1)) | {"n_rounds": 5}
    model = learner.fit(fixed, params, seed=0, threads=1, deadline=time.time() + 60)
    assert np.isfinite(model.predict(fixed.X_valid)).all()


def test_one_category_is_singled_out():
    pytest.importorskip("catboost")
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.integers(0, 7, 900), rng.integers(0, 40, 900)]).astype(np.float32)
    X[::50, 0] = np.nan
    y = ((X[:, 0] == 3) ^ (rng.random(900) < 0.05)).astype(float)
    data = FitData("binary", 2, X[:600], y[:600], X[600:], y[600:], (0, 1))
    learner = get_learner("catboost")
    params = learner.defaults(Shape("binary", 600, 2, 2)) | {"depth": 1, "n_rounds": 60}
    model = learner.fit(data, params, seed=0, threads=1, deadline=9e9)
    assert model.hot_columns.tolist() == [0] * 7
    assert model.hot_codes.tolist() == list(range(7))
    right = model.predict(X[600:]).argmax(axis=1) == (X[600:, 0] == 3)
    assert right.all()


DAMAGE = {
    "an indicator of no column": ("hot_columns", lambda a: a + 1000),
    "one indicator too few": ("hot_columns", lambda a: a[1:]),
    "a code that is no number": ("hot_codes", lambda a: a * np.float32(np.nan)),
    "a column that is not there": ("feature", lambda a: a + 1000),
    "a negative column": ("feature", lambda a: a - 1000),
    "a border that is no number": ("border", lambda a: a * np.float32(np.nan)),
    "one border too few": ("border", lambda a: a[1:]),
    "columns of another matrix": ("missing_high", lambda a: a[1:]),
    "a question that is not there": ("splits", lambda a: a + 10**6),
    "a negative question": ("splits", lambda a: a - 10**6),
    "a question after the last": ("splits", lambda a: np.insert(a[:, 1:], 0, -1, axis=1)),
    "no trees": ("splits", lambda a: a[:0]),
    "one tree too few": ("splits", lambda a: a[1:]),
    "trees of great depth": ("splits", lambda a: np.tile(a, 9)),
    "another type": ("splits", lambda a: a.astype(np.int64)),
    "one leaf too few": ("values", lambda a: a[1:]),
    "leaves of other classes": ("values", lambda a: np.hstack([a, a])),
    "leaves that are no numbers": ("values", lambda a: a * np.nan),
    "no bias": ("bias", lambda a: a[:0]),
    "a class that is not there": ("present", lambda a: a + 7),
    "a class twice": ("present", lambda a: np.zeros_like(a)),
    "another number of classes": ("n_outputs", lambda a: 2),
    "another number of columns": ("n_columns", lambda a: a + 1),
    "a scale that is no number": ("scale", lambda a: a * np.nan),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_model_is_refused(damage, tmp_path):
    model, _ = fitted("multiclass", n_rounds=4)
    model.save(tmp_path)
    state = State.load(tmp_path, "model")
    name, change = DAMAGE[damage]
    State({**state.values, name: change(state.values[name])}).save(tmp_path, "model")
    with pytest.raises(ArtifactError):
        CatBoostModel.load(tmp_path)


def test_without_the_package_it_does_not_race(tmp_path, monkeypatch):
    monkeypatch.setattr(CatBoostLearner, "package", "a_package_that_is_not_there")
    assert "catboost" not in learners_for("binary")
    table = open_features(tmp_path / "features")
    budget = {"budget": {"seconds": 60}}
    assert "catboost" not in make_plan(table, RunSettings.from_values(budget)).learners
    named = RunSettings.from_values({**budget, "search": {"learners": ["catboost"]}})
    with pytest.raises(SettingsError, match="install regatta") as caught:
        make_plan(table, named)
    assert "catboost" not in caught.value.expected


def test_with_the_package_it_races(tmp_path):
    pytest.importorskip("catboost")
    table = open_features(tmp_path / "features")
    plan = make_plan(table, RunSettings.from_values({"budget": {"seconds": 60}}))
    assert plan.learners.index("catboost") > plan.learners.index("xgboost")
