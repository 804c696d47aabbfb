import json

import numpy as np
import pytest

from regatta.dataset import load_frame
from regatta.errors import SplitError
from regatta.splits import Splits
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
