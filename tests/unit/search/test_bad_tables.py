"""Tables that are hard to race on: each trial is a model or a record with a reason."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from regatta.artifacts import read_json, write_json, writing
from regatta.artifacts.records import Recipe, TrialRecord
from regatta.dataset.schema import Column, Schema
from regatta.features.rows import RowFeatures
from regatta.search.race import race
from regatta.search.table import TrainingTable
from regatta.stages import featurize, ingest, plan, split, trial, validate
from tests.unit.search.fakes import TOOLBOX, plan_of

# One of each kind; the contract of learners is checked for all of them elsewhere.
LEARNERS = ["linear", "lightgbm", "extra_trees", "mlp"]
RNG = np.random.default_rng(0)


def features(path: Path, frame: pd.DataFrame, y, folds, classes: tuple[str, ...] = ()) -> Path:
    """Write a features artifact of numeric columns."""
    task = "regression" if not classes else "binary" if len(classes) == 2 else "multiclass"
    columns = tuple(Column(name, "numeric", "float64") for name in frame.columns)
    target = Column("y", "categorical", "string", used=False, reason="target")
    schema = Schema(task, "y", classes, (*columns, target), len(frame))  # type: ignore[arg-type]
    n_folds = int(np.max(folds)) + 1
    with writing(path, "features", n_folds=n_folds, fingerprint="f" * 64) as folder:
        frame.to_parquet(folder / "frame.parquet")
        np.save(folder / "target.npy", np.asarray(y, dtype=np.float64))
        np.save(folder / "folds.npy", np.asarray([folds], dtype=np.int16))
        write_json(folder / "features.json", RowFeatures.plan(schema).to_dict())
        write_json(folder / "schema.json", asdict(schema))
    return path


def numbers(n_rows: int, n_columns: int = 4) -> pd.DataFrame:
    values = RNG.normal(size=(n_rows, n_columns)).astype(np.float32)
    return pd.DataFrame(values, columns=[f"x{i}" for i in range(n_columns)])


# What a trial may come to where there is time for few: the first ones make a model, a later one may
# refuse the table, or fall behind.
RECORDED = {"ok", "timeout", "skipped", "stopped"}


def raced(path: Path, learners: list[str], seconds: float = 600, **search) -> list[TrialRecord]:
    """Race the defaults of some learners, in a process of their own."""
    wanted = {
        "search": {
            "recipes": [{"learner": key} for key in learners],
            "max_trials": len(learners),
            "cores": 1,
            **search,
        },
        "budget": {"seconds": seconds},
    }
    root = path.parent
    plan.run(str(path), json.dumps(wanted), str(root / "plan"))
    trial.run(str(path), str(root / "plan"), 0, 0.0, str(root / "trials"))
    names = read_json(root / "trials" / "lane.json")["trials"]
    assert len(names) >= len(learners)
    return [
        TrialRecord.from_dict(read_json(root / "trials" / name / "trial.json")) for name in names
    ]


def staged(root: Path, frame: pd.DataFrame, **settings) -> Path:
    """Take a table through the stages up to the features."""
    frame.to_parquet(root / "table.parquet")
    values = {"data": {"source": str(root / "table.parquet"), "target": "y"}}
    for group, more in settings.items():
        values.setdefault(group, {}).update(more)
    text = json.dumps(values)
    paths = {name: str(root / name) for name in ("dataset", "schema", "splits", "features")}
    ingest.run(text, paths["dataset"])
    validate.run(paths["dataset"], text, paths["schema"])
    split.run(paths["dataset"], paths["schema"], text, paths["splits"])
    featurize.run(**paths)
    return Path(paths["features"])


FOLDS = np.arange(90) % 3


@pytest.mark.slow
def test_column_without_a_value_in_one_fold(tmp_path: Path):
    frame = numbers(90)
    y = (frame["x1"] > 0).to_numpy()
    # Only rows that fold 0 validates have a value: its models learn from none.
    frame.loc[FOLDS != 0, "x0"] = np.nan
    path = features(tmp_path / "features", frame, y, FOLDS, ("no", "yes"))
    records = raced(path, LEARNERS)
    assert {record.status for record in records} == {"ok"}
    assert all(record.score > 0.6 for record in records)


@pytest.mark.slow
def test_target_that_is_constant_where_one_fold_learns(tmp_path: Path):
    path = features(tmp_path / "features", numbers(90), FOLDS == 0, FOLDS, ("no", "yes"))
    records = raced(path, LEARNERS)
    assert {record.status for record in records} == {"skipped"}
    assert {record.reason for record in records} == {
        "the target is 0 in all rows that this fold fits"
    }


@pytest.mark.slow
def test_class_that_is_missing_where_one_fold_learns(tmp_path: Path):
    frame = numbers(90)
    y = np.digitize(frame["x1"], [-0.4, 0.4])
    y[(y == 2) & (FOLDS != 0)] = 1
    path = features(tmp_path / "features", frame, y, FOLDS, ("low", "middle", "high"))
    records = raced(path, LEARNERS)
    assert {record.status for record in records} == {"ok"}
    for record in records:
        assert np.isfinite(record.score)
        oof = np.load(tmp_path / "trials" / record.id / "oof.npy")
        np.testing.assert_allclose(oof.sum(axis=1), 1, rtol=1e-4)


@pytest.mark.slow
def test_fifty_rows(tmp_path: Path):
    frame = numbers(50)
    frame["y"] = np.where(frame["x0"] + RNG.normal(0, 0.3, 50) > 0, "yes", "no")
    records = raced(staged(tmp_path, frame, split={"folds": 3}), LEARNERS)
    assert {record.status for record in records} == {"ok"}
    assert max(record.score for record in records) > 0.8


@pytest.mark.slow
def test_far_more_columns_than_rows(tmp_path: Path):
    frame = numbers(60, 10_000)
    frame["y"] = frame["x0"].astype(float) * 3
    path = staged(tmp_path, frame, split={"folds": 3})
    records = raced(path, ["linear", "lightgbm"], seconds=45, max_trials=0)
    assert {record.status for record in records} <= RECORDED
    assert any(record.status == "ok" for record in records)
    assert all(record.reason for record in records if record.status != "ok")


@pytest.mark.slow
def test_a_thousand_classes(tmp_path: Path):
    frame = numbers(6000)
    frame["y"] = [f"c{i}" for i in np.arange(6000) % 1000]
    path = staged(tmp_path, frame, data={"max_classes": 1000}, split={"folds": 3})
    records = raced(path, ["linear", "lightgbm"], seconds=45, max_trials=0)
    assert {record.status for record in records} <= RECORDED
    assert any(record.status == "ok" for record in records)
    assert all(record.reason for record in records if record.status != "ok")


def test_score_that_is_undefined_is_recorded(tmp_path: Path):
    # A holdout whose rows are of one class has no ROC AUC.
    frame = numbers(60)
    folds = (np.arange(60) >= 12).astype(int)
    y = np.where(folds == 0, 1, np.arange(60) % 2)
    path = features(tmp_path / "features", frame, y, folds, ("no", "yes"))
    table = replace(TrainingTable.open(path), n_folds=1)
    (tmp_path / "trials").mkdir()
    run = plan_of(table, [Recipe("line")], search={"cores": 1})
    found = race(table, run, 0, tmp_path / "trials", toolbox=TOOLBOX)
    (name,) = found["trials"]
    record = read_json(tmp_path / "trials" / name / "trial.json")
    assert record["status"] == "bad_values"
    assert record["reason"] == "ROC AUC is undefined for these predictions"


def test_constant_fold_has_no_score_of_its_own(tmp_path: Path):
    frame = numbers(90)
    y = np.where(FOLDS == 0, 1, frame["x1"] > 0)
    path = features(tmp_path / "features", frame, y, FOLDS, ("no", "yes"))
    table = TrainingTable.open(path)
    (tmp_path / "trials").mkdir()
    run = plan_of(table, [Recipe("line")], search={"cores": 1})
    found = race(table, run, 0, tmp_path / "trials", toolbox=TOOLBOX)
    record = read_json(tmp_path / "trials" / found["trials"][0] / "trial.json")
    assert record["status"] == "ok"
    assert record["fold_scores"][0] is None
    assert None not in record["fold_scores"][1:]
