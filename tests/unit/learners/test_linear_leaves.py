"""Trees of LightGBM whose leaves hold lines."""

import re
import time
from dataclasses import replace

import numpy as np
import pytest

from regatta.learners import get_learner
from regatta.learners.base import FitData, Shape
from regatta.learners.lightgbm import LightGBMModel
from regatta.learners.lightgbm_text import check_text


@pytest.fixture(scope="module")
def slopes() -> FitData:
    """Lines whose slope depends on a group; a value is missing now and then."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(900, 4)).astype(np.float32)
    X[:, 3] = rng.integers(0, 3, len(X))
    y = X[:, 0] * (X[:, 3] - 1) * 5 + X[:, 1] + rng.normal(0, 0.1, len(X))
    X[::11, 1] = np.nan
    return FitData("regression", 1, X[:600], y[:600], X[600:], y[600:], (3,))


def fit(data: FitData, **params: object) -> LightGBMModel:
    learner = get_learner("lightgbm")
    shape = Shape(data.task, *data.X.shape, data.n_outputs)
    chosen = {**learner.defaults(shape), "n_rounds": 60, **params}
    model = learner.fit(data, chosen, seed=0, threads=1, deadline=time.time() + 60)
    assert isinstance(model, LightGBMModel)
    return model


def loss(model: LightGBMModel, data: FitData) -> float:
    return float(((model.predict(data.X_valid)[:, 0] - data.y_valid) ** 2).mean())


def test_lines_are_learnt_better_than_by_steps(slopes, tmp_path):
    model = fit(slopes, linear_leaves=True, linear_l2=1.0)
    assert loss(model, slopes) < 0.8 * loss(fit(slopes), slopes)
    model.save(tmp_path)
    again = LightGBMModel.load(tmp_path)
    np.testing.assert_array_equal(again.predict(slopes.X_valid), model.predict(slopes.X_valid))


def test_far_from_the_training_rows_predictions_stay_near_their_values(slopes):
    model = fit(slopes, linear_leaves=True)
    far = slopes.X_valid.copy()
    far[:, 0] *= 1e6
    predicted, span = model.predict(far), np.ptp(slopes.y)
    assert predicted.min() >= slopes.y.min() - 0.11 * span
    assert predicted.max() <= slopes.y.max() + 0.11 * span


def test_a_classification_has_no_such_parameter(slopes):
    shape = Shape("binary", 100, 4, 2)
    learner = get_learner("lightgbm")
    assert "linear_leaves" not in {**learner.defaults(shape), **learner.space(shape)}
    labels = replace(
        slopes,
        task="binary",
        n_outputs=2,
        y=1.0 * (slopes.y > 0),
        y_valid=1.0 * (slopes.y_valid > 0),
    )
    assert fit(labels).bounds is None


@pytest.mark.parametrize(
    "change",
    [
        lambda text: re.sub(r"leaf_const=\S", "leaf_const=x", text, count=1),
        lambda text: re.sub(r"num_features=\d", "num_features=9", text, count=1),
        lambda text: re.sub(r"leaf_features=( *)\d", r"leaf_features=\g<1>9", text, count=1),
        lambda text: re.sub(r"leaf_coeff=( *)(\S)", r"leaf_coeff=\g<1>n", text, count=1),
        lambda text: re.sub(r"is_linear=1", "is_linear=2", text, count=1),
    ],
)
def test_damaged_lines_are_refused(slopes, change):
    # The first tree of boosting has no lines yet.
    text = fit(slopes, linear_leaves=True, n_rounds=4).text
    check_text(text, 1, linear=True)
    with pytest.raises((ValueError, KeyError)):
        check_text(text, 1)
    head, tree = text[: text.index("Tree=1\n")], text[text.index("Tree=1\n") :]
    assert change(tree) != tree
    with pytest.raises((ValueError, KeyError)):
        check_text(head + change(tree), 1, linear=True)
