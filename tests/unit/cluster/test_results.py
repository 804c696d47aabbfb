"""What a run leaves is downloaded and summed up, and shown while it goes on."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from rich.console import Console
from typer.testing import CliRunner

from regatta.cli import app
from regatta.cluster.following import Best, Following
from regatta.cluster.results import wanted
from regatta.cluster.view import View
from regatta.cluster.workflow import Workflow
from tests.unit.cluster.doubles import PipelinesDouble, recorded

EVALUATION = {
    "metric": {"key": "roc_auc", "score": 0.95, "low": 0.92, "high": 0.97, "baseline": 0.5},
    "intervals": {"confidence": 0.95},
    "comparison": {"reason": ""},
    "verdict": "promote",
    "findings": [],
}
LEADERBOARD = {
    "metric": "roc_auc",
    "trials": [{"id": "00-linear", "status": "ok", "score": 0.95, "seconds": 1.0, "weight": 1.0}],
}
CONTENT = {
    "report": "<!doctype html>",
    "evaluation": json.dumps(EVALUATION),
    "leaderboard": json.dumps(LEADERBOARD),
    "version": json.dumps({"name": "toy", "version": 3, "aliases": ["champion"]}),
    "service": "{}",
}


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", "none")
    monkeypatch.setattr("regatta.cluster.watch.POLL_SECONDS", 0.01)
    monkeypatch.setattr("regatta.cluster.results.PATIENCE_SECONDS", 0.2)


def finish(tmp_path: Path, files: dict[str, str]) -> Any:
    with PipelinesDouble(recorded("train.json")).serving() as double:
        assert isinstance(double, PipelinesDouble)
        double.files = files
        command = ["submit", "train", "--host", double.url, "--source", "s3://tables/toy.csv"]
        options = ["--target", "outcome", "--name", "toy", "--out", str(tmp_path / "out")]
        return CliRunner().invoke(app, [*command, *options])


def test_report_and_leaderboard_come_through_the_dashboard(tmp_path: Path) -> None:
    places = wanted(Workflow.read(recorded("train.json")))
    files = {urlsplit(uri).path.lstrip("/"): CONTENT[name] for name, uri in places.items()}
    result = finish(tmp_path, files)
    assert result.exit_code == 0, result.output
    out = tmp_path / "out"
    assert (out / "report.html").read_text() == "<!doctype html>"
    record = json.loads((out / "run.json").read_text())
    assert record["version"]["version"] == 3
    assert 60 < record["seconds"] < 600
    assert sorted(path.name for path in out.iterdir()) == [
        "evaluation.json",
        "leaderboard.json",
        "report.html",
        "run.json",
        "service.json",
        "version.json",
    ]
    for word in ("00-linear", "toy@3, champion", "roc_auc 0.95", "trial 0"):
        assert word in result.output


def test_files_that_cannot_be_had_are_said(tmp_path: Path) -> None:
    result = finish(tmp_path, {})
    assert result.exception.exit_code == 4  # type: ignore[union-attr]
    assert "cannot be downloaded" in str(result.exception)
    assert "AWS_ENDPOINT_URL" in str(result.exception)
    assert list((tmp_path / "out").iterdir()) == []


def test_the_live_view_shows_tasks_lanes_and_the_best_score() -> None:
    following = Following(2, 0.0)
    following.take(Workflow.read(recorded("train.json")), 1.0)
    following.best = Best("roc_auc", 0.95074)
    console = Console(width=80)
    with console.capture() as capture:
        console.print(View(following, console).render())
    text = capture.get()
    for word in ("prepare", "2 of 2 lanes", "best so far  roc_auc 0.95074", "release"):
        assert word in text


def test_the_live_view_shows_why_a_pod_waits() -> None:
    following = Following(2, 0.0)
    following.take(Workflow.read(recorded("image.json")), 1.0)
    console = Console(width=80)
    with console.capture() as capture:
        console.print(View(following, console).render())
    text = capture.get()
    assert "0 of 2 lanes" in text
    assert "ImagePull" in text
