"""Weights of rows, from the command line to the service."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from regatta import bundle
from regatta.evaluation.metrics import get_metric
from regatta.serving.client import Client
from regatta.splits.keys import row_keys
from regatta.stages import ingest
from regatta.testing.tables import binary_table

pytestmark = pytest.mark.slow

TARGET, TRIALS = "outcome", 5


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    table = binary_table(400)
    rng = np.random.default_rng(0)
    table["exposure"] = rng.choice([0.25, 1.0, 4.0], 400)
    table.loc[:24, "exposure"] = 0
    # Nobody may learn from these rows, or be judged by them.
    table.loc[:24, TARGET] = np.where(table.loc[:24, TARGET] == "yes", "no", "yes")
    return table


@pytest.fixture(scope="module")
def run(regatta: Any, table: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("weights")
    table.to_csv(folder / "survey.csv", index=False)
    ended = regatta(
        *("run", folder / "survey.csv", "--target", TARGET, "--weight", "exposure"),
        *("--budget", "180s", "--set", f"search.max_trials={TRIALS}", "--out", folder / "out"),
    )
    yield folder / "out", ended
    regatta("stop", "survey")


def test_it_ends_well_and_says_what_was_left_out(run: Any) -> None:
    folder, ended = run
    assert ended.code == 0, ended.error
    assert "25 rows of weight 0 are left out" in " ".join(ended.output.split())
    report = (folder / "report.html").read_text()
    assert "Rows count by their weight in <bdi>exposure</bdi>" in report


def test_the_score_is_that_of_weighted_rows(run: Any, table: pd.DataFrame, tmp_path: Path) -> None:
    folder, _ = run
    evaluation = json.loads((folder / "evaluation/evaluation.json").read_text())
    assert evaluation["weight"] == "exposure"
    assert evaluation["locked"]["n_rows"] + evaluation["locked"]["n_train"] == 375
    known = bundle.measured(folder / "bundle")
    assert known is not None
    # The released model knows the locked rows; what the measured one said is kept by their keys.
    settings = json.dumps({"data": {"source": str(folder.parent / "survey.csv"), "target": TARGET}})
    ingest.run(settings, str(tmp_path / "dataset"))
    keys = row_keys(tmp_path / "dataset", 0, without=("exposure",))
    locked = table.set_index(keys).loc[known.keys]
    metric = get_metric(evaluation["metric"]["key"], "binary")
    y = (locked[TARGET] == "yes").to_numpy(float)
    score = metric.score(y, known.predicted, locked["exposure"].to_numpy())
    assert evaluation["metric"]["score"] == pytest.approx(score)
    assert score != pytest.approx(metric.score(y, known.predicted), rel=1e-6)


def test_the_service_asks_for_no_weight(run: Any, table: pd.DataFrame) -> None:
    folder, _ = run
    model = bundle.load(folder / "bundle")
    assert "exposure" not in [column.name for column in model.signature]
    samples = json.loads((folder / "evaluation/samples.json").read_text())["rows"][:3]
    assert "exposure" not in samples[0]
    service = json.loads((folder / "run.json").read_text())["service"]
    client = Client(service["url"], service["model"])
    plain = client.predict_v1(samples)
    assert len(plain) == 3
    # Whoever sends it all the same gets the same answer.
    assert client.predict_v1([{**row, "exposure": 4.0} for row in samples]) == plain


def test_a_file_to_predict_needs_none(run: Any, regatta: Any, table: pd.DataFrame) -> None:
    folder, _ = run
    table.drop(columns=["exposure", TARGET]).head(20).to_csv(folder.parent / "new.csv", index=False)
    done = regatta("predict", folder, folder.parent / "new.csv", "--out", folder.parent / "a.csv")
    assert done.code == 0, done.error
    assert len(pd.read_csv(folder.parent / "a.csv")) == 20


REFUSED = {
    "unknown": (["--weight", "exposur"], "did you mean 'exposure'"),
    "target": (["--weight", TARGET], "the target and the weight"),
    "text": (["--weight", "city"], "weight 'city' holds"),
    "missing": (["--weight", "income"], "weight 'income' is missing in row"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(case: str, regatta: Any, table: pd.DataFrame, tmp_path: Path) -> None:
    options, expected = REFUSED[case]
    table.to_csv(tmp_path / "survey.csv", index=False)
    command = ["run", tmp_path / "survey.csv", "--target", TARGET, "--budget", "30s", "--no-deploy"]
    ended = regatta(*command, *options, "--out", tmp_path / "out")
    assert ended.code == 2
    message = ended.error.strip()
    assert expected in message
    assert "To fix: " in message
    assert len(message.splitlines()) == 1
