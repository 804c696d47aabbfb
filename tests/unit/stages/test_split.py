import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from regatta.artifacts.base import open_artifact, read_json
from regatta.dataset import Schema, load_frame
from regatta.errors import SplitError
from regatta.splits import Splits
from regatta.splits.together import lock_keys
from regatta.stages import ingest, split, validate
from regatta.testing.tables import binary_table, regression_table


@pytest.fixture
def run(tmp_path):
    def go(frame, **values):
        path = tmp_path / "table.csv"
        frame.to_csv(path, index=False)
        data = {"source": str(path), "target": "outcome", **values.pop("data", {})}
        wanted = json.dumps({"data": data, **values})
        dataset, schema, splits = (str(tmp_path / name) for name in ("dataset", "schema", "splits"))
        ingest.run(wanted, dataset)
        validate.run(dataset, wanted, schema)
        return split.run(dataset, schema, wanted, splits), Splits.open(splits), dataset

    return go


def test_a_classification(run):
    frame = binary_table(400)
    frame.loc[:9, "outcome"] = None
    numbers, splits, dataset = run(frame)
    outcome = load_frame(dataset, columns=["outcome"])["outcome"]

    assert numbers == {
        "n_folds": 10,
        "n_train": 312,
        "n_locked": 78,
        "n_dropped": 10,
        "scheme": "2 x 5-fold",
    }
    assert (splits.assignment[:, :10] == -2).all()
    share = outcome.eq("yes")[10:].mean()
    assert abs(outcome[splits.locked()].eq("yes").mean() - share) < 0.02


def test_a_regression(run):
    numbers, splits, dataset = run(regression_table(300), split={"locked_share": 0.5, "folds": 3})
    outcome = load_frame(dataset, columns=["outcome"])["outcome"].to_numpy()

    assert (numbers["n_folds"], numbers["n_train"], numbers["n_locked"]) == (3, 150, 150)
    assert abs(outcome[splits.locked()].mean() - outcome.mean()) < 2


def test_repeats(run):
    numbers, splits, _ = run(binary_table(100), split={"folds": 3, "repeats": 2})

    assert (numbers["scheme"], numbers["n_folds"], splits.n_folds) == ("2 x 3-fold", 6, 6)
    assert set(np.unique(splits.assignment[1])) == {-1, 3, 4, 5}


def test_a_short_budget_has_fewer_folds(run):
    assert run(binary_table(100), budget={"seconds": 20})[0]["n_folds"] == 3


def test_the_seed_decides(run):
    first, second, third = (run(binary_table(100), seed=seed)[1].assignment for seed in (0, 0, 1))

    assert np.array_equal(first, second)
    assert not np.array_equal(first, third)


def test_too_few_rows_have_a_target(run):
    frame = binary_table(100)
    frame.loc[:80, "outcome"] = None
    frame.loc[81:, "outcome"] = ["no", "yes"] * 9 + ["no"]
    with pytest.raises(SplitError, match="19 rows have a target"):
        run(frame)


def test_a_class_of_which_no_row_can_be_locked(run):
    frame = binary_table(100)
    frame["outcome"] = ["yes"] * 2 + ["no"] * 98
    with pytest.raises(SplitError, match="rows to be locked all are of class 'no'; expected at"):
        run(frame)


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_a_table_that_has_grown_locks_the_same_rows(run, task):
    frame = (binary_table if task == "binary" else regression_table)(1_000)
    _, first, _ = run(frame.iloc[:700])
    before = first.assignment[0].copy()
    # New rows may stand anywhere.
    order = np.random.default_rng(0).permutation(1_000)
    _, grown, dataset = run(frame.iloc[order])
    outcome = load_frame(dataset, columns=["outcome"])["outcome"][grown.locked()]
    labels = sorted(outcome.unique()) if task == "binary" else [""]
    codes = np.array([labels.index(v) if task == "binary" else 0 for v in outcome], np.int64)

    fair = first.lock.covers(grown.keys, codes, labels)
    was = order[grown.locked()]
    trained_on = np.isin(was, np.flatnonzero(before >= 0))
    assert not trained_on[fair].any()
    # Nearly all rows are fair, those that were locked already and new ones.
    assert fair.mean() > 0.9
    assert (was[fair] < 700).any()
    assert (was[fair] >= 700).any()


def test_rows_of_weight_zero_are_left_out(run):
    frame = binary_table(400)
    frame["w"] = np.arange(400) % 4 + 1.0
    frame.loc[:19, "w"] = 0
    frame.loc[10:29, "outcome"] = None
    numbers, splits, _ = run(frame, data={"weight": "w"})

    assert numbers["n_dropped"] == 30
    assert numbers["n_train"] + numbers["n_locked"] == 370
    assert (splits.assignment[:, :30] == -2).all()


def test_a_regression_leaves_them_out_too(run):
    frame = regression_table(200)
    frame["w"] = (np.arange(200) > 9) * 2.5
    numbers, splits, _ = run(frame, data={"weight": "w"})

    assert numbers["n_dropped"] == 10
    assert (splits.assignment[:, :10] == -2).all()


