"""Boosted trees of scikit-learn: as arrays they predict what it predicts."""

import time
from dataclasses import replace

import numpy as np
import pytest

from regatta.artifacts.state import State
from regatta.errors import ArtifactError
from regatta.learners import get_learner
from regatta.learners.base import FitData, Shape
from regatta.learners.hist_gradient_boosting import HistGradientBoostingModel
from regatta.testing.contracts import fit_data

KEY = "hist_gradient_boosting"


def fitted(task="binary", data=None, **params):
    learner, data = get_learner(KEY), data or fit_data(task, "tree")
    chosen = learner.defaults(Shape(task, *data.X.shape, data.n_outputs))
    chosen |= {"n_rounds": 15, **params}
    return learner.fit(data, chosen, seed=0, threads=1, deadline=9e9), data


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_the_arrays_predict_what_scikit_learn_predicts(task, monkeypatch):
    from sklearn import ensemble

    boosters = []
    name = f"HistGradientBoosting{'Regressor' if task == 'regression' else 'Classifier'}"
    original = getattr(ensemble, name)

    class Kept(original):
        def __init__(self, **options):
            super().__init__(**options)
            boosters.append(self)

        _get_param_names = original._get_param_names

    monkeypatch.setattr(ensemble, name, Kept)
    # The last round is the best while the rate is so low.
    model, data = fitted(task, learning_rate=0.01)
    (booster,) = boosters
    assert booster.n_iter_ == 15
    n_scores = 3 if task == "multiclass" else 1
    assert len(model.forest.starts) - 1 == 15 * n_scores
    X = data.X_valid.copy()
    X[::5, ::3] = np.nan
    if task == "regression":
        expected = booster.predict(X).reshape(-1, 1) * model.scale[1] + model.scale[0]
    else:
        expected = booster.predict_proba(X)
    np.testing.assert_allclose(model.predict(X), expected, rtol=1e-6, atol=1e-6)
    monkeypatch.setattr("regatta.learners.forest.FEW_STEPS", 0)
    monkeypatch.setattr("regatta.learners.hist_gradient_boosting.CHUNK_ROWS", 25)
    np.testing.assert_allclose(model.predict(X), expected, rtol=1e-6, atol=1e-6)


def test_it_ends_at_the_deadline():
    learner, data = get_learner(KEY), fit_data("binary", "tree")
    params = learner.defaults(Shape("binary", *data.X.shape, 2))
    params |= {"n_rounds": 100_000, "patience": 100_000, "learning_rate": 0.001}
    began = time.time()
    model = learner.fit(data, params, seed=0, threads=1, deadline=began + 0.5)
    assert time.time() - began < 5
    assert model.truncated
    assert len(model.forest.starts) >= 2


def test_rounds_in_batches_are_rounds_at_once(monkeypatch):
    model, data = fitted(n_rounds=40, learning_rate=0.02)
    monkeypatch.setattr("regatta.learners.hist_gradient_boosting.FIRST_ROUNDS", 1)
    other, _ = fitted(n_rounds=40, learning_rate=0.02)
    np.testing.assert_array_equal(model.predict(data.X_valid), other.predict(data.X_valid))


def test_the_best_round_is_kept():
    model, data = fitted(n_rounds=500, learning_rate=0.3, patience=5)
    rounds = len(model.forest.starts) - 1
    assert rounds < 100
    same, _ = fitted(n_rounds=rounds, learning_rate=0.3, patience=500)
    np.testing.assert_array_equal(same.predict(data.X_valid), model.predict(data.X_valid))


def test_two_of_three_classes():
    data = fit_data("multiclass", "tree")
    rows = data.y != 1
    model, _ = fitted("multiclass", replace(data, X=data.X[rows], y=data.y[rows]))
    predicted = model.predict(data.X_valid)
    assert (predicted[:, 1] == 0).all()
    np.testing.assert_allclose(predicted.sum(axis=1), 1)


def test_matrices_that_cannot_be_written_to():
    data = fit_data("regression", "tree")
    fixed = FitData("regression", 1, data.X.copy(), data.y, data.X_valid.copy(), data.y_valid)
    for array in (fixed.X, fixed.X_valid):
        array.setflags(write=False)
    model, _ = fitted("regression", fixed, n_rounds=3)
    assert np.isfinite(model.predict(fixed.X_valid)).all()
    with pytest.raises(ValueError, match="columns; fitted on"):
        model.predict(fixed.X_valid[:, 1:])


DAMAGE = {
    "a column that is not there": ("model", "feature", lambda a: a + 1000),
    "a child before its parent": ("model", "left", lambda a: np.where(a > 0, 0, a)),
    "a leaf that is not there": ("model", "right", lambda a: a + 10**6),
    "one tree too few for a round": ("model", "starts", lambda a: a[:-1]),
    "leaves that are no numbers": ("model", "values", lambda a: a * np.float32(np.nan)),
    "a forest of classes": ("model", "n_outputs", lambda a: 2),
    "no baseline": ("boosting", "baseline", lambda a: a[:0]),
    "a baseline that is no number": ("boosting", "baseline", lambda a: a * np.nan),
    "a class that is not there": ("boosting", "present", lambda a: a + 7),
    "a class twice": ("boosting", "present", lambda a: np.zeros_like(a)),
    "one class": ("boosting", "present", lambda a: a[:1]),
    "another number of outputs": ("boosting", "n_outputs", lambda a: 1),
    "a scale that is no number": ("boosting", "scale", lambda a: a * np.nan),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_model_is_refused(damage, tmp_path):
    model, _ = fitted("multiclass", n_rounds=4)
    model.save(tmp_path)
    stem, name, change = DAMAGE[damage]
    state = State.load(tmp_path, stem)
    State({**state.values, name: change(state.values[name])}).save(tmp_path, stem)
    with pytest.raises(ArtifactError):
        HistGradientBoostingModel.load(tmp_path)
