from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn import metrics as sk

from regatta.evaluation import intervals
from regatta.evaluation.intervals import Resamples, interval
from regatta.evaluation.metrics import METRICS, metrics_for
from regatta.evaluation.scoring import difference, score_all
from regatta.evaluation.weighted import WEIGHTED


def example(task, n_rows=60, seed=0):
    rng = np.random.default_rng(seed)
    if task == "regression":
        y = rng.gamma(2.0, 3.0, n_rows)
        return y, (y + rng.normal(0, 1, n_rows))[:, None]
    k = 2 if task == "binary" else 4
    y = rng.integers(0, k, n_rows).astype(float)
    y[:k] = np.arange(k)
    # Rounded, so that there are ties.
    p = np.round(rng.random((n_rows, k)) + 0.7 * np.eye(k)[y.astype(int)] + 0.05, 1)
    return y, p / p.sum(axis=1, keepdims=True)


def by_scikit_learn(key, y, p):
    """Score with scikit-learn, where it has the metric."""
    label, codes = p.argmax(axis=1), range(p.shape[1])
    present = [code for code in codes if (y == code).any()]
    ranked = [1] if p.shape[1] == 2 else present
    return {
        "roc_auc": lambda: np.mean([sk.roc_auc_score(y == c, p[:, c]) for c in ranked]),
        "average_precision": lambda: np.mean(
            [sk.average_precision_score(y == c, p[:, c]) for c in ranked]
        ),
        "log_loss": lambda: sk.log_loss(y, np.clip(p, 1e-15, 1), labels=codes),
        # scikit-learn has it for two classes only.
        "brier": lambda: np.mean(np.sum((p - np.eye(p.shape[1])[y.astype(int)]) ** 2, axis=1)) / 2,
        "accuracy": lambda: sk.accuracy_score(y, label),
        "balanced_accuracy": lambda: sk.recall_score(y, label, labels=present, average="macro"),
        "f1": lambda: sk.f1_score(y, label, zero_division=0.0),
        "f1_macro": lambda: sk.f1_score(y, label, average="macro", zero_division=0.0),
        "rmse": lambda: sk.root_mean_squared_error(y, p[:, 0]),
        "mae": lambda: sk.mean_absolute_error(y, p[:, 0]),
        "r2": lambda: sk.r2_score(y, p[:, 0]),
        "rmsle": lambda: sk.root_mean_squared_log_error(y, p[:, 0].clip(0)),
    }[key]()


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_metrics_are_those_of_scikit_learn(task):
    y, p = example(task)
    for metric in metrics_for(task):
        assert metric.score(y, p) == pytest.approx(by_scikit_learn(metric.key, y, p)), metric.key


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_weights_are_repeated_rows(task, seed):
    y, p = example(task, seed=seed)
    plan = Resamples.plan(y, task, wanted=3, seed=seed)
    scores = plan.scores(metrics_for(task), y, [p])[0]
    weights = np.concatenate(list(plan.weights())).astype(int)
    for number, row in enumerate(weights):
        for metric in metrics_for(task):
            expected = by_scikit_learn(metric.key, np.repeat(y, row), np.repeat(p, row, axis=0))
            assert scores[metric.key][number] == pytest.approx(expected), metric.key


def test_every_metric_has_a_weighted_form():
    assert set(WEIGHTED) == set(METRICS)


def test_resamples_keep_the_classes():
    y = np.r_[np.zeros(97), np.ones(3)]
    plan = Resamples.plan(y, "binary", wanted=50, seed=1)
    for block in plan.weights():
        assert (block[:, :97].sum(axis=1) == 97).all()
        assert (block[:, 97:].sum(axis=1) == 3).all()


def test_same_seed_same_interval():
    y, p = example("binary", 200)
    plan = Resamples.plan(y, "binary", wanted=100, seed=3)
    first = plan.scores([METRICS["roc_auc"]], y, [p, p])
    assert (first[0]["roc_auc"] == first[1]["roc_auc"]).all()
    other = Resamples.plan(y, "binary", wanted=100, seed=4).scores([METRICS["roc_auc"]], y, [p])
    assert (first[0]["roc_auc"] != other[0]["roc_auc"]).any()


def test_mean_interval_is_as_wide_as_theory_says():
    rng = np.random.default_rng(5)
    y = rng.normal(0, 1, 400)
    p = np.zeros((400, 1))
    plan = Resamples.plan(y, "regression", wanted=1000, seed=0)
    mae = METRICS["mae"]
    found = interval(mae.score(y, p), plan.scores([mae], y, [p])[0]["mae"], confidence=0.95)
    wide = 2 * 1.96 * np.abs(y).std() / np.sqrt(400)
    assert found.high - found.low == pytest.approx(wide, rel=0.1)
    assert found.low < found.score < found.high


