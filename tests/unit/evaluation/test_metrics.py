import numpy as np
import pytest
from sklearn import metrics as sk

from regatta.errors import SettingsError
from regatta.evaluation.metrics import METRICS, default_metric, get_metric, metrics_for

# Four rows by hand: the ranking has one wrong pair of four; at 0.5 rows 2 and 3 are wrong.
BINARY_Y = np.array([0.0, 0.0, 1.0, 1.0])
BINARY_P = np.array([0.1, 0.6, 0.4, 0.9])
BINARY = np.column_stack([1 - BINARY_P, BINARY_P])

GOLDEN_BINARY = {
    "roc_auc": 3 / 4,
    "log_loss": -(2 * np.log(0.9) + 2 * np.log(0.4)) / 4,
    "accuracy": 0.5,
    "balanced_accuracy": 0.5,
    "f1": 0.5,
    "f1_macro": 0.5,
    "average_precision": 0.5 * 1 + 0.5 * 2 / 3,
    "brier": (0.1**2 + 0.6**2 + 0.6**2 + 0.1**2) / 4,
}

MULTI_Y = np.array([0.0, 1.0, 2.0, 1.0])
MULTI = np.array([[0.7, 0.2, 0.1], [0.2, 0.5, 0.3], [0.1, 0.2, 0.7], [0.6, 0.3, 0.1]])

GOLDEN_MULTI = {
    # Class 0: above 3 of 3 others; class 1: 4 of 4; class 2: 3 of 3.
    "roc_auc": 1.0,
    "log_loss": -(np.log(0.7) + np.log(0.5) + np.log(0.7) + np.log(0.3)) / 4,
    "accuracy": 3 / 4,
    "balanced_accuracy": (1 + 0.5 + 1) / 3,
    "f1_macro": (2 / 3 + 2 / 3 + 1) / 3,
    "average_precision": 1.0,
    "brier": (0.14 + 0.38 + 0.14 + 0.36 + 0.49 + 0.01) / 8,
}

VALUES_Y = np.array([1.0, 2.0, 3.0])
VALUES = np.array([[1.0], [3.0], [5.0]])

GOLDEN_VALUES = {
    "rmse": np.sqrt(5 / 3),
    "mae": 1.0,
    "r2": 1 - 5 / 2,
    "rmsle": np.sqrt((np.log(4 / 3) ** 2 + np.log(6 / 4) ** 2) / 3),
}


@pytest.mark.parametrize(("key", "expected"), GOLDEN_BINARY.items())
def test_binary_golden(key, expected):
    assert METRICS[key].score(BINARY_Y, BINARY) == pytest.approx(expected)


@pytest.mark.parametrize(("key", "expected"), GOLDEN_MULTI.items())
def test_multiclass_golden(key, expected):
    assert METRICS[key].score(MULTI_Y, MULTI) == pytest.approx(expected)


@pytest.mark.parametrize(("key", "expected"), GOLDEN_VALUES.items())
def test_regression_golden(key, expected):
    assert METRICS[key].score(VALUES_Y, VALUES) == pytest.approx(expected)


def test_every_metric_has_a_golden_number():
    goldens = {
        "binary": GOLDEN_BINARY,
        "multiclass": GOLDEN_MULTI,
        "regression": GOLDEN_VALUES,
    }
    for task, golden in goldens.items():
        assert {metric.key for metric in metrics_for(task)} == set(golden)


def test_binary_equals_scikit_learn():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 500).astype(float)
    p = np.clip(0.3 * y + rng.random(500), 0.01, 1.4) / 1.5
    both = np.column_stack([1 - p, p])
    assert METRICS["roc_auc"].score(y, both) == pytest.approx(sk.roc_auc_score(y, p))
    assert METRICS["log_loss"].score(y, both) == pytest.approx(sk.log_loss(y, p))
    assert METRICS["brier"].score(y, both) == pytest.approx(sk.brier_score_loss(y, p))
    assert METRICS["f1"].score(y, both) == pytest.approx(sk.f1_score(y, p > 0.5))


def test_multiclass_equals_scikit_learn():
    rng = np.random.default_rng(1)
    y = rng.integers(0, 4, 500).astype(float)
    p = rng.random((500, 4)) + np.eye(4)[y.astype(int)]
    p /= p.sum(axis=1, keepdims=True)
    expected = sk.roc_auc_score(y, p, multi_class="ovr", average="macro")
    assert METRICS["roc_auc"].score(y, p) == pytest.approx(expected)
    assert METRICS["log_loss"].score(y, p) == pytest.approx(sk.log_loss(y, p))


