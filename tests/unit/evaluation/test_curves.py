import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk

from regatta.evaluation import curves


def scored(n_rows=2000, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.random(n_rows) < 0.3
    return truth, np.clip(0.25 * truth + rng.normal(0.35, 0.2, n_rows), 0, 1)


def test_small_roc_is_that_of_scikit_learn():
    truth, scores = scored(40)
    fpr, tpr, thresholds = sk.roc_curve(truth, scores, drop_intermediate=False)
    found = curves.roc(truth, scores)
    assert np.allclose(found["fpr"], fpr)
    assert np.allclose(found["tpr"], tpr)
    assert np.allclose(found["thresholds"][1:], thresholds[1:])
    assert found["thresholds"][0] == 1.0


def test_long_roc_keeps_about_100_real_points_and_the_area():
    truth, scores = scored()
    found = curves.roc(truth, scores)
    assert 90 <= len(found["fpr"]) <= 102
    assert (found["fpr"][0], found["tpr"][0]) == (0.0, 0.0)
    assert (found["fpr"][-1], found["tpr"][-1]) == (1.0, 1.0)
    area = np.trapezoid(found["tpr"], found["fpr"])
    assert area == pytest.approx(sk.roc_auc_score(truth, scores), abs=0.005)
    assert all(np.isfinite(found["thresholds"]))


def test_roc_of_strange_scores_is_finite():
    found = curves.roc(np.array([True, False, True]), np.array([np.inf, np.nan, -np.inf]))
    assert np.isfinite(found["thresholds"]).all()


@pytest.mark.parametrize("function", [curves.roc, curves.precision_recall])
def test_one_class_has_no_curve(function):
    assert function(np.zeros(5, bool), np.linspace(0, 1, 5)) is None
    assert function(np.ones(5, bool), np.linspace(0, 1, 5)) is None


def test_precision_recall_by_hand():
    found = curves.precision_recall(np.array([True, False, True]), np.array([0.9, 0.5, 0.4]))
    assert found["recall"] == [0.5, 0.5, 1.0]
    assert np.allclose(found["precision"], [1, 0.5, 2 / 3])
    assert found["prevalence"] == pytest.approx(2 / 3)


def test_calibration_of_true_probabilities():
    rng = np.random.default_rng(2)
    scores = rng.random(20_000)
    truth = rng.random(20_000) < scores
    found = curves.calibration(truth, scores)
    assert sum(found["count"]) == 20_000
    assert len(found["count"]) == 10
    assert found["error"] < 0.02
    inside = [
        low <= p <= high
        for low, p, high in zip(found["low"], found["predicted"], found["high"], strict=True)
    ]
    assert sum(inside) >= 8


def test_calibration_of_one_probability_is_one_bin():
    found = curves.calibration(np.array([True] * 10 + [False] * 30), np.full(40, 0.5))
    assert found["count"] == [40]
    assert found["observed"] == [0.25]
    assert found["error"] == 0.25


def test_confusion_equals_scikit_learn():
    rng = np.random.default_rng(0)
    true, predicted = rng.integers(0, 3, (2, 100))
    found = curves.confusion(true, predicted, ["a", "b", "c"])
    assert found["matrix"] == sk.confusion_matrix(true, predicted).tolist()
    assert found["labels"] == ["a", "b", "c"]


def test_many_classes_are_folded():
    rng = np.random.default_rng(0)
    true = np.r_[rng.integers(0, 10, 500), np.arange(50)]
    predicted = np.r_[rng.integers(0, 10, 500), np.arange(50)]
    found = curves.confusion(true, predicted, [f"c{i}" for i in range(50)])
    assert len(found["labels"]) == 20
    assert found["folded"] == 31
    assert found["labels"][-1] == "31 other classes"
    assert np.sum(found["matrix"]) == 550
    assert found["labels"][:10] == [f"c{i}" for i in range(10)]


def test_gains_by_hand():
    truth = np.array([True, True, False, False, True, False, False, False, False, False])
    found = curves.gains(truth, np.linspace(1, 0, 10), shares=(0.2, 0.5))
    assert found[0]["found"] == pytest.approx(2 / 3, abs=1e-6)
    assert found[0]["precision"] == 1.0
    assert found[0]["lift"] == pytest.approx(1 / 0.3, abs=1e-4)
    assert (found[1]["n_rows"], found[1]["found"]) == (5, 1.0)


def test_residuals():
    y = np.arange(1000.0)
    found = curves.residuals(y, y + 2.0)
    assert found["bias"] == 2.0
    assert found["over"] == 1.0
    assert found["within"] == [2.0, 2.0, 2.0]
    assert sum(found["counts"]) == 1000
    assert len(found["actual"]) == 400
    assert found == curves.residuals(y, y + 2.0)


def test_residuals_of_a_perfect_model():
    found = curves.residuals(np.ones(3), np.ones(3))
    assert sum(found["counts"]) == 3


def test_profile_of_numbers_categories_and_dates():
    n = 400
    y = np.linspace(0, 1, n)
    numbers = curves.profile(pd.Series(np.linspace(0, 100, n)), y, y)
    assert numbers["ordered"]
    assert len(numbers["labels"]) == 8
    assert numbers["actual"] == sorted(numbers["actual"])
    assert sum(numbers["count"]) == n
    texts = curves.profile(pd.Series(["a", "b", None, "a"] * 100), y, y)
    assert texts["labels"] == ["a", "b", "(missing)"]
    assert texts["count"] == [200, 100, 100]
    dates = curves.profile(pd.Series(pd.date_range("2020-01-01", periods=n)), y, y)
    assert dates["labels"][0] == "from 2020-01-01"
    coarse = pd.Series(pd.date_range("2020-01-01", periods=n)).astype("datetime64[us]")
    assert curves.profile(coarse.where(coarse.index > 0), y, y)["labels"][0] == "from 2020-01-02"
    flags = curves.profile(pd.Series([True, False] * 200), y, y)
    assert set(flags["labels"]) == {"True", "False"}


def test_profile_of_missing_and_infinite_numbers():
    values = pd.Series([np.nan, np.inf, 1.0, 2.0] * 10)
    found = curves.profile(values, np.ones(40), np.ones(40))
    assert found["labels"] == ["1", "2"]
    assert found["count"] == [10, 10]


@pytest.mark.parametrize(
    "values",
    [pd.Series(["x"] * 50), pd.Series([f"k{i}" for i in range(50)]), pd.Series([1.0] * 50)],
)
def test_no_profile_where_there_is_nothing_to_see(values):
    assert curves.profile(values, np.ones(50), np.ones(50)) is None
