import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from regatta.runs.results import Outcome
from regatta.runs.summary import show

REASON = "The new model is not better than the champion on the same rows."


def outcome(**changes: Any) -> Outcome:
    """Return a finished run, with some values of its version, service or evaluation changed."""
    trial = {"id": "00-000-linear", "status": "ok", "score": 0.9, "seconds": 1.0, "weight": 1.0}
    evaluation = {
        "metric": {"key": "roc_auc", "score": 0.9, "low": 0.8, "high": 0.95, "baseline": 0.5},
        "intervals": {"confidence": 0.95},
        "verdict": "promote",
        "comparison": {"reason": REASON},
        "findings": [],
    }
    record = {
        "version": {"name": "churn", "version": 3, "aliases": ["champion"]},
        "service": {"url": "http://127.0.0.1:8080", "model": "churn", "version": 3},
        "seconds": 19.0,
        "budget_seconds": 20.0,
    }
    trials = [{**trial, **changes.pop("trial", {})}]
    kept = ("version", "service", "settings")
    record |= {key: changes.pop(key) for key in kept if key in changes}
    leaderboard = {"metric": "roc_auc", "trials": trials}
    return Outcome(Path("/out"), record, leaderboard, evaluation | changes)


def shown(**changes: Any) -> str:
    stream = io.StringIO()
    show(outcome(**changes), Console(file=stream, width=200))
    return stream.getvalue()


def test_a_promoted_version_is_the_one_in_service() -> None:
    text = shown()
    assert "version      churn@3, champion\n" in text
    assert "service      http://127.0.0.1:8080\n" in text
    assert "regatta predict churn@3 TABLE" in text
    assert "warning" not in text


def test_a_version_that_was_not_promoted_says_who_serves() -> None:
    text = shown(
        verdict="keep",
        version={"name": "churn", "version": 3, "aliases": ["challenger"]},
        service={"url": "http://127.0.0.1:8080", "model": "churn", "version": 2},
    )
    assert "churn@3, challenger" in text
    assert "http://127.0.0.1:8080 still serves churn@2" in text
    assert f"The champion stays. {REASON}" in text
    assert "regatta models promote churn 3" in text


def test_commands_name_the_registry_that_the_run_was_given() -> None:
    assert "--registry" not in shown(verdict="keep")
    text = shown(verdict="keep", settings={"deploy": {"registry": "/our models"}})
    assert "regatta models promote churn 3 --registry '/our models'\n" in text
    assert "regatta predict churn@3 TABLE --out predictions.csv --registry '/our models'\n" in text


def test_warnings_about_the_table_are_shown() -> None:
    many = [
        {"level": level, "column": column, "code": "x", "message": f"look at {number}"}
        for number, (level, column) in enumerate(
            [("info", "a"), ("warning", ""), *[("warning", "b")] * 6]
        )
    ]
    text = shown(findings=many)
    assert "look at 0" not in text
    assert "warning      look at 1\n" in text
    assert "warning      'b': look at 2\n" in text
    assert "2 more warnings" in text


@pytest.mark.parametrize("truncated", [True, False])
def test_a_trial_that_the_clock_stopped_is_marked(truncated: bool) -> None:
    assert ("1.0*" in shown(trial={"truncated": truncated})) == truncated


def test_without_an_interval_the_reason_is_given() -> None:
    metric = {"key": "roc_auc", "score": 1.0, "low": None, "high": None, "baseline": None}
    assert "too few rows for an interval" in shown(metric=metric)
