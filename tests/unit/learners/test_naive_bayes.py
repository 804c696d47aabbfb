"""Naive Bayes, against scikit-learn's."""

import math

import numpy as np
import pytest
from scipy import sparse
from sklearn.naive_bayes import GaussianNB, MultinomialNB

from regatta.learners import get_learner
from regatta.learners.base import FitData
from regatta.learners.naive_bayes import SHARPNESS, _log_odds, _model


def texts(n_classes: int, seed: int, *, dense: bool = False) -> FitData:
    """Return counts of 40 words whose shares differ by class."""
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.ones(40), size=n_classes)
    y = rng.integers(n_classes, size=600)
    X = np.stack([rng.multinomial(12, shares[code]) for code in y]).astype(np.float32)
    made = X if dense else sparse.csr_matrix(X)
    task = "binary" if n_classes == 2 else "multiclass"
    return FitData(task, n_classes, made[:400], y[:400].astype(float), made[400:], y[400:] * 1.0)


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("dense", [False, True])
def test_it_is_scikit_learns_before_the_odds_are_drawn_in(n_classes: int, dense: bool):
    data = texts(n_classes, 1, dense=dense)
    present = np.arange(n_classes)
    weights, offset, prior = _log_odds(data, present, 0.5)
    assert (offset == 0).all()
    found = _model(weights, prior, n_classes, present).predict(data.X_valid)
    expected = MultinomialNB(alpha=0.5).fit(data.X, data.y).predict_proba(data.X_valid)
    np.testing.assert_allclose(found, expected, atol=2e-5)


def test_columns_with_negative_values_are_normal_of_one_variance():
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=5000)
    X = (rng.normal(size=(5000, 2)) + np.array([[-1, 0], [0, 2], [1, 0]])[y]).astype(np.float32)
    data = FitData("multiclass", 3, X, y.astype(float), X, y.astype(float))
    weights, offset, prior = _log_odds(data, np.arange(3), 0.5)
    found = _model(weights, offset + prior, 3, np.arange(3)).predict(X)
    normal = GaussianNB(var_smoothing=0).fit(X, y)
    normal.var_[:] = np.average(normal.var_, axis=0, weights=normal.class_count_)
    np.testing.assert_allclose(found, normal.predict_proba(X), atol=2e-5)


def test_words_that_come_together_are_not_counted_twice():
    data = texts(2, 3, dense=True)
    tenfold = FitData(
        "binary", 2, np.hstack([data.X] * 10), data.y, np.hstack([data.X_valid] * 10), data.y_valid
    )
    learner = get_learner("naive_bayes")
    plain, sharp = (
        learner.fit(d, {"smoothing": 0.5}, seed=0, threads=1, deadline=math.inf)
        for d in (data, tenfold)
    )
    said = [m.predict(d.X_valid) for m, d in ((plain, data), (sharp, tenfold))]
    losses = [-np.log(p[np.arange(200), data.y_valid.astype(int)]).mean() for p in said]
    assert losses[1] == pytest.approx(losses[0], rel=0.1)
    assert min(SHARPNESS) < 0.1


def test_a_class_that_is_missing_has_no_chance():
    data = texts(3, 4)
    there = data.y != 1
    part = FitData("multiclass", 3, data.X[there], data.y[there], data.X_valid, data.y_valid)
    learner = get_learner("naive_bayes")
    model = learner.fit(part, {"smoothing": 0.5}, seed=0, threads=1, deadline=math.inf)
    predicted = model.predict(data.X_valid)
    assert (predicted[:, 1] == 0).all()
    np.testing.assert_allclose(predicted.sum(axis=1), 1)