def test_a_class_without_rows_is_left_out_and_one_class_is_undefined():
    y = np.array([0.0, 1.0, 0.0, 1.0])
    p = np.array([[0.6, 0.3, 0.1], [0.3, 0.6, 0.1], [0.5, 0.3, 0.2], [0.2, 0.7, 0.1]])
    assert METRICS["roc_auc"].score(y, p) == 1.0
    assert np.isnan(METRICS["roc_auc"].score(np.zeros(3), np.full((3, 2), 0.5)))
    assert np.isnan(METRICS["average_precision"].score(np.zeros(3), np.full((3, 2), 0.5)))


def test_rmsle_of_values_that_have_no_logarithm_is_undefined():
    assert np.isnan(METRICS["rmsle"].score(np.array([-2.0, 1.0]), np.zeros((2, 1))))


def test_rmsle_of_such_values_is_refused_before_anything_is_tried():
    with pytest.raises(SettingsError, match="least value of the target is -2, and the metric is"):
        METRICS["rmsle"].check(np.array([-2.0, 1.0]))
    METRICS["rmsle"].check(np.array([-0.5, 1.0]))
    METRICS["rmse"].check(np.array([-2.0, 1.0]))


def test_a_certain_and_wrong_answer_has_a_finite_loss():
    assert np.isfinite(METRICS["log_loss"].score(np.array([1.0]), np.array([[1.0, 0.0]])))


def test_loss_turns_direction():
    assert METRICS["roc_auc"].loss(0.9) == -0.9
    assert METRICS["rmse"].loss(0.9) == 0.9


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_auto_is_the_default(task):
    assert get_metric("auto", task) is default_metric(task)


def test_unknown_metric_names_the_nearest():
    with pytest.raises(SettingsError, match="did you mean 'roc_auc'"):
        get_metric("roc_acu", "binary")


def test_metric_of_another_task():
    with pytest.raises(SettingsError, match="does not fit a regression task"):
        get_metric("roc_auc", "regression")


def weighing(n_rows: int) -> np.ndarray:
    return np.random.default_rng(7).choice([0.25, 1.0, 3.5], n_rows)


def drawn(task: str, n_rows: int = 300) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    if task == "regression":
        y = rng.gamma(2.0, size=n_rows)
        return y, (y + rng.normal(0, 0.4, n_rows))[:, None].round(2)
    k = 2 if task == "binary" else 4
    y = rng.integers(0, k, n_rows).astype(float)
    p = (rng.dirichlet(np.ones(k), n_rows) + 0.4 * np.eye(k)[y.astype(int)]).round(2) + 0.01
    return y, p / p.sum(axis=1, keepdims=True)


def of_scikit_learn(key: str, y: np.ndarray, p: np.ndarray, weights: np.ndarray) -> float:
    """Return what scikit-learn says of weighted rows."""
    k, labels = p.shape[1], p.argmax(axis=1)
    each = {"sample_weight": weights}
    ranked = {"roc_auc": sk.roc_auc_score, "average_precision": sk.average_precision_score}
    if key in ranked:
        codes = [1] if k == 2 else range(k)
        return float(np.mean([ranked[key](y == code, p[:, code], **each) for code in codes]))
    truth = np.eye(k)[y.astype(int)] if k > 1 else y
    return {
        "log_loss": lambda: sk.log_loss(y, p, **each),
        "accuracy": lambda: sk.accuracy_score(y, labels, **each),
        "balanced_accuracy": lambda: sk.balanced_accuracy_score(y, labels, **each),
        "f1": lambda: sk.f1_score(y, labels, **each),
        "f1_macro": lambda: sk.f1_score(y, labels, average="macro", **each),
        # Half of the sum over the classes, as for two of them.
        "brier": lambda: k / 2 * sk.mean_squared_error(truth, p, **each),
        "rmse": lambda: sk.root_mean_squared_error(y, p[:, 0], **each),
        "mae": lambda: sk.mean_absolute_error(y, p[:, 0], **each),
        "r2": lambda: sk.r2_score(y, p[:, 0], **each),
        "rmsle": lambda: sk.root_mean_squared_log_error(y, np.clip(p[:, 0], 0, None), **each),
    }[key]()


@pytest.mark.parametrize(
    ("task", "key"),
    [
        (task, metric.key)
        for task in ("binary", "multiclass", "regression")
        for metric in metrics_for(task)
    ],
)
def test_weighted_rows_score_as_in_scikit_learn(task, key):
    y, p = drawn(task)
    weights = weighing(len(y))
    score = METRICS[key].score(y, p, weights)
    assert score == pytest.approx(of_scikit_learn(key, y, p, weights), rel=1e-9)
    assert score != pytest.approx(METRICS[key].score(y, p), rel=1e-4)
    # They have no unit, and ones are none.
    assert METRICS[key].score(y, p, 40 * weights) == pytest.approx(score, rel=1e-9)
    assert METRICS[key].score(y, p, np.ones(len(y))) == METRICS[key].score(y, p)
