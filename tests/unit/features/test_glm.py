"""Linear models reach what scikit-learn reaches."""

import time

import numpy as np
import pytest
from scipy import sparse
from sklearn.linear_model import LogisticRegression, Ridge

from regatta.features.glm import fit_linear, softmax


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    X = (rng.normal(size=(400, 6)) * [1, 5, 0.1, 1, 1, 1]).astype(np.float32)
    return X, X @ np.array([1, 0.2, -5, 0.5, 0, 0]) + rng.normal(size=400)


@pytest.mark.parametrize("make", [np.asarray, sparse.csr_matrix])
def test_logistic_regression(rows, make):
    X, score = rows
    y = (score > 0).astype(float)
    found = fit_linear(make(X), y, "logistic", 1, C=0.7, tol=1e-10)
    truth = LogisticRegression(C=0.7, tol=1e-8, max_iter=1000).fit(X, y)
    np.testing.assert_allclose(found.weights[:, 0], truth.coef_[0], atol=5e-3, rtol=5e-3)
    np.testing.assert_allclose(found.intercept, truth.intercept_, atol=5e-3)


def test_softmax_regression(rows):
    X, score = rows
    y = np.digitize(score, [-1, 1]).astype(float)
    found = fit_linear(X, y, "softmax", 3, C=2.0, tol=1e-10, max_iter=300)
    truth = LogisticRegression(C=2.0, tol=1e-8, max_iter=1000).fit(X, y)
    np.testing.assert_allclose(softmax(found.scores(X)), truth.predict_proba(X), atol=5e-3)


def test_least_squares(rows):
    X, score = rows
    y = score - score.mean()
    found = fit_linear(X, y, "squared", 1, C=0.1, tol=1e-12, max_iter=300)
    truth = Ridge(alpha=10.0).fit(X, y)
    np.testing.assert_allclose(found.weights[:, 0], truth.coef_, atol=2e-3, rtol=2e-3)


def test_the_l1_part_leaves_columns_out(rows):
    X, score = rows
    y = (score > 0).astype(float)
    found = fit_linear(X, y, "logistic", 1, C=0.05, l1_ratio=1.0, tol=1e-10, max_iter=300)
    truth = LogisticRegression(
        C=0.05, l1_ratio=1.0, solver="saga", tol=1e-6, max_iter=5000, random_state=0
    ).fit(X, y)
    assert (np.abs(found.weights[-2:, 0]) < 1e-3).all()
    np.testing.assert_allclose(found.weights[:, 0], truth.coef_[0], atol=2e-2)


def test_it_stops_at_the_deadline(rows):
    X, score = rows
    found = fit_linear(X, (score > 0) * 1.0, "logistic", 1, deadline=time.time() - 1)
    assert np.isfinite(found.weights).all()


def test_columns_of_zeros_and_one_column():
    X = np.zeros((10, 2), dtype=np.float32)
    found = fit_linear(X, np.arange(10) % 2 * 1.0, "logistic", 1)
    assert not found.weights.any()
