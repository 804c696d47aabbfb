import time

import numpy as np
import pandas as pd
import pytest

from regatta.evaluation import importance
from regatta.evaluation.importance import permutation_importance
from regatta.evaluation.metrics import METRICS


def table(n_rows=3000):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "strong": rng.normal(size=n_rows),
            "weak": rng.normal(size=n_rows),
            "city": pd.Series(rng.choice(["Bern", "Basel"], n_rows), dtype="category"),
            "useless": pd.array(rng.integers(0, 5, n_rows), dtype="Int64"),
        }
    )
    frame.index = pd.RangeIndex(10, 10 + n_rows)
    y = (3 * frame["strong"] + frame["weak"] + rng.normal(size=n_rows) > 0).to_numpy(float)
    return frame, y


def predict(frame):
    score = 1 / (1 + np.exp(-(3 * frame["strong"] + frame["weak"]).to_numpy()))
    return np.column_stack([1 - score, score])


def measured(model, frame, y, metric="roc_auc", **changes):
    """Measure a model that says of the rows what `predict` says."""
    values = {
        "predicted": predict(frame),
        "columns": list(frame.columns),
        "seed": 0,
        "seconds": 5.0,
        "stratify": True,
    } | changes
    return permutation_importance(model, frame, y, METRICS[metric], **values)


def measure(**changes):
    return measured(predict, *table(), **{"seconds": 30.0, **changes})


def test_what_matters_comes_first():
    found = measure()
    assert [name for name, *_ in found.columns[:2]] == ["strong", "weak"]
    losses = {name: loss for name, loss, _ in found.columns}
    assert losses["strong"] > 5 * losses["weak"] > 0
    assert losses["useless"] == losses["city"] == 0.0
    assert (found.n_rows, found.repeats, found.unmeasured) == (1000, 5, ())


def test_deterministic():
    assert measure() == measure()
    assert measure() != measure(seed=1)


def test_a_loss_is_positive_for_a_metric_where_less_is_better():
    frame, y = table(200)
    found = measured(predict, frame, y, "log_loss", columns=["strong"])
    assert found.columns[0][1] > 0


def test_batches_do_not_change_the_result(monkeypatch):
    whole = measure()
    monkeypatch.setattr(importance, "BATCH", 1)
    assert measure() == whole


def test_the_frame_is_left_alone_and_types_stay():
    frame, y = table(300)
    before = frame.copy()

    def look(part):
        assert (part.dtypes == before.dtypes).all()
        return predict(part)

    measured(look, frame, y)
    pd.testing.assert_frame_equal(frame, before)


def test_time_is_kept():
    def slow(frame):
        time.sleep(len(frame) * 5e-4)
        return predict(frame)

    frame, y = table(100)
    began = time.monotonic()
    found = measured(slow, frame, y, seconds=0.12)
    assert time.monotonic() - began < 1
    assert found.repeats == 0
    assert found.unmeasured
    assert len(found.columns) + len(found.unmeasured) == 4


def test_what_a_call_costs_is_not_paid_for_each_column():
    """A model of many parts takes long for one row, and hardly longer for a thousand."""
    calls = []

    def slow(frame):
        calls.append(len(frame))
        time.sleep(0.05)
        return predict(frame)

    frame, y = table(60)
    names = [f"noise {i}" for i in range(26)]
    noise = pd.DataFrame(np.zeros((60, 26)), columns=names, index=frame.index)
    found = measured(slow, pd.concat([frame, noise], axis=1), y, seconds=1.0)
    assert found.repeats == importance.REPEATS
    assert len(calls) < 12


def test_short_time_means_fewer_rows_and_the_telling_columns_first(monkeypatch):
    monkeypatch.setattr(importance, "BATCH", 1)
    frame, y = table(1000)
    names = [f"noise {i}" for i in range(40)]
    noise = np.random.default_rng(1).normal(size=(1000, 40))
    wide = pd.concat([pd.DataFrame(noise, columns=names), frame.reset_index(drop=True)], axis=1)

    def slow(part):
        time.sleep(len(part) * 2e-4)
        return predict(part)

    found = measured(slow, wide, y, seconds=0.8)
    assert found.n_rows < 1000
    assert [name for name, *_ in found.columns[:2]] == ["strong", "weak"]


def test_groups_of_each_type():
    values = {
        "numbers": pd.Series([np.nan, np.inf, 1.0, 2.0]),
        "empty": pd.Series([np.nan] * 4),
        "texts": pd.Series(["a", None, "b", "a"], dtype=object),
        "flags": pd.Series([True, None, False, True], dtype=object),
        "dates": pd.Series(pd.to_datetime(["2020-01-01", None, "2021-01-01", "2022-01-01"])),
        "integers": pd.Series([1, None, 3, 4], dtype="Int64"),
    }
    for name, series in values.items():
        groups = importance._groups(series)
        missing = ~np.isfinite(series) if name == "numbers" else series.isna()
        assert ((groups == 0) == missing.to_numpy()).all(), name


@pytest.mark.parametrize("stratify", [True, False])
def test_rare_class_stays_in_the_sample(stratify):
    frame, _ = table(3000)
    y = np.zeros(3000)
    y[:3] = 1.0
    found = measured(predict, frame, y, columns=["strong"], stratify=stratify)
    if stratify:
        assert found.columns
