"""Support vector machines: as arrays they decide as scikit-learn does; probabilities; refusals."""

import time
from dataclasses import replace

import numpy as np
import pytest

from regatta.artifacts.state import State
from regatta.errors import ArtifactError, TrialSkipped
from regatta.learners import get_learner
from regatta.learners import svm as module
from regatta.learners.base import FitData, Shape
from regatta.learners.svm import SvmModel
from regatta.testing.contracts import fit_data


def fit(data, deadline=None, **params):
    learner = get_learner("svm")
    chosen = learner.defaults(Shape(data.task, *data.X.shape, data.n_outputs)) | params
    deadline = deadline or time.time() + 60
    return learner.fit(data, chosen, seed=0, threads=1, deadline=deadline)


def clouds():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(900, 2)).astype(np.float32)
    chance = 1 / (1 + np.exp(-3 * X[:, 0] * X[:, 1]))
    y = (rng.random(900) < chance).astype(float)
    return FitData("binary", 2, X[:500], y[:500], X[500:], y[500:])


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_the_arrays_decide_as_scikit_learn_does(task):
    from sklearn.svm import SVC, SVR

    data = fit_data(task, "dense")
    model = fit(data, C=3.0, gamma=0.7)
    options = {"C": 3.0, "gamma": 0.7 / (data.X.shape[1] * data.X.astype(np.float64).var())}
    X = data.X.astype(np.float64)
    if task == "regression":
        scaled = (data.y - data.y.mean()) / data.y.std()
        expected = SVR(epsilon=0.1, **options).fit(X, scaled).predict(data.X_valid)[:, None]
    else:
        codes = (1,) if task == "binary" else (0, 1, 2)
        machines = [SVC(**options).fit(X, data.y == code) for code in codes]
        expected = np.stack([one.decision_function(data.X_valid) for one in machines], axis=1)
    np.testing.assert_allclose(model.scores(data.X_valid), expected, atol=1e-6)


def test_probabilities_are_those_that_occur(monkeypatch):
    data = clouds()
    model = fit(data)
    predicted = model.predict(data.X_valid)
    y = data.y_valid.astype(int)
    loss = -np.log(predicted[np.arange(len(y)), y]).mean()
    assert loss < 0.85 * np.log(2)
    sure = predicted[:, 1] > 0.7
    assert abs(data.y_valid[sure].mean() - predicted[sure, 1].mean()) < 0.1
    monkeypatch.setattr(module, "CHUNK_CELLS", 1_000)
    np.testing.assert_allclose(model.predict(data.X_valid), predicted, rtol=1e-9)


def test_classes_that_are_easily_told_apart():
    X = np.repeat(np.eye(3, dtype=np.float32), 30, axis=0)
    y = np.repeat([0.0, 1, 2], 30)
    predicted = fit(FitData("multiclass", 3, X, y, X, y)).predict(X)
    assert (predicted.argmax(axis=1) == y).all()
    assert np.isfinite(predicted).all()
    assert predicted.min() > 0


@pytest.mark.parametrize("only", [0, 1])
def test_validation_rows_of_one_class(only):
    data = clouds()
    rows = data.y_valid == only
    data = replace(data, X_valid=data.X_valid[rows], y_valid=data.y_valid[rows])
    predicted = fit(data).predict(data.X_valid)
    assert np.isfinite(predicted).all()
    assert predicted[:, only].mean() > 0.5


def test_scores_never_speak_for_the_other_side():
    data = clouds()
    turned = replace(data, y_valid=1 - data.y_valid)
    assert fit(turned).sigmoids[0, 0] == 0


@pytest.mark.parametrize(("name", "found"), [("MOST_ROWS", "500 rows"), ("MOST_COLUMNS", "2 col")])
def test_what_is_too_large_is_skipped(name, found, monkeypatch):
    monkeypatch.setattr(module, name, 1)
    with pytest.raises(TrialSkipped, match=found):
        fit(clouds())


def test_what_would_not_be_ready_is_not_begun():
    with pytest.raises(TrialSkipped, match="cannot be interrupted"):
        fit(clouds(), deadline=time.time() + 0.001)
    assert not fit(clouds(), deadline=time.time() + 10).truncated


DAMAGE = {
    "one vector too few": ("vectors", lambda a: a[1:]),
    "vectors that are no numbers": ("vectors", lambda a: a * np.float32(np.nan)),
    "another type": ("vectors", lambda a: a.astype(np.float64)),
    "one machine too few": ("dual", lambda a: a[:, 1:]),
    "coefficients that are no numbers": ("dual", lambda a: a * np.nan),
    "one intercept too few": ("intercept", lambda a: a[1:]),
    "one sigmoid too few": ("sigmoids", lambda a: a[1:]),
    "a class that is not there": ("present", lambda a: a + 7),
    "a class twice": ("present", lambda a: np.zeros_like(a)),
    "a negative width": ("gamma", lambda a: -a),
    "a scale that is no number": ("scale", lambda a: a * np.nan),
    "another number of classes": ("n_outputs", lambda a: 2),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_model_is_refused(damage, tmp_path):
    model = fit(fit_data("multiclass", "dense"))
    model.save(tmp_path)
    state = State.load(tmp_path, "model")
    name, change = DAMAGE[damage]
    State({**state.values, name: change(state.values[name])}).save(tmp_path, "model")
    with pytest.raises(ArtifactError):
        SvmModel.load(tmp_path)