def test_other_weights_lock_the_same_rows(run):
    frame = binary_table(300)
    frame["w"] = np.arange(300) % 4 + 1.0
    _, first, _ = run(frame, data={"weight": "w"})
    _, second, _ = run(frame.assign(w=frame["w"] ** 0.5), data={"weight": "w"})

    assert np.array_equal(first.assignment, second.assignment)
    assert first.lock == second.lock


def visits(n_rows=600, n_customers=80, task="binary"):
    """Rows of customers who came more or less often, on days that go on."""
    frame = (binary_table if task == "binary" else regression_table)(n_rows)
    rng = np.random.default_rng(1)
    frame["customer"] = (rng.pareto(2, n_rows) * 20).astype(int) % n_customers
    frame["day"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 200, n_rows), "D")
    return frame


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_groups_stay_together_in_every_repeat(run, task):
    frame = visits(task=task)
    frame.loc[:9, "outcome"] = None
    numbers, splits, _ = run(frame, split={"group": "customer"})

    assert numbers["split"] == splits.by == "by groups of 'customer'"
    assert (numbers["scheme"], numbers["n_dropped"]) == ("2 x 5-fold", 10)
    assert 60 <= numbers["n_locked"] <= 150
    for parts in splits.assignment:
        known = parts[10:]
        each = frame["customer"][10:].groupby(known).unique()
        assert sum(map(len, each)) == frame["customer"][10:].nunique()
    assert splits.lock.group == "customer"


def test_a_row_without_a_group_is_one(run):
    frame = visits()
    frame["customer"] = frame["customer"].astype(object)
    frame.loc[100:299, "customer"] = None
    _, splits, _ = run(frame, split={"group": "customer"})
    alone = splits.assignment[0][100:300]

    assert set(alone) == {-1, 0, 1, 2, 3, 4}
    assert 0.05 < (alone == -1).mean() < 0.35


def test_rows_of_weight_zero_are_of_no_group(run):
    frame = visits()
    frame["w"] = (np.arange(600) > 29) * 1.5
    numbers, splits, _ = run(frame, data={"weight": "w"}, split={"group": "customer"})

    assert numbers["n_dropped"] == 30
    assert (splits.assignment[:, :30] == -2).all()


@pytest.mark.parametrize("column", ["customer", "day"])
@pytest.mark.parametrize("task", ["binary", "regression"])
def test_a_table_that_has_grown_locks_what_nobody_was_trained_on(run, column, task):
    frame = visits(1_000, task=task)
    frame = frame.sort_values("day", ignore_index=True)
    key = "group" if column == "customer" else "time"
    _, first, _ = run(frame.iloc[:800], split={key: column})
    before = first.assignment[0].copy()
    order = np.random.default_rng(0).permutation(1_000)
    _, grown, dataset = run(frame.iloc[order], split={key: column})
    rows = grown.locked()
    schema = open_artifact(Path(dataset).parent / "schema", "schema")
    about = Schema.from_dict(read_json(schema.file("schema.json")))
    keys = lock_keys(dataset, about, grown.keys, 0, rows)

    fair = first.lock.covers(keys, np.zeros(len(rows), np.int64), ("",))
    trained = frame[column][:800][before >= 0]
    locked = frame[column].iloc[order[rows]][fair]
    assert not np.isin(locked, trained.unique()).any()
    assert fair.mean() > 0.8
    # Some rows were there before, others were not.
    assert (order[rows][fair] < 800).any()
    assert (order[rows][fair] >= 800).any()


def test_the_latest_rows_are_locked(run):
    frame = visits()
    frame.loc[:4, "day"] = None
    frame.loc[3:9, "outcome"] = None
    numbers, splits, _ = run(frame, split={"time": "day", "locked_share": 0.25})
    parts, days = splits.assignment[0], frame["day"]

    assert numbers["split"] == "the latest 25 % by 'day'"
    assert (numbers["scheme"], numbers["n_folds"], numbers["n_dropped"]) == ("holdout", 1, 10)
    assert (parts[:10] == -2).all()
    assert days[parts == 1].max() < days[parts == 0].min()
    assert days[parts == 0].max() < days[parts == -1].min()
    assert abs((parts == 0).sum() / numbers["n_train"] - 0.2) < 0.02


TIMES = {
    "numbers": lambda days: (days - days.min()).dt.days * 0.5,
    "texts": lambda days: days.dt.strftime("%d.%m.%Y"),
    "whole": lambda days: days.dt.strftime("%Y%m%d").astype(int),
}


@pytest.mark.parametrize("written", TIMES)
def test_times_may_be_written_in_many_ways(run, written):
    frame = visits()
    _, expected, _ = run(frame, split={"time": "day"})
    _, found, _ = run(
        frame.assign(day=TIMES[written](frame["day"])),
        split={"time": "day"},
        data={"ignore": ["day"]},
    )

    assert np.array_equal(found.assignment, expected.assignment)


def test_too_few_groups_or_times(run):
    frame = visits()
    with pytest.raises(SplitError, match="2 groups of 'customer'"):
        run(frame.assign(customer=frame["customer"] % 2), split={"group": "customer"})
    with pytest.raises(SplitError, match="2 different times in 'customer'"):
        run(frame.assign(customer=frame["customer"] % 2), split={"time": "customer"})
    numbers, *_ = run(frame.assign(customer=frame["customer"] % 4), split={"group": "customer"})
    assert numbers["scheme"] == "3-fold"
