"""``regatta submit`` against a double of Kubeflow Pipelines that answers what was recorded."""

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from regatta import errors
from regatta.cli import app
from regatta.cluster import submission
from regatta.cluster.compiled import arguments, parameters
from regatta.cluster.workflow import Workflow
from regatta.runs.workflows import locate
from tests.unit.cluster.doubles import KubernetesDouble, PipelinesDouble, kubeconfig, recorded
from tests.unit.cluster.submitting import TABLE, double, submit

__all__ = ["double"]

CONTENT = locate() / "pipelines" / "train" / "pipeline.yaml"


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither a cluster nor a context of the person who runs the tests."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    for name in ("KF_PIPELINES_ENDPOINT", "KUBERNETES_SERVICE_HOST", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("regatta.cluster.watch.POLL_SECONDS", 0.01)
    monkeypatch.setattr("regatta.cluster.results.PATIENCE_SECONDS", 0.5)
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", "none")


def sent(double: PipelinesDouble, end: str) -> dict[str, Any]:
    bodies = zip(double.asked, double.bodies, strict=True)
    body = next(b for (verb, path, _), b in bodies if verb == "POST" and path.endswith(end))
    values: dict[str, Any] = json.loads(body)
    return values


def test_a_run_is_sent_with_all_parameters(double: PipelinesDouble) -> None:
    error, output = submit(
        double.url, "--no-wait", "--workers", "3", "--set", "search.max_trials=5"
    )
    assert error is None
    assert f"{double.url}/#/runs/details/r1" in output
    assert "uploaded" in output
    parameters = sent(double, "/runs")["runtime_config"]["parameters"]
    assert parameters["data_source"] == "s3://tables/churn.csv"
    assert (parameters["search_lanes"], parameters["run_name"]) == (3, "churn")
    assert json.loads(parameters["run_settings"])["search"] == {"max_trials": 5}
    known = CONTENT.read_text()
    assert all(f"{name}:" in known for name in parameters)


def test_a_version_that_is_there_is_used_again(double: PipelinesDouble) -> None:
    submit(double.url, "--no-wait")
    _, output = submit(double.url, "--no-wait")
    assert "reused" in output
    uploads = [path for _, path, _ in double.asked if path.endswith("upload_version")]
    assert len(uploads) == 1
    assert double.versions[0]["display_name"] == submission.version_name(CONTENT.read_bytes())
    assert len(double.experiments) == len(double.pipelines) == 1


def test_the_token_is_sent_and_never_shown(double: PipelinesDouble) -> None:
    _, output = submit(double.url, "--no-wait", "--token", "s3cr3t")
    assert double.headers[0]["Authorization"] == "Bearer s3cr3t"
    assert "s3cr3t" not in output


def failing(name: str, log: str) -> PipelinesDouble:
    values = recorded(f"{name}.json")
    pods = {step.pod: log for step in Workflow.read(values).failures()}
    return PipelinesDouble(values, logs=pods)


def test_what_the_task_said_ends_the_command() -> None:
    with failing("said", recorded("said.log")).serving() as double:
        error, _ = submit(double.url)
    assert isinstance(error, errors.UsageError)
    assert "task trial, lane 1: column 'churn' is not in the table" in str(error)


def test_the_pod_that_ran_out_of_memory_ends_the_command(tmp_path: Path) -> None:
    with failing("memory", "").serving() as double:
        error, output = submit(double.url, "--out", str(tmp_path))
    reason = json.loads((tmp_path / "reason.json").read_text())
    assert (reason["code"], reason["task"], reason["lane"]) == ("OOMKilled", "trial", 1)
    assert isinstance(error, errors.ClusterError)
    assert "OOMKilled (exit code 137)" in str(error)
    assert "trial 1" in output


def test_a_run_that_hangs_is_said_and_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("regatta.cluster.following.STUCK_SECONDS", 0.0)
    with PipelinesDouble(recorded("image.json")).serving() as double:
        assert isinstance(double, PipelinesDouble)
        error, output = submit(double.url, "--end-when-stuck")
        assert double.ended
    assert "the run hangs: task trial, lane" in output
    assert "localhost/absent-python:1" in str(error)


