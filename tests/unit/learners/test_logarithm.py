"""Targets that are learnt as logarithms."""

import numpy as np
import pytest

from regatta.errors import ArtifactError
from regatta.learners import get_learner, load_model
from regatta.learners.base import FitData, Shape
from regatta.learners.logarithm import LogModel, is_skewed, to_logarithm


def prices(n_rows: int = 600, least: float = 0.0) -> FitData:
    """Return rows whose values grow by factors."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_rows, 3)).astype(np.float32)
    y = np.exp(1 + X @ np.array([0.8, -0.5, 0.3]) + 0.2 * rng.normal(size=n_rows)) + least
    half = n_rows // 2
    return FitData("regression", 1, X[:half], y[:half], X[half:], y[half:])


def fitted(data: FitData, key: str = "linear") -> LogModel:
    learner = get_learner(key)
    params = learner.defaults(Shape("regression", *data.X.shape, 1))
    inner = learner.fit(to_logarithm(data), params, seed=0, threads=1, deadline=float("inf"))
    return LogModel.fitted(inner, key, data)


def rmse(data: FitData, predicted: np.ndarray) -> float:
    return float(np.sqrt(np.mean((predicted[:, 0] - data.y_valid) ** 2)))


def test_factors_are_learnt_better_as_sums():
    data = prices()
    learner = get_learner("linear")
    params = learner.defaults(Shape("regression", *data.X.shape, 1))
    plain = learner.fit(data, params, seed=0, threads=1, deadline=float("inf"))
    assert rmse(data, fitted(data).predict(data.X_valid)) < 0.5 * rmse(
        data, plain.predict(data.X_valid)
    )


@pytest.mark.parametrize("least", [0.0, -5.0, 1e6])
def test_what_is_saved_predicts_the_same(tmp_path, least):
    data = prices(least=least)
    model = fitted(data)
    model.save(tmp_path)
    again = load_model("linear", tmp_path)
    assert isinstance(again, LogModel)
    assert (again.predict(data.X_valid) == model.predict(data.X_valid)).all()


@pytest.mark.parametrize("unit", [1e-4, 1.0, 1e4])
def test_rates_with_zeros_are_skewed_in_any_unit(unit):
    rng = np.random.default_rng(0)
    rates = np.where(rng.random(1000) < 0.2, 0.0, np.exp(rng.normal(3.0, 1.5, size=1000)))
    assert is_skewed(unit * rates)


def test_the_mean_is_met_and_nothing_runs_away():
    data = prices()
    model = fitted(data)
    predicted = model.predict(data.X_valid)
    assert abs(predicted.mean() / data.y_valid.mean() - 1) < 0.05
    assert np.isfinite(model.predict(np.full((1, 3), 1e6, np.float32))).all()


def test_a_model_without_a_logarithm_is_loaded_as_it_is(tmp_path):
    data = prices()
    learner = get_learner("linear")
    params = learner.defaults(Shape("regression", *data.X.shape, 1))
    learner.fit(data, params, seed=0, threads=1, deadline=float("inf")).save(tmp_path)
    assert not isinstance(load_model("linear", tmp_path), LogModel)


def test_a_damaged_one_is_refused(tmp_path):
    fitted(prices()).save(tmp_path)
    np.savez(tmp_path / "target.npz", numbers=np.array([0.0, 1.0, 5.0, 1.0]))
    with pytest.raises(ArtifactError):
        load_model("linear", tmp_path)


@pytest.mark.parametrize(
    ("values", "skewed"),
    [
        (np.exp(np.random.default_rng(1).normal(size=500)), True),
        (np.round(np.random.default_rng(1).exponential(20, 500)), True),
        (-np.exp(np.random.default_rng(1).normal(size=500)), False),
        (np.arange(500.0), False),
        (np.zeros(5), False),
    ],
)
def test_what_is_skewed(values, skewed):
    assert is_skewed(values) is skewed
