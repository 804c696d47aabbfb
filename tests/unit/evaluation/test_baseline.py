import numpy as np
import pytest

from regatta.evaluation.baseline import Baseline
from regatta.evaluation.metrics import METRICS


def test_shares_give_the_accuracy_of_the_largest_class():
    y = np.array([0.0, 0.0, 0.0, 1.0])
    predicted = Baseline.fit(y, "binary", 2).predict(4)
    assert METRICS["accuracy"].score(y, predicted) == 0.75
    assert METRICS["roc_auc"].score(y, predicted) == 0.5


def test_a_class_without_training_rows():
    assert Baseline.fit(np.array([0.0, 2.0]), "multiclass", 3).answer.tolist() == [0.5, 0.0, 0.5]


@pytest.mark.parametrize(("metric", "answer"), [("rmse", 4.0), ("mae", 2.0), ("", 4.0)])
def test_the_constant_suits_the_metric(metric, answer):
    y = np.array([1.0, 2.0, 9.0])
    assert Baseline.fit(y, "regression", 1, metric).answer[0] == answer


@pytest.mark.parametrize(("metric", "n_outputs"), [("rmse", 1), ("mae", 1), ("log_loss", 3)])
def test_weights_are_as_repeated_rows(metric, n_outputs):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 40).astype(float) if n_outputs > 1 else rng.normal(size=40)
    counts = rng.integers(1, 5, 40)
    task = "multiclass" if n_outputs > 1 else "regression"
    repeated = Baseline.fit(np.repeat(y, counts), task, n_outputs, metric)
    for unit in (1.0, 0.1):
        weighted = Baseline.fit(y, task, n_outputs, metric, unit * counts)
        assert weighted.answer == pytest.approx(repeated.answer, rel=1e-12)


def test_a_weighted_median_may_lie_between_two():
    y, weights = np.array([1.0, 2.0, 4.0]), np.array([0.1, 0.2, 0.3])
    assert Baseline.fit(y, "regression", 1, "mae", weights).answer[0] == 3.0