def test_large_parts_take_fewer_resamples_and_the_normal_interval(monkeypatch):
    monkeypatch.setattr(intervals, "CELLS", 10_000)
    y, p = example("binary", 100)
    plan = Resamples.plan(y, "binary", wanted=1000, seed=0, n_outputs=2)
    assert (plan.count, plan.method) == (50, "normal")
    resampled = plan.scores([METRICS["accuracy"]], y, [p])[0]["accuracy"]
    found = interval(0.5, resampled, confidence=0.95, method="normal")
    assert found.high - 0.5 == pytest.approx(0.5 - found.low)


def test_chunks_do_not_change_the_draws(monkeypatch):
    y, _ = example("binary", 50)
    plan = Resamples.plan(y, "binary", wanted=60, seed=0)
    whole = np.concatenate(list(plan.weights()))
    monkeypatch.setattr(intervals, "CHUNK", 500)
    assert (np.concatenate(list(plan.weights())) == whole).all()


def test_undefined_metric_has_no_interval():
    y, p = np.zeros(30), np.full((30, 2), 0.5)
    plan = Resamples.plan(y, "binary", wanted=50, seed=0)
    resampled = plan.scores([METRICS["roc_auc"]], y, [p])[0]["roc_auc"]
    found = interval(METRICS["roc_auc"].score(y, p), resampled, confidence=0.95)
    assert found.to_dict() == {"score": None, "low": None, "high": None}


def scored(y, p, metric="roc_auc", task="binary", confidence=0.95):
    plan = Resamples.plan(y, task, wanted=200, seed=0)
    rows = score_all([METRICS[metric]], y, p, p, resamples=plan, confidence=confidence)
    return rows[0]["score"], rows[0]["low"], rows[0]["high"]


def two_columns(positive):
    return np.column_stack([1 - positive, positive])


def test_few_rows_of_a_class_prove_nothing():
    y = np.r_[np.zeros(200), np.ones(4)]
    p = two_columns(np.r_[np.linspace(0, 0.5, 200), np.full(4, 0.45)])
    score, low, high = scored(y, p)
    assert 0.8 < score < 1
    assert low is high is None
    y[-5] = 1
    assert scored(y, p)[1] is not None


def test_a_perfect_score_is_not_certain():
    y = np.r_[np.zeros(50), np.ones(10)]
    score, low, high = scored(y, two_columns(y))
    assert score == high == 1
    # Clopper and Pearson's bound for 10 successes of 10.
    assert low == pytest.approx(binomtest(10, 10).proportion_ci(0.95, "exact").low)


def test_no_spread_without_a_bound_is_no_interval():
    y = np.linspace(0, 1, 30)
    assert scored(y, y[:, None], "rmse", "regression") == (0, None, None)
    classes = np.tile([0.0, 1.0], 20)
    assert scored(classes, np.full((40, 2), 0.5)) == (0.5, None, None)


def test_resamples_draw_rows_with_their_weights():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 60).astype(float)
    p = rng.random(60)
    p = np.column_stack([1 - p, p])
    weights = rng.choice([0.5, 2.0], 60)
    plain = Resamples.plan(y, "binary", wanted=5, seed=1)
    weighted = Resamples.plan(y, "binary", wanted=5, seed=1, row_weights=weights)
    metric = METRICS["roc_auc"]
    (found,) = weighted.scores([metric], y, [p])
    counts = np.concatenate(list(plain.weights()))
    expected = [metric.score(y, p, row * weights) for row in counts]
    assert found["roc_auc"] == pytest.approx(expected)
    rows = score_all([metric], y, p, p, resamples=weighted, confidence=0.9)
    assert rows[0]["score"] == rows[0]["baseline"] == metric.score(y, p, weights)