def test_a_run_that_hangs_goes_on_unless_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("regatta.cluster.following.STUCK_SECONDS", 0.0)
    with PipelinesDouble(recorded("processor.json")).serving() as double:
        assert isinstance(double, PipelinesDouble)
        error, output = submit(double.url, "--timeout", "0.3s")
        assert not double.ended
    assert output.count("the run hangs") <= 2
    assert "the time of --timeout is over" in str(error)


def test_kubernetes_is_asked_where_the_api_cannot_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = recorded("memory.json")
    for node in values["status"]["nodes"].values():
        node.pop("message", None)
    pods = "/api/v1/namespaces/kubeflow/pods"
    objects = {pods: recorded("memory-pods.json")}
    with PipelinesDouble(values).serving() as double, KubernetesDouble(objects).serving() as other:
        monkeypatch.setenv("KUBECONFIG", str(kubeconfig(tmp_path, other.url)))
        monkeypatch.setattr(
            "kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION",
            str(tmp_path / "kubeconfig"),
        )
        error, _ = submit(double.url)
    assert "more memory than its limit" in str(error)


@pytest.mark.parametrize(
    ("answer", "words", "kind"),
    [
        ((401, {"message": "Unauthenticated"}), "the token is missing or has expired", "cluster"),
        ((403, {"message": "no access"}), "--namespace", "cluster"),
        ((302, "go away"), "give a token with --token", "cluster"),
        ((500, {"message": "database is down"}), "answers 500: database is down", "cluster"),
        ((200, "<html>"), "not as Kubeflow Pipelines does", "cluster"),
    ],
)
def test_a_refusal_is_one_message(
    double: PipelinesDouble, answer: tuple[int, Any], words: str, kind: str
) -> None:
    double.refusal = answer
    error, _ = submit(double.url)
    assert isinstance(error, errors.ClusterError)
    assert (error.code, error.exit_code) == (kind, 4)
    assert words in str(error)


@pytest.mark.parametrize("host", ["http://127.0.0.1:1", "http://nope.invalid:8888"])
def test_a_host_that_does_not_answer(host: str) -> None:
    error, _ = submit(host)
    assert isinstance(error, errors.ClusterError)
    assert f"cannot be reached at {host}" in str(error)


def test_a_run_that_the_server_refuses(double: PipelinesDouble) -> None:
    real = double.answer

    def answer(verb: str, path: str, query: dict[str, str], body: bytes) -> tuple[int, Any]:
        if path == "/apis/v2beta1/runs":
            return 400, {"message": 'parameter "search_metric" does not match any of the literals'}
        return real(verb, path, query, body)

    double.answer = answer  # type: ignore[method-assign]
    error, _ = submit(double.url)
    assert isinstance(error, errors.UsageError)
    assert "search_metric" in str(error)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["--target", "y"], "add --source s3://bucket/key"),
        ([*TABLE, "--timeout", "5x"], "--timeout '5x' is no length of time"),
        (["--source", "churn.csv", "--target", "y"], "which pods cannot read"),
        (["--source", "s3://data", "--target", "y"], "is a bucket"),
        (["--source", "s3://data/x.csv"], "no target is named"),
        (["--source", "s3://data/x.csv", "--target", "y", "--host", "ftp://x"], "no address"),
        (["--source", "s3://data/x.csv", "--target", "y", "--argument", "x"], "no '='"),
        ([*TABLE, "--argument", "pods_cpus=2"], "did you mean 'pods_cpu'"),
        ([*TABLE, "--argument", "search_lanes=two"], "is of another type"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_sent(given: list[str], words: str) -> None:
    result = CliRunner().invoke(app, ["submit", "train", "--host", "http://127.0.0.1:1", *given])
    assert isinstance(result.exception, errors.UsageError)
    assert words in str(result.exception)


@settings(max_examples=15, deadline=None)
@given(st.text(max_size=30), st.sampled_from(sorted(parameters())))
def test_any_argument_is_read_or_refused(text: str, name: str) -> None:
    with contextlib.suppress(errors.UsageError):
        assert list(arguments([f"{name}={text}"])) == [name]
    with contextlib.suppress(errors.UsageError):
        arguments([text])


def test_without_a_host_it_says_how_to_get_one() -> None:
    result = CliRunner().invoke(app, ["submit", "train", *TABLE])
    assert "port-forward" in str(result.exception)
