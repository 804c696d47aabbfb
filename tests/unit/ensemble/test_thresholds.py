"""Thresholds of classes, where the best ones are known."""

import numpy as np
import pytest
from scipy.special import expit, softmax

from regatta.ensemble.thresholds import thresholds_if_better
from regatta.evaluation.metrics import METRICS

FOLDS = 5


def chosen(predicted, y, key: str, **options) -> tuple[float, ...]:
    """Choose thresholds for a metric."""
    metric = METRICS[key]
    folds = np.arange(len(y)) % FOLDS
    loss = lambda rows, p: metric.loss(metric.score(y[rows], p))  # noqa: E731
    return thresholds_if_better(predicted, y, folds, loss, **options)


def calibrated(n_rows: int, offset: float) -> tuple[np.ndarray, np.ndarray]:
    """Return probabilities of two classes that are exactly right, and targets."""
    rng = np.random.default_rng(0)
    positive = expit(rng.normal(offset, 1.5, n_rows))
    y = (rng.random(n_rows) < positive).astype(float)
    return np.column_stack([1 - positive, positive]), y


def test_the_best_threshold_of_f1_is_half_of_it():
    # Z. Lipton et al., Optimal thresholding of classifiers to maximize F1 measure, ECML 2014.
    predicted, y = calibrated(40_000, -3.0)
    negative, positive = chosen(predicted, y, "f1")
    best = METRICS["f1"].score(y, predicted / [negative, positive])
    assert negative == pytest.approx(1 - positive)
    assert positive == pytest.approx(best / 2, abs=0.03)
    assert best > METRICS["f1"].score(y, predicted) + 0.03


def test_that_of_balanced_accuracy_is_the_share_of_the_class():
    predicted, y = calibrated(40_000, -3.0)
    assert chosen(predicted, y, "balanced_accuracy")[1] == pytest.approx(y.mean(), abs=0.02)


def test_of_several_classes_it_is_the_share_of_each():
    rng = np.random.default_rng(1)
    predicted = softmax(rng.normal([2.0, 0.0, -2.0], 1.0, (20_000, 3)), axis=1)
    y = (predicted.cumsum(axis=1) < rng.random((20_000, 1))).sum(axis=1).astype(float)
    found = chosen(predicted, y, "balanced_accuracy")
    assert found == pytest.approx(np.bincount(y.astype(int)) / len(y))


@pytest.mark.parametrize("key", ["f1", "balanced_accuracy"])
def test_where_nothing_is_gained_there_are_none(key):
    _, y = calibrated(4_000, 0.0)
    # Every answer is as sure as the labels are: all thresholds give the same ones.
    assert chosen(np.column_stack([1 - y, y]), y, key) == ()


def test_without_time_there_are_none():
    predicted, y = calibrated(4_000, -3.0)
    assert chosen(predicted, y, "f1", seconds=-1) == ()


def test_few_rows_may_be_one_class():
    predicted, y = calibrated(30, -9.0)
    assert chosen(predicted, y, "f1") == ()
