"""Weights of rows: exactly repeated rows where a learner counts none."""

from dataclasses import replace

import numpy as np
import pytest

from regatta.features.glm import fit_linear
from regatta.learners import LEARNERS, get_learner
from regatta.learners.base import FitData, average, class_shares, standardised
from regatta.learners.logarithm import LogModel
from regatta.learners.nearest_neighbors import NearestNeighborsModel
from regatta.learners.svm import _sigmoid
from regatta.testing.contracts import fit_data
from regatta.testing.weights import check_weights, predictions, tilted

# With these a learner neither draws nor counts rows; and how far predictions may be from equal.
EXACT = {
    "xgboost": ({"row_share": 1.0, "column_share": 1.0}, 1e-5),
    "hist_gradient_boosting": ({"min_rows": 1, "column_share": 1.0}, 1e-9),
    "naive_bayes": ({}, 1e-5),
    "svm": ({}, 5e-4),
    # Its steps end where the loss falls by little.
    "linear": ({"max_iter": 400}, 2e-2),
}
# What draws rows by their weights draws others.
DRAWS = ("random_forest", "extra_trees")


@pytest.mark.parametrize("key", EXACT)
def test_weights_are_repeated_rows(key):
    learner, (params, near) = get_learner(key), EXACT[key]
    for task in sorted(learner.tasks):
        data = fit_data(task, learner.encoding)
        _, _, weighted, repeated = predictions(learner, data, params)
        scale = max(1.0, float(data.y.std()))
        assert np.abs(weighted - repeated).max() < near * scale, task


@pytest.mark.parametrize("key", [key for key in LEARNERS if key not in DRAWS])
def test_weights_of_one_are_none(key):
    learner = get_learner(key)
    if not learner.installed():
        pytest.skip(f"{learner.package} is not installed")
    for task in sorted(learner.tasks):
        data = fit_data(task, learner.encoding)
        plain, ones, *_ = predictions(learner, data, {"epochs": 3})
        assert ones == pytest.approx(plain, rel=1e-6, abs=1e-6), task


def test_a_learner_that_is_deaf_is_found_out():
    class Deaf(LEARNERS["linear"]):
        def fit(self, data, params, **options):
            return super().fit(replace(data, weights=None, weights_valid=None), params, **options)

    with pytest.raises(AssertionError, match="weights are as repeated rows"):
        check_weights(Deaf())


def test_early_stopping_heeds_the_rows_to_validate():
    """Where the rows that were learnt by heart weigh most, it goes on."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 5)).astype(np.float32)
    y = (X[:, 0] + rng.normal(0, 2, 400) > 0).astype(float)
    known = np.arange(400) < 200
    # The validated rows: 200 that are fitted, too, and 200 that are not.
    data = FitData("binary", 2, X[:200], y[:200], X, y, weights_valid=np.where(known, 1e3, 1.0))
    other = replace(data, weights_valid=np.where(known, 1.0, 1e3))
    for key in ("lightgbm", "xgboost", "hist_gradient_boosting", "catboost"):
        learner = get_learner(key)
        if not learner.installed():
            continue
        params = {**learner.defaults(learner_shape(data)), "n_rounds": 60}
        rounds = [
            learner.fit(one, params, seed=0, threads=1, deadline=9e9).learnt["n_rounds"]
            for one in (data, other)
        ]
        assert rounds[0] > 2 * rounds[1], key


def learner_shape(data):
    from regatta.learners.base import Shape

    return Shape(data.task, *data.X.shape, data.n_outputs)


def test_penalties_weigh_against_the_sum_of_weights():
    data, repeated = (tilted(fit_data("regression", "linear"))[place] for place in (0, 1))
    y = data.y - data.y.mean()
    options = {"C": 1e-3, "tol": 1e-12, "max_iter": 500}
    weighted = fit_linear(data.X, y, "squared", 1, weights=data.weights, **options)
    again = fit_linear(repeated.X, repeated.y - data.y.mean(), "squared", 1, **options)
    assert weighted.weights == pytest.approx(again.weights, rel=1e-2, abs=1e-3)
    ones = np.ones(len(y))
    plain = fit_linear(data.X, y, "squared", 1, **options)
    same = fit_linear(data.X, y, "squared", 1, weights=ones, **options)
    assert np.array_equal(plain.weights, same.weights)


def test_means_and_shares():
    data, repeated = tilted(fit_data("regression", "dense"))
    assert standardised(data)[2] == pytest.approx(standardised(repeated)[2], rel=1e-12)
    assert average(data.y, data.weights) == pytest.approx(repeated.y.mean())
    data, repeated = tilted(fit_data("multiclass", "dense"))
    assert class_shares(data) == pytest.approx(class_shares(repeated), rel=1e-12)


def test_votes_of_neighbours_are_stored(tmp_path):
    data, _ = tilted(fit_data("binary", "dense"))
    learner = get_learner("nearest_neighbors")
    params = learner.defaults(learner_shape(data))
    model = learner.fit(data, params, seed=0, threads=1, deadline=9e9)
    model.save(tmp_path)
    stored = NearestNeighborsModel.load(tmp_path)
    assert stored.votes is not None
    assert np.array_equal(stored.predict(data.X_valid), model.predict(data.X_valid))


def test_the_factor_of_a_logarithm_heeds_weights():
    data, repeated = tilted(fit_data("regression", "linear"))
    model = get_learner("linear").fit(
        replace(data, y=np.log(data.y), y_valid=np.log(data.y_valid)),
        get_learner("linear").defaults(learner_shape(data)),
        seed=0,
        threads=1,
        deadline=9e9,
    )
    factors = [LogModel.fitted(model, "linear", one).factor for one in (data, repeated)]
    assert factors[0] == pytest.approx(factors[1], rel=1e-12)


def test_a_sigmoid_heeds_weights():
    rng = np.random.default_rng(0)
    scores, counts = rng.normal(size=80), rng.integers(1, 4, 80)
    positive = scores + rng.normal(size=80) > 0
    weighted = _sigmoid(scores, positive, counts.astype(float))
    repeated = _sigmoid(np.repeat(scores, counts), np.repeat(positive, counts))
    assert weighted == pytest.approx(repeated, rel=1e-6)
