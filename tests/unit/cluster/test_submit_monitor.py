"""``regatta submit monitor`` against the double of Kubeflow Pipelines."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from regatta import errors
from regatta.cli import app
from regatta.cluster.compiled import content, parameters
from regatta.cluster.submission import version_name
from tests.unit.cluster.doubles import PipelinesDouble
from tests.unit.cluster.submitting import double, submit

__all__ = ["double"]

SOURCE = ("--source", "s3://served/churn.csv")


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KF_PIPELINES_ENDPOINT", raising=False)


def monitor(url: str, *arguments: str) -> tuple[Any, str]:
    """Return the error that ends the command, and what it printed."""
    result = CliRunner().invoke(app, ["submit", "monitor", "--host", url, *arguments])
    return result.exception, result.output


def sent(double: PipelinesDouble) -> dict[str, Any]:
    bodies = zip(double.asked, double.bodies, strict=True)
    found = [b for (verb, path, _), b in bodies if verb == "POST" and path.endswith("runs")]
    values: dict[str, Any] = json.loads(found[-1])
    return values


def test_a_run_is_sent_with_what_the_pipeline_takes(double: PipelinesDouble) -> None:
    options = ("--registry", "s3://models/r", "--set", "monitor.psi=0.3", "--set", "seed=4")
    error, output = monitor(double.url, "churn@3", *SOURCE, *options, "--argument", "pods_cpu=2")
    assert error is None
    assert f"pipeline   regatta-monitor {version_name(content('monitor'))} (uploaded)" in output
    assert double.pipelines == ["regatta-monitor"]
    body = sent(double)
    assert body["display_name"].startswith("churn-monitor-")
    arguments = body["runtime_config"]["parameters"]
    assert set(arguments) <= set(parameters("monitor"))
    further = json.loads(arguments.pop("run_settings"))
    assert further == {"monitor": {"psi": 0.3}, "seed": 4}
    assert arguments == {
        "data_source": "s3://served/churn.csv",
        "pods_cpu": "2",
        "release_registry": "s3://models/r",
        "run_name": "churn",
        "run_version": "3",
    }


def test_a_schedule_stands_beside_that_of_training(double: PipelinesDouble) -> None:
    error, output = monitor(double.url, "churn", *SOURCE, "--cron", "0 0 6 * * 1")
    assert error is None
    assert "schedule   rr1" in output
    body = sent(double)
    assert body["display_name"] == "churn-monitor"
    assert body["trigger"] == {"cron_schedule": {"cron": "0 0 6 * * 1"}}
    assert body["runtime_config"]["parameters"]["run_version"] == "champion"
    submit(double.url, "--cron", "0 0 6 * * 1")
    assert [one["display_name"] for one in double.recurring] == ["churn-monitor", "churn"]
    _, output = monitor(double.url, "churn", *SOURCE, "--every", "12h")
    assert "replaced   rr1" in output
    assert [one["display_name"] for one in double.recurring] == ["churn", "churn-monitor"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("churn",), "no table is named"),
        (("churn", "--source", "served.csv"), "which pods cannot read"),
        (("runs/churn", *SOURCE), "'runs/churn' is not the name of a registered model"),
        (("churn", *SOURCE, "--argument", "search_lanes=3"), "no parameter 'search_lanes'"),
        (("churn", *SOURCE, "--every", "12h", "--cron", "0 0 6 * * 1"), "both given"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_sent(
    double: PipelinesDouble, arguments: tuple[str, ...], words: str
) -> None:
    error, _ = monitor(double.url, *arguments)
    assert isinstance(error, errors.UsageError)
    assert words in str(error)
    assert not double.asked
