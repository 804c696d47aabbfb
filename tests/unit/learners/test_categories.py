"""Columns of many categories, as sets or by thresholds on their codes; rounds that drop trees."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from regatta.features.encoders.tree import TreeEncoder
from regatta.features.rows import Feature
from regatta.learners import get_learner
from regatta.learners.base import FitData, Shape
from regatta.learners.categories import FEW, native_columns, native_space

N_CODES = 120


def rows(n_rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return codes with a value of their own, in no order, and a number that says nothing."""
    rng = np.random.default_rng(seed)
    values = np.random.default_rng(0).normal(size=N_CODES)
    codes = rng.integers(N_CODES, size=n_rows)
    X = np.column_stack([codes, rng.normal(size=n_rows)]).astype(np.float32)
    return X, values[codes] + 0.1 * rng.normal(size=n_rows)


@pytest.fixture(scope="module")
def data() -> FitData:
    X, y = rows(3000, 1)
    return FitData("regression", 1, X, y, *rows(1000, 2), categorical=(0,))


def shape_of(data: FitData, n_categories: int) -> Shape:
    return Shape("regression", *data.X.shape, 1, n_categories)


def share_left(learner, params, data: FitData) -> float:
    """Return which share of the variance a model leaves."""
    model = learner.fit(data, params, seed=0, threads=1, deadline=math.inf)
    error = np.mean((model.predict(data.X_valid)[:, 0] - data.y_valid) ** 2)
    return float(error / data.y_valid.var())


@pytest.mark.parametrize("key", ["lightgbm", "xgboost"])
def test_sets_find_values_that_thresholds_need_many_rounds_for(key: str, data: FitData):
    learner = get_learner(key)
    params = {**learner.defaults(shape_of(data, N_CODES)), "n_rounds": 40, "num_leaves": 7}
    params |= {"max_depth": 3} if key == "xgboost" else {}
    most = max(native_space(shape_of(data, N_CODES), 200)["native_categories"].choices)
    sets = share_left(learner, {**params, "native_categories": most}, data)
    thresholds = share_left(learner, {**params, "native_categories": FEW}, data)
    assert sets < 0.6 * thresholds


def test_the_choice_is_there_where_a_column_has_many(data: FitData):
    learner = get_learner("lightgbm")
    assert "native_categories" not in learner.space(shape_of(data, FEW))
    assert learner.space(shape_of(data, FEW + 1))["native_categories"].choices == (FEW, 1000)
    assert learner.space(shape_of(data, 1200))["native_categories"].choices == (FEW, 1000, 1001)
    assert native_columns(data, N_CODES) == (0,)
    assert native_columns(data, N_CODES - 1) == ()


def test_a_column_with_a_code_for_rare_values_can_be_a_set():
    """The encoder keeps 1,000 values, and gives the others one more code."""
    ids = np.repeat([f"id{place}" for place in range(1_010)], 3)
    frame = pd.DataFrame({"id": ids, "n": np.arange(len(ids), dtype=np.float64)})
    encoder = TreeEncoder(
        (
            Feature("id", "categorical", "id", "categorical"),
            Feature("n", "numeric", "n", "numeric"),
        )
    )
    y = np.zeros(len(ids))
    X = encoder.fit_transform(frame, y, "regression", 1, 0, math.inf)
    encoded = FitData("regression", 1, X, y, X, y, categorical=encoder.categorical)
    choices = get_learner("lightgbm").space(shape_of(encoded, 1_010))["native_categories"].choices
    found = [native_columns(encoded, most) for most in choices]
    assert found == [(), (), encoder.categorical]


def test_dropping_trees_keeps_all_rounds(data: FitData, tmp_path: Path):
    learner = get_learner("lightgbm")
    params = {**learner.defaults(shape_of(data, 0)), "dart": True, "learning_rate": 0.2}
    first, second = (
        learner.fit(data, params, seed=3, threads=1, deadline=math.inf) for _ in range(2)
    )
    # As many as the rate makes up for, whatever the validation rows say.
    assert first.booster.num_trees() == 100
    predicted = first.predict(data.X_valid)
    np.testing.assert_array_equal(predicted, second.predict(data.X_valid))
    plain = learner.fit(data, {**params, "dart": False}, seed=3, threads=1, deadline=math.inf)
    assert not np.allclose(plain.predict(data.X_valid), predicted)
    first.save(tmp_path)
    loaded = type(first).load(tmp_path)
    np.testing.assert_array_equal(loaded.predict(data.X_valid), predicted)
    assert np.mean((predicted[:, 0] - data.y_valid) ** 2) < 0.2 * data.y_valid.var()
