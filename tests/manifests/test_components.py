"""The components that a site may add, put on what they are added to."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from regatta.serving import metrics
from regatta.store import connect
from tests.manifests.conftest import MANIFESTS, Object, documents, renderer
from tests.manifests.test_manifests import containers, of_kind
from tests.object_store import ACCESS_KEY, SECRET_KEY, object_store

__all__ = ["object_store"]

COMPONENTS = MANIFESTS / "components"
# What an installation of Kubeflow Pipelines has of the objects that are changed.
PIPELINES = [
    {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"kept": "yes"}}
    for name in ("kfp-launcher", "workflow-controller-configmap")
] + [
    {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "workflow-controller"},
        "spec": {
            "selector": {"matchLabels": {"app": "workflow-controller"}},
            "template": {
                "metadata": {"labels": {"app": "workflow-controller"}},
                "spec": {
                    "containers": [
                        {
                            "name": "workflow-controller",
                            "image": "argo:1",
                            "env": [{"name": "LEADER_ELECTION_IDENTITY", "value": "x"}],
                        }
                    ]
                },
            },
        },
    }
]


def rendered(folder: Path, *components: str) -> list[Object]:
    """Render components on an installation of Kubeflow Pipelines."""
    command = renderer()
    if command is None:
        pytest.skip("no kubectl and no kustomize on the PATH or in KUBECTL")
    (folder / "there.yaml").write_text(yaml.safe_dump_all(PIPELINES))
    chosen = [os.path.relpath(COMPONENTS / name, folder.resolve()) for name in components]
    content = {"namespace": "kubeflow", "resources": ["there.yaml"], "components": chosen}
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(content))
    done = subprocess.run([*command, folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return documents(done.stdout)


def test_pods_that_were_deleted_are_tried_again(tmp_path: Path) -> None:
    found = {one["metadata"]["name"]: one for one in rendered(tmp_path, "kfp-storage")}
    settings = found["workflow-controller-configmap"]["data"]
    assert settings["kept"] == "yes"
    strategy = yaml.safe_load(settings["workflowDefaults"])["spec"]["templateDefaults"]
    # A limit above zero would give every task of every pipeline a second try.
    assert strategy == {"retryStrategy": {"limit": "0", "retryPolicy": "Always"}}
    (container,) = containers([found["workflow-controller"]])
    names = {one["name"]: one["value"] for one in container["env"]}
    assert names == {"LEADER_ELECTION_IDENTITY": "x", "DEFAULT_REQUEUE_TIME": "1s"}
    providers = yaml.safe_load(found["kfp-launcher"]["data"]["providers"])
    assert providers["minio"]["default"]["credentials"]["fromEnv"] is False


def test_minio_is_restricted_and_holds_no_key(tmp_path: Path) -> None:
    objects = rendered(tmp_path, "minio", "kfp-storage")
    assert not of_kind(objects, "Secret")
    (stateful,) = of_kind(objects, "StatefulSet")
    (job,) = of_kind(objects, "Job")
    (service,) = of_kind(objects, "Service")
    for workload in (stateful, job):
        spec = workload["spec"]["template"]["spec"]
        assert spec["automountServiceAccountToken"] is False
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in containers([stateful, job]):
        context = container["securityContext"]
        assert context["readOnlyRootFilesystem"] is True
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert {"cpu", "memory"} <= container["resources"]["limits"].keys()
        assert re.search(r":[^:/]*[0-9]", container["image"])
        for variable in container["env"]:
            if re.search("KEY|SECRET|PASSWORD|USER", variable["name"]):
                assert "secretKeyRef" in variable["valueFrom"]
    launcher = next(one for one in objects if one["metadata"]["name"] == "kfp-launcher")
    address = f"{service['metadata']['name']}.kubeflow:9000"
    assert address in launcher["data"]["providers"]


def test_buckets_are_made_and_readers_only_read(object_store) -> None:
    script = COMPONENTS / "minio" / "buckets.py"
    environment = {
        "ENDPOINT": object_store.endpoint.removeprefix("http://"),
        "ROOT_KEY": ACCESS_KEY,
        "ROOT_SECRET": SECRET_KEY,
        "READER_KEY": "models-reader",
        "READER_SECRET": "models-reader-secret",
    }
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, script], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    reader = connect(
        {
            "AWS_ENDPOINT_URL": object_store.endpoint,
            "AWS_ACCESS_KEY_ID": environment["READER_KEY"],
            "AWS_SECRET_ACCESS_KEY": environment["READER_SECRET"],
        },
        patience_seconds=5,
    )
    from regatta.errors import StoreError
    from regatta.store import Location

    assert list(reader.list(Location("models"))) == []
    with pytest.raises(StoreError):
        reader.write(Location("models", "x"), b"1")
    with pytest.raises(StoreError):
        list(reader.list(Location("mlpipeline")))


def test_rules_and_panels_ask_for_metrics_that_there_are() -> None:
    there = {
        f"{metric._name}{suffix}"
        for metric in vars(metrics).values()
        if hasattr(metric, "_name")
        for suffix in ("", "_total", "_sum", "_count", "_bucket")
    }
    folder = COMPONENTS / "monitoring"
    board = json.loads((folder / "dashboard.json").read_text())
    texts = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    (rules,) = documents((folder / "rules.yaml").read_text())
    texts += [rule["expr"] for group in rules["spec"]["groups"] for rule in group["rules"]]
    asked = set(re.findall(r"\bregatta_\w+", " ".join(texts)))
    assert asked
    assert asked <= there
