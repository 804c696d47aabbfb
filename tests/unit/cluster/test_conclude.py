"""The exit task says why, and ends well whatever it finds."""

import json
from pathlib import Path
from typing import Any

import pytest

from regatta.cluster import conclude
from regatta.cluster.kube import Kubernetes
from regatta.cluster.workflow import Workflow
from tests.unit.cluster.doubles import KubernetesDouble, kubeconfig, recorded

FAILED = {"state": "FAILED", "pipeline_job_resource_name": "regatta-rec-x"}
PODS = "/api/v1/namespaces/kubeflow/pods"
WORKFLOW = "/apis/argoproj.io/v1alpha1/namespaces/kubeflow/workflows/regatta-rec-x"


def connected(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kubernetes:
    monkeypatch.setattr(
        "kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION",
        str(kubeconfig(tmp_path, url)),
    )
    found = Kubernetes.connect()
    assert found is not None
    assert found.namespace == "kubeflow"
    return found


def test_a_task_that_said_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pod = next(Workflow.read(recorded("said.json")).failures()).pod
    objects: dict[str, Any] = {
        WORKFLOW: recorded("said.json"),
        PODS: {"items": []},
        f"{PODS}/{pod}/log": recorded("said.log"),
    }
    with KubernetesDouble(objects).serving() as double:
        kubernetes = connected(double.url, tmp_path, monkeypatch)
        found = conclude.conclude(FAILED, kubernetes)
    assert found["state"] == "failed"
    assert found["reason"]["found"] == "column 'churn' is not in the table"
    assert (found["reason"]["lane"], found["reason"]["exit_code"]) == (1, 2)
    assert json.loads(json.dumps(found)) == found


def test_it_calls_what_its_role_allows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    objects = {WORKFLOW: recorded("memory.json"), PODS: recorded("memory-pods.json")}
    with KubernetesDouble(objects).serving() as double:
        found = conclude.conclude(FAILED, connected(double.url, tmp_path, monkeypatch))
    assert found["reason"]["code"] == "OOMKilled"
    asked = {(verb, path.partition("/namespaces/kubeflow/")[2]) for verb, path, _ in double.asked}
    pod = found["reason"]["pod"]
    name = "workflows/regatta-rec-x"
    assert asked == {("GET", name), ("GET", "pods"), ("GET", f"pods/{pod}/log")}


def test_a_right_that_is_missing_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with KubernetesDouble({}).serving() as double:
        found = conclude.conclude(FAILED, connected(double.url, tmp_path, monkeypatch))
    assert found["reason"] is None
    assert "Kubernetes refused GET" in found["unknown"]


def test_a_run_that_went_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with KubernetesDouble({WORKFLOW: recorded("finished.json")}).serving() as double:
        kubernetes = connected(double.url, tmp_path, monkeypatch)
        found = conclude.conclude({**FAILED, "state": "COMPLETE"}, kubernetes)
    assert (found["state"], found["reason"], found["unknown"]) == ("succeeded", None, "")


def test_an_api_that_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kubernetes = connected("http://127.0.0.1:1", tmp_path, monkeypatch)
    found = conclude.conclude(FAILED, kubernetes)
    assert "does not answer" in found["unknown"]


@pytest.mark.parametrize("state", ["SUCCEEDED", "FAILED", ""])
def test_outside_a_cluster_it_knows_the_state_only(
    state: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    numbers = conclude.run({"state": state}, str(tmp_path / "conclusion"))
    wanted = "succeeded" if state == "SUCCEEDED" else "failed"
    assert numbers == {"state": wanted}
    written = json.loads((tmp_path / "conclusion" / "conclusion.json").read_text())
    assert (written["state"], written["reason"]) == (wanted, None)
