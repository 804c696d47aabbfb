"""The champion of a registry in a real object store, and its service on a double of a cluster."""

import json
from pathlib import Path
from typing import Any

import pytest
from kubernetes import config
from typer.testing import CliRunner

from regatta.artifacts import write_json, writing
from regatta.cli import app
from regatta.deployment import Cluster, deploy_champion, follow
from regatta.errors import DeployError, SettingsError
from regatta.registry import Registry
from regatta.settings import DeploySettings, RunSettings
from regatta.stages import deploy, register
from tests.kserve_double import Double
from tests.object_store import ObjectStore

SAMPLES = {"rows": [{"x": 1.0}, {"x": 2.5}], "predictions": [[2.0], [5.0]]}
SETTINGS = DeploySettings(target="kserve")


@pytest.fixture
def root(
    object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> str:
    for name, value in object_store.environment.items():
        monkeypatch.setenv(name, value)
    return f"s3://models/{request.node.name}"


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    described = {
        "task": "regression",
        "target": "y",
        "metric": "rmse",
        "score": 1.0,
        "members": [],
        "fingerprint": "f",
        "classes": [],
        "thresholds": None,
        "signature": [{"name": "x", "example": 2.0}],
    }
    with writing(tmp_path / "bundle", "bundle") as folder:
        write_json(folder / "bundle.json", described)
    return tmp_path / "bundle"


@pytest.fixture
def registry(root: str, bundle: Path) -> Registry:
    registry = Registry(root)
    for _ in range(2):
        registry.register(bundle, "churn", verdict="promote")
    return registry


@pytest.fixture
def configured(double: Double, monkeypatch: pytest.MonkeyPatch) -> Double:
    """A kubeconfig that names the double."""

    def load(client_configuration: Any, context: str | None = None) -> None:
        client_configuration.host = double.url

    monkeypatch.setattr(config, "load_kube_config", load)
    return double


def test_the_stages_register_and_deploy(
    configured: Double, root: str, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("regatta.deployment.kserve.is_inside", lambda: True)
    measured = {
        "verdict": "promote",
        "metric": {"score": 1.0},
        "locked": {"sha256": "", "lock": {}},
        "comparison": {"reason": "first"},
    }
    with writing(tmp_path / "evaluation", "evaluation") as folder:
        write_json(folder / "evaluation.json", measured)
        write_json(folder / "samples.json", SAMPLES)
    settings = RunSettings.from_values(
        {"name": "churn", "deploy": {"target": "kserve", "registry": root}}
    ).to_json()
    paths = [str(tmp_path / name) for name in ("bundle", "evaluation", "version", "service")]
    register.run(paths[0], paths[1], settings, paths[2])
    for _ in range(2):
        numbers = deploy.run(paths[2], paths[1], settings, paths[3])
        url = configured.url
        wanted = {"target": "kserve", "url": url, "version": 1, "max_abs_difference": 0.0}
        assert numbers == wanted
    service = json.loads((tmp_path / "service" / "service.json").read_text())
    assert service["uri"] == f"{root}/models/churn/versions/1/bundle"
    assert service["protocols_checked"] == ["v1", "v2"]
    assert list(configured.services) == ["churn"]


def test_another_version_is_asked_for_its_example(
    double: Double, cluster: Cluster, registry: Registry
) -> None:
    samples = {1: {"rows": [{"x": 1.0}], "predictions": [[99.0]]}}
    done = deploy_champion(cluster, registry, "churn", SETTINGS, samples=samples, inside=True)
    assert (done.wanted.version, done.max_abs_difference) == ("2", 0.0)


def test_a_folder_is_no_registry_for_a_cluster(
    cluster: Cluster, tmp_path: Path, bundle: Path
) -> None:
    registry = Registry(tmp_path / "registry")
    registry.register(bundle, "churn", verdict="promote")
    with pytest.raises(SettingsError, match="the registry is the folder"):
        deploy_champion(cluster, registry, "churn", SETTINGS)


def test_follow_keeps_what_the_service_asks_for(
    double: Double, cluster: Cluster, registry: Registry
) -> None:
    assert follow(cluster, registry, "churn") is None
    chosen = SETTINGS.model_copy(update={"replicas": 2, "memory": "1Gi", "runtime": ""})
    deploy_champion(cluster, registry, "churn", chosen)
    before = double.services["churn"]["spec"]["predictor"]
    registry.rollback("churn")
    done = follow(cluster, registry, "churn")
    assert done is not None
    assert (done.wanted.version, done.replaced, done.max_abs_difference) == ("1", "2", None)
    after = double.services["churn"]["spec"]["predictor"]
    before["model"] |= {"storageUri": done.wanted.uri, "args": ["--model_version=1"]}
    assert after == before


def test_a_service_of_another_registry_is_left_alone(
    cluster: Cluster, registry: Registry, bundle: Path
) -> None:
    deploy_champion(cluster, registry, "churn", SETTINGS)
    other = Registry(f"{registry.root}-2")
    other.register(bundle, "churn", verdict="promote")
    assert follow(cluster, other, "churn") is None


def test_rollback_is_one_command(configured: Double, cluster: Cluster, registry: Registry) -> None:
    deploy_champion(cluster, registry, "churn", SETTINGS)

    def invoke(*arguments: str) -> Any:
        command = ["models", *arguments, "--registry", str(registry.root)]
        return CliRunner().invoke(app, command, env={"COLUMNS": "200"})

    result = invoke("rollback", "churn")
    assert result.exit_code == 0, result.exception
    assert f"Version 1 is the champion of churn.\nIt is served at {configured.url}" in result.output
    assert configured.served("churn") == "1"
    result = invoke("promote", "churn", "2", "--json")
    assert json.loads(result.output)["service"] == {"url": configured.url, "version": 2}
    result = invoke("rollback", "churn", "--no-deploy")
    assert "keeps its version" in result.output
    assert configured.served("churn") == "2"


def test_a_rollback_that_fails_changes_no_alias(
    configured: Double, cluster: Cluster, registry: Registry
) -> None:
    deploy_champion(cluster, registry, "churn", SETTINGS)
    configured.faults[registry.version("churn", 1).uri] = "crash"
    command = ["models", "rollback", "churn", "--registry", str(registry.root)]
    result = CliRunner().invoke(app, command)
    assert isinstance(result.exception, DeployError)
    assert registry.aliases("churn") == {"champion": 2, "previous": 1}
    assert configured.served("churn") == "2"
