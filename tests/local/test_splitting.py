"""Splits by groups and by time, from the command line to the report and the champion."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from regatta import bundle

pytestmark = pytest.mark.slow

TRIALS = 3


def patients(seed: int, n_patients: int = 240, visits: int = 6) -> pd.DataFrame:
    """Visits of patients who mostly are well or ill at all of them, and have bodies of their own.

    Whoever has seen a patient knows the next visit by the body; of others only `score` tells.
    """
    rng = np.random.default_rng(seed)
    patient = np.repeat(np.arange(n_patients), visits)
    n_rows = len(patient)
    ill = rng.permutation(np.arange(n_patients) % 2)[patient]
    ill = np.where(rng.random(n_rows) < 0.05, 1 - ill, ill)
    body = rng.normal(size=(n_patients, 3))[patient] + rng.normal(0, 0.01, (n_rows, 3))
    table = pd.DataFrame(body, columns=["height", "weight", "pulse"]).round(3)
    table["score"] = (0.6 * ill + rng.normal(size=n_rows)).round(3)
    table["patient"] = [f"{seed}-{number}" for number in patient]
    table["day"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 300, n_rows), "D")
    table["outcome"] = np.where(ill, "ill", "well")
    order = rng.permutation(n_rows)
    return table.iloc[order].reset_index(drop=True)


@pytest.fixture(scope="module")
def run(regatta: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("splits")

    def go(name: str, *options: object, table: pd.DataFrame | None = None) -> Any:
        (patients(0) if table is None else table).to_csv(folder / "visits.csv", index=False)
        ended = regatta(
            *("run", folder / "visits.csv", "--target", "outcome", "--no-deploy"),
            *("--budget", "180s", "--trials", TRIALS, "--out", folder / name),
            *("--set", "search.learners=lightgbm,nearest_neighbors,linear", *options),
        )
        assert ended.code == 0, ended.error
        evaluation = json.loads((folder / name / "evaluation/evaluation.json").read_text())
        return folder / name, evaluation, " ".join(ended.output.split())

    return go


@pytest.fixture(scope="module")
def alone(run: Any) -> Any:
    return run("alone", "--name", "alone")


@pytest.fixture(scope="module")
def grouped(run: Any) -> Any:
    return run("grouped", "--name", "grouped", "--group", "patient", "--set", "data.ignore=day")


def on_new_patients(folder: Path) -> float:
    """Score the released model on patients whom nobody has seen."""
    table = patients(1, n_patients=300)
    model = bundle.load(folder / "bundle")
    predicted = model.predict_array(table.drop(columns=["patient", "outcome"]).assign(patient="?"))
    ill = model.classes.index("ill")
    return float(roc_auc_score(table["outcome"] == "ill", predicted[:, ill]))


def test_rows_drawn_one_by_one_promise_what_does_not_hold(alone: Any) -> None:
    folder, evaluation, _ = alone
    metric, real = evaluation["metric"], on_new_patients(folder)
    assert metric["key"] == "roc_auc"
    assert metric["validation"] > real + 0.2
    # The locked rows are of the same patients, and do not notice.
    assert metric["low"] > real


def test_scores_of_groups_are_honest(grouped: Any) -> None:
    folder, evaluation, output = grouped
    metric, real = evaluation["metric"], on_new_patients(folder)
    assert abs(metric["validation"] - real) < 0.1
    assert metric["low"] < real < metric["high"]
    assert evaluation["split"]["by"] == "by groups of 'patient'"
    assert "split by groups of 'patient'" in output
    assert "split by groups of <bdi>patient</bdi>" in (folder / "report.html").read_text()


def test_the_group_is_not_asked_for(grouped: Any, regatta: Any) -> None:
    folder, *_ = grouped
    assert "patient" not in [column.name for column in bundle.load(folder / "bundle").signature]
    new = patients(2).drop(columns=["patient", "outcome"])
    new.to_csv(folder.parent / "new.csv", index=False)
    done = regatta("predict", folder, folder.parent / "new.csv", "--out", folder.parent / "a.csv")
    assert done.code == 0, done.error
    assert len(pd.read_csv(folder.parent / "a.csv")) == len(new)


def test_the_latest_rows_test_one_model_and_the_next(run: Any) -> None:
    table = patients(0).sort_values("day")
    folder, first, output = run("first", "--name", "timed", "--time", "day", table=table[:1200])
    assert "split the latest 20 % by 'day'" in output
    assert first["split"]["time"] == "day"
    assert "day" in [column.name for column in bundle.load(folder / "bundle").signature]

    _, second, _ = run("second", "--name", "timed", "--time", "day", table=table)
    comparison = second["comparison"]
    assert comparison["compared"], comparison["reason"]
    # The champion was not trained on what was latest then, and what came since is later still.
    assert comparison["rows"] == second["locked"]["n_rows"]


REFUSED = {
    "unknown": (["--group", "patent"], "did you mean 'patient'"),
    "both": (["--group", "patient", "--time", "day"], "by the groups of 'patient' and by the time"),
    "folds": (["--time", "day", "--set", "split.folds=5"], "split.folds is 5"),
    "texts": (["--time", "patient"], "time 'patient' holds"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(case: str, regatta: Any, tmp_path: Path) -> None:
    options, expected = REFUSED[case]
    patients(0).to_csv(tmp_path / "visits.csv", index=False)
    command = ["run", tmp_path / "visits.csv", "--target", "outcome", "--budget", "30s"]
    ended = regatta(*command, "--no-deploy", *options, "--out", tmp_path / "out")
    assert ended.code == 2
    message = ended.error.strip()
    assert expected in message
    assert "To fix: " in message
    assert len(message.splitlines()) == 1
