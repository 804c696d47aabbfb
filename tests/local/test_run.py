"""The main job on toy tables: from a table to a service."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from regatta import bundle
from regatta.serving.client import Client
from regatta.testing.tables import binary_table, multiclass_table, regression_table

pytestmark = pytest.mark.slow

TARGET = "outcome"
# A busy machine needs more than a few seconds beside the race; the trials end it, not the clock.
BUDGET, TRIALS = 180, 6


@dataclass(frozen=True)
class Run:
    """A finished run."""

    folder: Path
    table: pd.DataFrame
    ended: Any

    def json(self, name: str) -> Any:
        return json.loads((self.folder / name).read_text())


def train(regatta: Any, folder: Path, table: pd.DataFrame, *options: str) -> Run:
    # The local runner of KFP replaces python3 in paths, and starts commands by a shell.
    folder = folder / "it's lib python3.11"
    folder.mkdir()
    table.to_csv(folder / "toy.csv", index=False)
    ended = regatta(
        *("run", folder / "toy.csv", "--target", TARGET, "--budget", f"{BUDGET}s"),
        *("--set", f"search.max_trials={TRIALS}", "--out", folder / "out", *options),
    )
    return Run(folder / "out", table, ended)


@pytest.fixture(scope="module")
def binary(regatta: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    yield train(regatta, tmp_path_factory.mktemp("binary"), binary_table(300))
    regatta("stop", "toy")


@pytest.fixture(scope="module")
def multiclass(regatta: Any, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("multiclass")
    table = multiclass_table(300)
    # As some files write them; see test_classes_are_as_the_file_writes_them.
    table[TARGET] = " " + table[TARGET]
    return train(regatta, folder, table, "--no-deploy", "--name", "three")


@pytest.fixture(scope="module")
def regression(regatta: Any, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("regression")
    options = ("--no-deploy", "--task", "regression", "--metric", "mae", "--workers", "2")
    return train(regatta, folder, regression_table(300), *options)


@pytest.fixture(params=["binary", "multiclass", "regression"])
def run(request: pytest.FixtureRequest) -> Run:
    found: Run = request.getfixturevalue(request.param)
    return found


def test_it_ends_well(run: Run) -> None:
    # How well the budget is kept is measured by benchmarks/budget.py, on a quiet machine.
    assert run.ended.code == 0, run.ended.error
    assert "Traceback" not in run.ended.output + run.ended.error


def test_classes_are_as_the_file_writes_them(multiclass: Run) -> None:
    model = bundle.load(multiclass.folder / "bundle")
    assert model.classes == tuple(sorted(multiclass.table[TARGET].unique()))
    assert model.classes[0].startswith(" ")


def test_what_is_released_has_learnt_from_the_locked_rows(run: Run) -> None:
    evaluation = run.json("evaluation/evaluation.json")
    # The regression has the name of the binary model, whose service expects classes: that one stays
    # champion. Who predicts with the run, or promotes it by hand, has a model of all rows as well.
    kept = evaluation["verdict"] == "keep"
    assert kept is (evaluation["task"] == "regression")
    assert evaluation["refit"]["refitted"] >= 1
    assert bundle.measured(run.folder / "bundle") is not None


def test_the_folder_holds_what_was_promised(run: Run) -> None:
    names = {path.name for path in run.folder.iterdir()}
    assert {"bundle", "report.html", "leaderboard.json", "trials", "run.json"} <= names
    assert (run.folder / "report.html").read_text().startswith("<!doctype html>")
    # Nothing else was left beside it.
    assert {path.name for path in run.folder.parent.iterdir()} == {"toy.csv", "out"}


def test_the_leaderboard_has_every_trial(run: Run) -> None:
    trials = run.json("leaderboard.json")["trials"]
    assert any(trial["status"] == "ok" for trial in trials)
    records = [json.loads(path.read_text()) for path in run.folder.glob("trials/*/*/trial.json")]
    assert {trial["id"] for trial in trials} == {record["id"] for record in records}


def test_the_summary_says_what_is_next(run: Run) -> None:
    trials = run.json("leaderboard.json")["trials"]
    metric = run.json("evaluation/evaluation.json")["metric"]
    for part in (trials[0]["id"], metric["key"], "report.html", "regatta predict"):
        assert part in run.ended.output


def test_the_record_names_what_made_it(run: Run) -> None:
    record = run.json("run.json")
    assert record["settings"]["data"]["target"] == TARGET
    assert set(record["stages"]) >= {"ingest", "plan", "trial", "ensemble", "evaluate", "register"}
    assert record["seconds"] <= run.ended.seconds + 0.5
    assert len(record["dataset"]["fingerprint"]) == 64


def test_it_learnt_something(run: Run) -> None:
    evaluation = run.json("evaluation/evaluation.json")
    score, baseline = evaluation["metric"]["score"], evaluation["metric"]["baseline"]
    greater = evaluation["task"] == "binary"
    assert score > baseline if greater else score < baseline


def test_the_bundle_predicts(run: Run) -> None:
    model = bundle.load(run.folder / "bundle")
    predicted = model.predict_array(run.table.drop(columns=TARGET))
    assert predicted.shape == (len(run.table), max(1, len(model.classes)))
    assert np.isfinite(predicted).all()


def test_lanes_are_the_workers(regression: Run, binary: Run) -> None:
    assert {path.name for path in (regression.folder / "trials").iterdir()} == {
        "lane-00",
        "lane-01",
    }
    assert [path.name for path in (binary.folder / "trials").iterdir()] == ["lane-00"]


def test_the_service_answers_as_batch_prediction(binary: Run, regatta: Any, tmp_path: Path) -> None:
    service = binary.json("run.json")["service"]
    rows = binary.json("evaluation/samples.json")["rows"]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    ended = regatta("predict", "toy", tmp_path / "rows.jsonl", "--out", tmp_path / "answers.csv")
    assert ended.code == 0, ended.error
    batch = pd.read_csv(tmp_path / "answers.csv")
    client = Client(service["url"], service["model"])
    for answers in (client.predict_v1(rows), client.predict_v2(rows)):
        assert [answer["prediction"] for answer in answers] == batch["prediction"].tolist()
        served = [answer["probabilities"]["yes"] for answer in answers]
        np.testing.assert_allclose(served, batch["proba_yes"], atol=1e-6)


def test_an_earlier_run_is_not_lost_by_accident(binary: Run, regatta: Any) -> None:
    table = binary.folder.parent / "toy.csv"
    ended = regatta("run", table, "--target", TARGET, "--out", binary.folder)
    assert ended.code == 2
    assert "--overwrite" in ended.error
    assert (binary.folder / "run.json").exists()
