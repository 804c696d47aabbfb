"""``regatta doctor --cluster`` names what is missing, and what to do."""

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from regatta.cli import app
from tests.unit.cluster.doubles import KubernetesDouble, PipelinesDouble, kubeconfig

SPACE = "/api/v1/namespaces/kubeflow"
SERVING = "/apis/serving.kserve.io"
RUNTIME = f"{SERVING}/v1alpha1/namespaces/regatta/servingruntimes/regatta"
OBJECTS: dict[str, Any] = {
    "/version": {"gitVersion": "v1.34.4"},
    SPACE: {},
    f"{SPACE}/secrets/regatta-store": {},
    f"{SPACE}/secrets/mlpipeline-minio-artifact": {},
    f"{SPACE}/resourcequotas": {"items": []},
    f"{SPACE}/configmaps/kfp-launcher": {"data": {"defaultPipelineRoot": "minio://models/v2"}},
    SERVING: {"groupVersion": "v1beta1"},
    RUNTIME: {},
}
FULL = {
    "items": [
        {
            "metadata": {"name": "regatta"},
            "status": {
                "hard": {"pods": "20", "requests.memory": "16Gi", "requests.cpu": "4"},
                "used": {"pods": "3", "requests.memory": "16384Mi", "requests.cpu": "250m"},
            },
        }
    ]
}


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    for name in ("KF_PIPELINES_ENDPOINT", "KUBERNETES_SERVICE_HOST", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)


def doctor(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    double: KubernetesDouble,
    *more: str,
    refusal: tuple[int, Any] | None = None,
) -> tuple[int, str]:
    pipelines = PipelinesDouble({})
    pipelines.refusal = refusal
    with double.serving(), pipelines.serving():
        place = "kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION"
        monkeypatch.setattr(place, str(kubeconfig(tmp_path, double.url)))
        command = ["doctor", "--cluster", "--host", pipelines.url, *more]
        result = CliRunner().invoke(app, command)
    return result.exit_code, " ".join(result.output.split())


def test_a_cluster_that_has_it_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, output = doctor(tmp_path, monkeypatch, KubernetesDouble(OBJECTS))
    assert code == 0, output
    assert "Cluster: ready" in output
    assert "✗" not in output
    assert "images not known before a node pulls them" in output


@pytest.mark.parametrize(
    ("path", "words"),
    [
        (SPACE, "namespace kubeflow"),
        (f"{SPACE}/secrets/regatta-store", "Secret regatta-store not in kubeflow"),
        (SERVING, "KServe not installed"),
        (RUNTIME, "ServingRuntime regatta missing in regatta"),
        (f"{SPACE}/configmaps/kfp-launcher", "ConfigMap kfp-launcher"),
    ],
)
def test_each_thing_that_is_missing(
    path: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = {key: value for key, value in OBJECTS.items() if key != path}
    code, output = doctor(tmp_path, monkeypatch, KubernetesDouble(objects))
    assert code == 4
    assert output.count("✗") == 1
    assert words in output
    assert "to fix:" in output


@pytest.mark.parametrize("right", ["create inferenceservices", "list pods", "get workflows"])
def test_a_right_that_is_missing(
    right: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    double = KubernetesDouble(OBJECTS, denied=(right,))
    code, output = doctor(tmp_path, monkeypatch, double)
    assert code == 4
    assert f"right on {right.split()[1]} no {right.split()[0]}" in output


def test_a_quota_that_is_used_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    objects = {**OBJECTS, f"{SPACE}/resourcequotas": FULL}
    code, output = doctor(tmp_path, monkeypatch, KubernetesDouble(objects))
    assert code == 4
    assert "quota regatta requests.memory 16384Mi of 16Gi" in output


def test_a_bucket_that_cannot_be_reached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setattr("regatta.cluster.checks.STORE_SECONDS", 0.2)
    code, output = doctor(tmp_path, monkeypatch, KubernetesDouble(OBJECTS))
    assert code == 4
    assert "✗ artifact bucket" in output


@pytest.mark.parametrize(
    ("refusal", "words"),
    [
        ((401, {"message": "no"}), "the token is missing or has expired"),
        ((403, {"message": "no"}), "has no right in namespace 'mine'"),
    ],
)
def test_a_refusal_of_pipelines(
    refusal: tuple[int, Any], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = {
        key.replace("/namespaces/kubeflow", "/namespaces/mine"): value
        for key, value in OBJECTS.items()
    }
    double = KubernetesDouble(objects)
    code, output = doctor(tmp_path, monkeypatch, double, "--namespace", "mine", refusal=refusal)
    assert code == 4
    assert words in output
    assert output.count("✗") == 1


def test_nothing_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    place = "kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION"
    monkeypatch.setattr(place, "none")
    result = CliRunner().invoke(app, ["doctor", "--cluster"])
    assert result.exit_code == 4
    assert "set KF_PIPELINES_ENDPOINT" in result.output
    assert "set KUBECONFIG" in result.output


def test_it_says_what_tasks_take_as_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, output = doctor(tmp_path, monkeypatch, KubernetesDouble(OBJECTS))
    assert "ConfigMap regatta-defaults none: runs name their registry" in output
    values = {"data": {"REGATTA_MODELS": "s3://models/regatta", "AWS_DEFAULT_REGION": "x"}}
    objects = {**OBJECTS, f"{SPACE}/configmaps/regatta-defaults": values}
    _, output = doctor(tmp_path, monkeypatch, KubernetesDouble(objects))
    assert "AWS_DEFAULT_REGION=x, REGATTA_MODELS=s3://models/regatta" in output


@pytest.mark.parametrize(
    ("policy", "said"),
    [("Always", "pods that die are tried again"), ("OnError", "one of them ends its run")],
)
def test_it_says_what_becomes_of_pods_that_die(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, policy: str, said: str
) -> None:
    text = f"spec:\n  templateDefaults:\n    retryStrategy:\n      retryPolicy: {policy}\n"
    place = f"{SPACE}/configmaps/workflow-controller-configmap"
    objects = {**OBJECTS, place: {"data": {"workflowDefaults": text}}}
    _, output = doctor(tmp_path, monkeypatch, KubernetesDouble(objects))
    assert said in output
    assert ("kubectl -n kubeflow patch" in output) == (policy != "Always")
