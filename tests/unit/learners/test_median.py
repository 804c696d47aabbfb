"""Absolute errors: medians instead of means, and the logarithms of RMSLE."""

import math
from dataclasses import replace

import numpy as np
import pytest

from regatta.learners import LEARNERS, get_learner, load_model
from regatta.learners.base import FitData, Shape
from regatta.learners.logarithm import LogModel, to_logarithm

WITH_MEDIANS = [key for key, learner in LEARNERS.items() if learner.medians and key != "normed_mlp"]


def skewed_noise(n_rows: int = 3_000) -> FitData:
    """Return values with exponential noise: its median is log(2), its mean 1."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_rows, 3)).astype(np.float32)
    y = X[:, 0] + rng.exponential(size=n_rows)
    half = n_rows // 2
    return FitData("regression", 1, X[:half], y[:half], X[half:], y[half:])


def fit(key: str, data: FitData, **changes):
    learner = get_learner(key)
    if not learner.installed():
        pytest.skip(f"{learner.package} is not installed")
    params = {**learner.defaults(Shape("regression", *data.X.shape, 1)), **changes}
    return learner.fit(data, params, seed=0, threads=1, deadline=math.inf)


@pytest.mark.parametrize("key", WITH_MEDIANS)
def test_medians_are_below_means_of_a_long_tail(tmp_path, key: str):
    data = skewed_noise()
    quick = {"submodels": 4, "epochs": 20} if key == "tabm" else {}
    fitted = {kind: fit(key, replace(data, median=kind), **quick) for kind in (False, True)}
    over = {kind: model.predict(data.X_valid)[:, 0] for kind, model in fitted.items()}
    noise = {kind: float(np.mean(p - data.X_valid[:, 0])) for kind, p in over.items()}
    assert noise[False] == pytest.approx(1.0, abs=0.15)
    assert noise[True] == pytest.approx(math.log(2), abs=0.15)
    errors = {kind: np.abs(p - data.y_valid).mean() for kind, p in over.items()}
    assert errors[True] < errors[False]
    fitted[True].save(tmp_path)
    again = load_model(key, tmp_path).predict(data.X_valid)
    assert again == pytest.approx(fitted[True].predict(data.X_valid), abs=1e-12)


def test_linear_leaves_give_way_to_medians():
    data = replace(skewed_noise(), median=True)
    assert "is_linear=1" not in fit("lightgbm", data, linear_leaves=True).text


@pytest.mark.parametrize("key", sorted(set(LEARNERS) - {"naive_bayes", "normed_mlp"}))
def test_every_learner_of_values_takes_the_wish(key: str):
    data = replace(skewed_noise(400), median=True)
    quick = {"submodels": 2, "epochs": 2} if key == "tabm" else {}
    assert np.isfinite(fit(key, data, **quick).predict(data.X_valid)).all()


def test_the_median_of_logarithms_needs_no_factor():
    data = replace(skewed_noise(), median=True)
    inner = fit("lightgbm", to_logarithm(data))
    assert LogModel.fitted(inner, "lightgbm", data).factor == 1.0


def test_logarithms_of_one_more():
    data = replace(skewed_noise(), y=np.full(1500, 3.0), y_valid=np.full(1500, 3.0))
    assert to_logarithm(data, 1.0).y == pytest.approx(np.log1p(data.y))
    assert to_logarithm(data).y == pytest.approx(np.log(data.y))