def test_unequal_weights_prove_less():
    y = np.repeat([0.0, 1.0], 40)
    p = np.column_stack([1 - y, y]) * 0.8 + 0.1
    lows = []
    for row_weights in (None, np.ones(80), np.tile([9.0, 1.0], 40)):
        plan = Resamples.plan(y, "binary", wanted=50, seed=0, row_weights=row_weights)
        (row,) = score_all([METRICS["accuracy"]], y, p, p, resamples=plan, confidence=0.95)
        lows.append(row["low"])
    assert lows[0] == lows[1] > lows[2]
    # Rows of weights 9 and 1, half each, say as much as (10 / 2)^2 / (82 / 2) of them.
    assert plan.fewest_effective == pytest.approx(40 * 25 / 41, abs=1e-5)
    # One row of each class that outweighs all others says no more than one row does.
    heavy = np.where(np.arange(80) % 40 == 0, 1e6, 1.0)
    plan = Resamples.plan(y, "binary", wanted=50, seed=0, row_weights=heavy)
    (row,) = score_all([METRICS["log_loss"]], y, p, p, resamples=plan, confidence=0.95)
    assert row["low"] is row["high"] is None


def test_two_models_are_compared_by_weighted_rows():
    rng = np.random.default_rng(0)
    y = rng.normal(size=80)
    heavy = np.arange(80) < 20
    # The first is right where rows weigh much, the second on all others.
    first, second = (np.where(one, y, 0.0)[:, None] for one in (heavy, ~heavy))
    plain = Resamples.plan(y, "regression", wanted=50, seed=0)
    weighted = replace(plain, row_weights=np.where(heavy, 20.0, 0.1))
    gains = [
        difference(METRICS["rmse"], y, first, second, resamples=one, confidence=0.9)
        for one in (plain, weighted)
    ]
    assert gains[0].score < 0 < gains[1].low
    known = [METRICS["rmse"].score(y, p, weighted.row_weights) for p in (first, second)]
    assert gains[1].score == pytest.approx(known[1] - known[0])


def in_groups(n_groups, size, seed=0, spread=1.0):
    """Values of groups whose rows are all nearly alike, and predictions that know nothing."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(n_groups), size)
    y = rng.normal(0, spread, n_groups)[groups] + rng.normal(0, 0.1, len(groups))
    return y, np.zeros((len(groups), 1)), groups


def test_whole_groups_are_drawn():
    y, _, groups = in_groups(40, 5)
    plan = Resamples.plan(y, "regression", wanted=30, seed=0, groups=groups * 7)
    assert plan.n_groups == 40
    for block in plan.weights():
        counts = block.reshape(len(block), 40, 5)
        assert (counts == counts[:, :, :1]).all()
        assert (counts[:, :, 0].sum(axis=1) == 40).all()
    weighted = replace(plan, row_weights=np.tile([1.0, 2, 3, 4, 5], 40))
    for plain, heavy in zip(plan.weights(), weighted.weights(), strict=True):
        assert np.array_equal(plain * weighted.row_weights, heavy)


def test_intervals_of_groups_hold_the_truth_as_often_as_they_say():
    # The mean absolute error over all groups there could be; rows of a group repeat each other.
    mae, truth, held = METRICS["mae"], np.sqrt(2 / np.pi * 1.01), {True: 0, False: 0}
    for seed in range(100):
        y, p, groups = in_groups(60, 20, seed)
        for together in held:
            one = groups if together else None
            plan = Resamples.plan(y, "regression", wanted=200, seed=0, groups=one)
            (row,) = score_all([mae], y, p, p, resamples=plan, confidence=0.9)
            held[together] += row["low"] <= truth <= row["high"]
    assert 80 <= held[True] <= 97
    assert held[False] < 50


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_resamples_that_miss_a_class_do_no_harm(task):
    y, p = example(task, 60)
    groups = np.argsort(np.argsort(y, kind="stable")) // 8
    plan = Resamples.plan(y, task, wanted=100, seed=0, groups=groups)
    for row in score_all(metrics_for(task), y, p, p, resamples=plan, confidence=0.9):
        if row["low"] is not None:
            assert row["low"] < row["high"]


def test_few_groups_prove_nothing():
    y, p, groups = in_groups(4, 50)
    plan = Resamples.plan(y, "regression", wanted=100, seed=0, groups=groups)
    (row,) = score_all([METRICS["mae"]], y, p, p, resamples=plan, confidence=0.9)
    assert row["low"] is row["high"] is None
    # Groups count as many of equal size would: one of 60 rows and ten of one, here by class.
    y = np.r_[np.zeros(70), np.ones(70)]
    groups = np.r_[np.zeros(60), np.arange(1, 11), np.repeat(np.arange(11, 25), 5)]
    plan = Resamples.plan(y, "binary", wanted=10, seed=0, groups=groups)
    assert plan.fewest_effective == pytest.approx(70**2 / (60**2 + 10), abs=1e-5)
    (row,) = score_all(
        [METRICS["accuracy"]], y, two_columns(y), two_columns(y), resamples=plan, confidence=0.9
    )
    assert row["low"] is None
