"""Recurring runs: when they start, and that there is one of a name."""

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regatta import errors
from regatta.cluster.compiled import parameters
from regatta.cluster.schedule import FIELDS, cron_trigger, periodic_trigger, trigger_of
from regatta.runs.workflows import locate
from tests.unit.cluster.doubles import PipelinesDouble
from tests.unit.cluster.submitting import double, submit

__all__ = ["double"]

EXAMPLE = locate() / "manifests" / "examples" / "recurring-run.json"


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KF_PIPELINES_ENDPOINT", raising=False)


def last_body(double: PipelinesDouble) -> dict[str, Any]:
    bodies = zip(double.asked, double.bodies, strict=True)
    found = [b for (verb, path, _), b in bodies if verb == "POST" and path.endswith("runs")]
    values: dict[str, Any] = json.loads(found[-1])
    return values


def test_a_schedule_is_made_and_no_run(double: PipelinesDouble) -> None:
    error, output = submit(double.url, "--cron", "0 0 6 * * 1", "--argument", "pods_memory=3Gi")
    assert error is None
    assert "schedule   rr1" in output
    assert f"{double.url}/#/recurringrun/details/rr1" in output
    body = last_body(double)
    assert body["trigger"] == {"cron_schedule": {"cron": "0 0 6 * * 1"}}
    assert (body["max_concurrency"], body["no_catchup"], body["mode"]) == (1, True, "ENABLE")
    assert body["pipeline_version_reference"] == {"pipeline_id": "p1", "pipeline_version_id": "v1"}
    sent = body["runtime_config"]["parameters"]
    assert (sent["data_source"], sent["pods_memory"]) == ("s3://tables/churn.csv", "3Gi")
    # The budget of each run begins when it starts, not when the schedule is made.
    assert sent["run_started_at"] == 0
    assert not [path for _, path, _ in double.asked if path == "/apis/v2beta1/runs"]


def test_the_older_schedule_of_the_name_is_replaced(double: PipelinesDouble) -> None:
    submit(double.url, "--cron", "0 0 6 * * 1")
    other = {**double.recurring[0], "recurring_run_id": "other"}
    double.recurring += [
        {**other, "display_name": "iris"},
        {**other, "pipeline_version_reference": {"pipeline_id": "p2"}},
        {**other, "experiment_id": "e2"},
    ]
    error, output = submit(double.url, "--every", "1h")
    assert error is None
    assert "replaced   rr1" in output
    assert output.count("replaced") == 1
    assert len(double.recurring) == 4
    made = double.recurring[-1]
    assert made["trigger"] == {"periodic_schedule": {"interval_second": "3600"}}
    verbs = [verb for verb, path, _ in double.asked if "recurringruns" in path]
    assert verbs == ["POST", "GET", "POST", "GET", "DELETE"]


def test_what_the_server_refuses_replaces_nothing(double: PipelinesDouble) -> None:
    submit(double.url, "--cron", "0 0 6 * * 1")
    real = double.answer

    def answer(verb: str, path: str, query: dict[str, str], body: bytes) -> tuple[int, Any]:
        if verb == "POST" and path.endswith("recurringruns"):
            return 400, {"code": 3, "message": "parameter(s) provided are not required: nope"}
        return real(verb, path, query, body)

    double.answer = answer  # type: ignore[method-assign]
    error, _ = submit(double.url, "--cron", "0 0 7 * * 1")
    assert isinstance(error, errors.UsageError)
    assert "refuses the recurring run" in str(error)
    assert [one["recurring_run_id"] for one in double.recurring] == ["rr1"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0 6 * * 1", "has 5 fields; expected six fields: second minute hour"),
        ("0 6 * * 1", 'seconds come first: --cron "0 0 6 * * 1"'),
        ("", "has 0 fields"),
        ("@daily", "has 1 fields"),
        ("60 0 6 * * 1", "'60' for the second"),
        ("0 0 24 * * 1", "expected 0 to 23"),
        ("0 0 6 0 * *", "'0' for the day of the month"),
        ("0 0 6 * * 7", "'7' for the day of the week"),
        ("0 0 6 * * monday", "expected 0 to 6 or sun to sat"),
        ("0 0 6 * 5-2 *", "'5-2' for the month"),
        ("0 0 6 * * 1,", "'' for the day of the week"),
        ("0 */0 6 * * 1", "'*/0' for the minute"),
        ("0 0 6 30 feb *", "never comes: no such month has a day 30"),
    ],
)
def test_a_text_that_is_no_cron(text: str, words: str) -> None:
    error, _ = submit("http://127.0.0.1:1", "--cron", text)
    assert isinstance(error, errors.UsageError)
    assert words in str(error)


@pytest.mark.parametrize(
    "text",
    [
        "0 0 6 * * 1",
        "*/5 0-30/10,45 ? 1,15 JAN-mar *",
        "0 0 0 29 2 ?",
        "0 0 6 31 2,3 *",
        "0 5/15 * * * SUN",
    ],
)
def test_texts_that_the_server_takes(text: str) -> None:
    assert cron_trigger(f" {text} ") == {"cron_schedule": {"cron": text}}


@pytest.mark.parametrize("text", ["0", "59s", "60.5s", "soon", "-1h", ""])
def test_a_length_between_runs_is_a_minute_or_more(text: str) -> None:
    with pytest.raises(errors.UsageError, match="--every"):
        periodic_trigger(text)


def test_one_of_both() -> None:
    assert trigger_of(None, None) is None
    with pytest.raises(errors.UsageError, match="both given"):
        trigger_of("0 0 6 * * 1", "1h")


@settings(max_examples=60, deadline=None)
@given(st.tuples(*(st.integers(low, high) for _, low, high, _ in FIELDS)))
def test_any_numbers_within_bounds_are_taken(numbers: tuple[int, ...]) -> None:
    text = " ".join(map(str, numbers))
    assert cron_trigger(text) == {"cron_schedule": {"cron": text}}


@settings(max_examples=60, deadline=None)
@given(st.text("0123456789*?/-,abnsu ", max_size=30))
def test_any_text_is_taken_or_refused(text: str) -> None:
    with contextlib.suppress(errors.UsageError):
        assert cron_trigger(text) == {"cron_schedule": {"cron": " ".join(text.split())}}


def test_the_example_is_what_is_sent(double: PipelinesDouble) -> None:
    example = json.loads(EXAMPLE.read_text(encoding="utf-8"))
    given = example["runtime_config"]["parameters"]
    cron = example["trigger"]["cron_schedule"]["cron"]
    options = ["--cron", cron, "--registry", given["release_registry"]]
    error, _ = submit(double.url, *options, "--deploy", given["release_target"], "--budget", "10m")
    assert error is None
    sent = last_body(double)
    assert given.keys() <= parameters().keys()
    assert given.items() <= sent["runtime_config"].pop("parameters").items()
    del example["runtime_config"]["parameters"]
    for identity in ("pipeline_id", "pipeline_version_id"):
        assert example["pipeline_version_reference"].pop(identity).endswith("_ID")
        del sent["pipeline_version_reference"][identity]
    assert example.pop("experiment_id").endswith("_ID")
    del sent["experiment_id"]
    assert example == sent
