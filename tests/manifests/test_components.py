"""The components that a site may add, put on what they are added to."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from regatta.registry import registry_root
from regatta.serving import metrics
from regatta.store import connect
from tests.manifests.conftest import MANIFESTS, OVERLAYS, Object, documents, renderer
from tests.manifests.conftest import rendered as overlay_rendered
from tests.manifests.test_manifests import containers, environment, of_kind

COMPONENTS = MANIFESTS / "components"
STORES = ("minio", "seaweedfs", "s3", "s3-plain")
OPS_IMAGE = "ghcr.io/me/regatta-python-ops:0.1.0"
SITE = {
    "OPS_IMAGE": OPS_IMAGE,
    "STORAGE_CLASS": "standard-rwo",
    "S3_ENDPOINT": "https://s3.example.com:9443",
    "S3_REGION": "eu-west-1",
}


def deployment(name: str, container: str, *env: Object) -> Object:
    labels = {"app": name}
    spec = {"containers": [{"name": container, "image": "there:1", "env": list(env)}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }


def plain(kind: str, name: str, version: str = "v1") -> Object:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}}


NAMESPACE = {"valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}}
CONTROLLER = documents(
    (Path(__file__).parent / "workflow-controller-configmap.yaml").read_text(encoding="utf-8")
)[0]
# What an installation of Kubeflow Pipelines 2.17 has of the objects that are changed.
PIPELINES = [
    {**plain("ConfigMap", "kfp-launcher"), "data": {"kept": "yes"}},
    CONTROLLER,
    deployment(
        "workflow-controller",
        "workflow-controller",
        {"name": "LEADER_ELECTION_IDENTITY", "value": "x"},
    ),
    deployment(
        "ml-pipeline",
        "ml-pipeline-api-server",
        {"name": "OBJECTSTORECONFIG_HOST", "value": "seaweedfs.kubeflow"},
    ),
    deployment("ml-pipeline-ui", "ml-pipeline-ui", {"name": "MINIO_NAMESPACE", **NAMESPACE}),
    plain("Secret", "mlpipeline-minio-artifact"),
    deployment("seaweedfs", "seaweedfs"),
    plain("Service", "seaweedfs"),
    plain("ServiceAccount", "seaweedfs"),
    plain("PersistentVolumeClaim", "seaweedfs-pvc"),
    plain("PersistentVolumeClaim", "mysql-pv-claim"),
    plain("NetworkPolicy", "seaweedfs", "networking.k8s.io/v1"),
]


def kustomized(folder: Path, content: Object) -> list[Object]:
    command = renderer()
    if command is None:
        pytest.skip("no kubectl and no kustomize on the PATH or in KUBECTL")
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(content))
    done = subprocess.run([*command, folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return documents(done.stdout)


def placed(folder: Path, *names: str) -> list[str]:
    return [os.path.relpath(MANIFESTS / name, folder.resolve()) for name in names]


def rendered(
    folder: Path,
    *components: str,
    endpoint: str = "",
    site: dict[str, str] = SITE,
    **more: Any,
) -> list[Object]:
    """Render components on an installation of Kubeflow Pipelines, as the overlay of kind does."""
    site = site | {"S3_ENDPOINT": endpoint or site["S3_ENDPOINT"]}
    (folder / "there.yaml").write_text(yaml.safe_dump_all(PIPELINES))
    overlay = yaml.safe_load((MANIFESTS / "overlays/kind/kfp/kustomization.yaml").read_text())
    (folder / "site.env").write_text("".join(f"{key}={value}\n" for key, value in site.items()))
    chosen = placed(folder, *(f"components/{name}" for name in components))
    return kustomized(folder, overlay | {"resources": ["there.yaml"], "components": chosen} | more)


def by_name(objects: list[Object]) -> dict[tuple[str, str], Object]:
    return {(one["kind"], one["metadata"]["name"]): one for one in objects}


def variables(found: Object) -> dict[str, Object]:
    (container,) = containers([found])
    return {one["name"]: one for one in container["env"]}


@pytest.mark.parametrize(
    ("store", "address", "region", "secure"),
    [
        ("minio", "minio-service.kubeflow:9000", "us-east-1", False),
        ("seaweedfs", "seaweedfs.kubeflow:9000", "us-east-1", False),
        ("s3", "s3.example.com:9443", "eu-west-1", True),
        ("s3-plain", "s3.example.com:9443", "eu-west-1", False),
    ],
)
def test_the_store_is_one_line(
    tmp_path: Path, store: str, address: str, region: str, secure: bool
) -> None:
    site = f"http{'s' * secure}://s3.example.com:9443"
    objects = rendered(tmp_path, store, "storage-class", "kfp-storage", endpoint=site)
    found = by_name(objects)
    host, _, port = address.partition(":")
    launcher = yaml.safe_load(found["ConfigMap", "kfp-launcher"]["data"]["providers"])
    provider = launcher["minio"]["default"]
    assert provider["endpoint"] == f"http{'s' * secure}://{address}"
    assert (provider["region"], provider["disableSSL"]) == (region, not secure)
    settings = found["ConfigMap", "workflow-controller-configmap"]["data"]
    logs = yaml.safe_load(settings["artifactRepository"])["s3"]
    assert (logs["endpoint"], logs["region"], logs["insecure"]) == (address, region, not secure)
    assert logs["keyFormat"].startswith(
        "private-artifacts/{{workflow.namespace}}/{{workflow.name}}/"
    )
    assert " " not in logs["keyFormat"]
    server = variables(found["Deployment", "ml-pipeline"])
    told = [server[f"OBJECTSTORECONFIG_{key}"]["value"] for key in ("HOST", "PORT", "REGION")]
    assert told == [host, port, region]
    assert server["OBJECTSTORECONFIG_SECURE"]["value"] == str(secure).lower()
    board = variables(found["Deployment", "ml-pipeline-ui"])
    assert [board[f"MINIO_{key}"]["value"] for key in ("HOST", "PORT")] == [host, port]
    assert board["MINIO_SSL"]["value"] == str(secure).lower()
    assert board["MINIO_NAMESPACE"] == {"name": "MINIO_NAMESPACE", "value": ""}
    # Keys are the site's own, and no store runs beside the one that is used.
    assert not of_kind(objects, "Secret")
    assert (("Deployment", "seaweedfs") in found) == (store == "seaweedfs")
    assert (("StatefulSet", "minio") in found) == (store == "minio")
    assert not [name for name in found if "site" in name[1]]


def test_images_may_be_pinned_by_digest(tmp_path: Path) -> None:
    """Ours by SERVE_IMAGE of site.env, those of others by the overlay's `images`."""
    digest = f"sha256:{'0123456789abcdef' * 4}"
    copy = tmp_path / "manifests"
    shutil.copytree(MANIFESTS, copy)
    site = copy / "overlays" / "kind" / "site.env"
    text = re.sub("SERVE_IMAGE=.*", f"SERVE_IMAGE=ghcr.io/me/serve@{digest}", site.read_text())
    site.write_text(text)
    (runtime,) = of_kind(kustomized(copy, {"resources": ["overlays/kind"]}), "ServingRuntime")
    assert next(containers([runtime]))["image"] == f"ghcr.io/me/serve@{digest}"
    pinned = {"name": "quay.io/minio/minio", "digest": digest}
    objects = rendered(tmp_path, "minio", "kfp-storage", images=[pinned])
    (stateful,) = of_kind(objects, "StatefulSet")
    assert next(containers([stateful]))["image"] == f"quay.io/minio/minio@{digest}"


@pytest.mark.parametrize("chosen", [True, False])
def test_volumes_have_the_class_of_the_site_or_of_the_cluster(tmp_path: Path, chosen: bool) -> None:
    objects = rendered(tmp_path, "minio", *["storage-class"] * chosen, "kfp-storage")
    (stateful,) = of_kind(objects, "StatefulSet")
    specs = [one["spec"] for one in stateful["spec"]["volumeClaimTemplates"]]
    specs += [one.get("spec", {}) for one in of_kind(objects, "PersistentVolumeClaim")]
    assert len(specs) == 2
    # An empty name is not the default class: it means a volume that somebody makes by hand.
    expected = ["standard-rwo"] * 2 if chosen else [None] * 2
    assert [spec.get("storageClassName") for spec in specs] == expected


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_overlay_chooses_one_store_before_pipelines_are_told(overlay: str) -> None:
    folder = MANIFESTS / "overlays" / overlay / "kfp"
    content = yaml.safe_load((folder / "kustomization.yaml").read_text())
    names = [Path(name).name for name in content["components"]]
    assert [name for name in names if name in STORES] == ["minio"]
    assert names.index("minio") < names.index("kfp-storage")
    assert environment(folder / "site.env").keys() == SITE.keys()
    readme = (MANIFESTS / "README.md").read_text(encoding="utf-8")
    assert all(f"- ../../../components/{name} " in readme for name in STORES)
    image = yaml.safe_load_all((COMPONENTS / "minio" / "minio.yaml").read_text())
    assert all(f"`{one['image']}`" in readme for one in containers(list(image)))


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_tasks_and_services_find_the_store_of_the_overlay(tmp_path: Path, overlay: str) -> None:
    """From end to end: what keeps the models is what tasks write to and services may reach."""
    folder = MANIFESTS / "overlays" / overlay / "kfp"
    content = yaml.safe_load((folder / "kustomization.yaml").read_text())
    chosen = [Path(name).name for name in content["components"]]
    site = environment(folder / "site.env")
    found = by_name(rendered(tmp_path, *chosen, site=site))
    launcher = yaml.safe_load(found["ConfigMap", "kfp-launcher"]["data"]["providers"])
    services = by_name(overlay_rendered(overlay))
    defaults = services["ConfigMap", "regatta-defaults"]["data"]
    provider = launcher["minio"]["default"]
    assert provider["endpoint"] == defaults["S3_ENDPOINT"] == "http://minio-service.kubeflow:9000"
    assert provider["region"] == defaults["AWS_DEFAULT_REGION"]
    bucket = defaults["REGATTA_MODELS"].removeprefix("s3://").partition("/")[0]
    assert f'"{bucket}"' in (COMPONENTS / "minio" / "buckets.py").read_text()
    # Its buckets are made by an image of the site, on a volume of the cluster's own class.
    (job,) = containers([found["Job", "minio-buckets"]])
    assert job["image"] == site["OPS_IMAGE"]
    (volume,) = found["StatefulSet", "minio"]["spec"]["volumeClaimTemplates"]
    assert volume["spec"]["storageClassName"] == site["STORAGE_CLASS"]
    # Services read with keys, at the port of the pod behind the address.
    account = services["ServiceAccount", "regatta-serve"]
    assert account["secrets"] == [{"name": "regatta-models"}]
    assert "annotations" not in account["metadata"]
    (rule,) = services["NetworkPolicy", "read-models"]["spec"]["egress"]
    (minio,) = containers([found["StatefulSet", "minio"]])
    assert minio["ports"][0]["containerPort"] in [port["port"] for port in rule["ports"]]
    (target,) = rule["to"]
    (namespace,) = target["namespaceSelector"]["matchLabels"].values()
    assert found["StatefulSet", "minio"]["metadata"]["namespace"] == namespace
    assert defaults["S3_ENDPOINT"] == f"http://minio-service.{namespace}:9000"


def test_services_may_read_from_seaweedfs(
    tmp_path: Path, check_kubernetes: Callable[[Object], None]
) -> None:
    """Kubeflow Pipelines admits pods of its own namespace and of profiles only."""
    found = by_name(rendered(tmp_path, "seaweedfs", "kfp-storage"))
    assert ("NetworkPolicy", "seaweedfs") in found
    policy = found["NetworkPolicy", "seaweedfs-models"]
    check_kubernetes(policy)
    assert policy["metadata"]["namespace"] == "kubeflow"
    assert policy["spec"]["podSelector"] == {"matchLabels": {"app": "seaweedfs"}}
    (rule,) = policy["spec"]["ingress"]
    (source,) = rule["from"]
    services = by_name(overlay_rendered("kind"))
    (namespace,) = [name for kind, name in services if kind == "Namespace"]
    labels = source["namespaceSelector"]["matchLabels"]
    assert labels == {"kubernetes.io/metadata.name": namespace}
    (egress,) = services["NetworkPolicy", "read-models"]["spec"]["egress"]
    assert rule["ports"][0] in egress["ports"]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_services_may_read_from_elsewhere(
    tmp_path: Path, overlay: str, check_kubernetes: Callable[[Object], None]
) -> None:
    """A store outside: part of GKE's overlay, and one line more on kind."""
    objects = overlay_rendered(overlay)
    chosen = placed(tmp_path, "components/models-elsewhere")
    if overlay != "gke":
        assert ("NetworkPolicy", "read-models-elsewhere") not in by_name(objects)
        resources = placed(tmp_path, f"overlays/{overlay}")
        objects = kustomized(tmp_path, {"resources": resources, "components": chosen})
    near, far = (
        by_name(objects)["NetworkPolicy", name] for name in ("read-models", "read-models-elsewhere")
    )
    check_kubernetes(far)
    assert far["metadata"]["namespace"] == near["metadata"]["namespace"]
    assert far["spec"]["podSelector"] == near["spec"]["podSelector"]
    (rule,) = far["spec"]["egress"]
    assert "to" not in rule
    ports = [port["port"] for port in rule["ports"]]
    site = environment(MANIFESTS / "overlays" / overlay / "kfp" / "site.env")
    assert urlsplit(site["S3_ENDPOINT"]).port in ports


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_gpus_are_allowed_and_nodes_chosen(
    tmp_path: Path,
    overlay: str,
    check_kubernetes: Callable[[Object], None],
    check_kserve: Callable[[Object], None],
) -> None:
    resources = placed(tmp_path, f"overlays/{overlay}")
    chosen = placed(tmp_path, "components/gpu")
    objects = kustomized(tmp_path, {"resources": resources, "components": chosen})
    (quota,) = of_kind(objects, "ResourceQuota")
    check_kubernetes(quota)
    assert quota["spec"]["hard"]["requests.nvidia.com/gpu"] == "4"
    (runtime,) = of_kind(objects, "ServingRuntime")
    check_kserve(runtime)
    assert runtime["spec"]["nodeSelector"] == {"nvidia.com/gpu.present": "true"}
    assert [one["key"] for one in runtime["spec"]["tolerations"]] == ["nvidia.com/gpu"]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_tasks_find_their_defaults(overlay: str, monkeypatch: pytest.MonkeyPatch) -> None:
    site = environment(MANIFESTS / "overlays" / overlay / "site.env")
    objects = overlay_rendered(overlay)
    defaults = by_name(objects)["ConfigMap", "regatta-defaults"]
    assert defaults["metadata"]["namespace"] == site["PIPELINES_NAMESPACE"]
    keys = ("REGATTA_MODELS", "S3_ENDPOINT", "AWS_DEFAULT_REGION")
    assert defaults["data"] == {key: site[key] for key in keys}
    monkeypatch.setenv(keys[0], site[keys[0]])
    assert str(registry_root("")) == site[keys[0]]
    # The Secret of a run names another store, and wins.
    environ = {**defaults["data"], "AWS_ENDPOINT_URL": "http://other:1"}
    assert connect(defaults["data"]).endpoint == site["S3_ENDPOINT"]
    assert connect(environ).endpoint == "http://other:1"


def test_pods_that_were_deleted_are_tried_again(tmp_path: Path) -> None:
    found = by_name(rendered(tmp_path, "minio", "kfp-storage"))
    settings = found["ConfigMap", "workflow-controller-configmap"]["data"]
    assert settings["executor"] == CONTROLLER["data"]["executor"]
    strategy = yaml.safe_load(settings["workflowDefaults"])["spec"]["templateDefaults"]
    # With a limit above zero the graph around a task would start again, too, and that of the run.
    assert strategy == {"retryStrategy": {"limit": "0", "retryPolicy": "Always"}}
    env = variables(found["Deployment", "workflow-controller"])
    names = {name: one["value"] for name, one in env.items()}
    assert names == {
        "LEADER_ELECTION_IDENTITY": "x",
        "DEFAULT_REQUEUE_TIME": "1s",
        "MAX_OPERATION_TIME": "5m",
    }
    providers = yaml.safe_load(found["ConfigMap", "kfp-launcher"]["data"]["providers"])
    assert providers["minio"]["default"]["credentials"]["fromEnv"] is False


def kept(defaults: dict[str, int], own: dict[str, int], outcome: str) -> int:
    """Return how long Argo 4.0 keeps a workflow: it fills in, then asks for the outcome first."""
    merged = defaults | own
    return merged.get(f"secondsAfter{outcome}", merged["secondsAfterCompletion"])


@pytest.mark.parametrize("outcome", ["Success", "Failure"])
def test_a_pipeline_says_how_long_its_pods_are_kept(tmp_path: Path, outcome: str) -> None:
    def strategy(found: Object) -> dict[str, int]:
        spec = yaml.safe_load(found["data"]["workflowDefaults"])["spec"]
        return dict(spec["ttlStrategy"])

    found = by_name(rendered(tmp_path, "minio", "kfp-storage"))
    given = strategy(found["ConfigMap", "workflow-controller-configmap"])
    theirs = strategy(CONTROLLER)
    assert kept(given, {}, outcome) == kept(theirs, {}, outcome) == 3600
    platform = yaml.safe_load_all((MANIFESTS.parent / "pipelines/train/pipeline.yaml").read_text())
    config = next(one for one in platform if "platforms" in one)["platforms"]["kubernetes"]
    own = {"secondsAfterCompletion": config["pipelineConfig"]["resourceTtlOnCompletion"]}
    assert kept(given, own, outcome) == 7 * 24 * 3600


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
        assert all(one["emptyDir"]["sizeLimit"] for one in spec["volumes"] if "emptyDir" in one)
    for container in containers([stateful, job]):
        context = container["securityContext"]
        assert context["readOnlyRootFilesystem"] is True
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert context["allowPrivilegeEscalation"] is False
        for share in ("requests", "limits"):
            assert {"cpu", "memory"} <= container["resources"][share].keys()
        assert re.search(r":[^:/]*[0-9]", container["image"])
        for variable in container["env"]:
            if re.search("KEY|SECRET|PASSWORD|USER", variable["name"]):
                assert "secretKeyRef" in variable["valueFrom"]
    launcher = next(one for one in objects if one["metadata"]["name"] == "kfp-launcher")
    address = f"{service['metadata']['name']}.kubeflow:9000"
    assert address in launcher["data"]["providers"]


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


def test_monitoring_is_added_as_the_readme_says(tmp_path: Path) -> None:
    readme = (MANIFESTS / "README.md").read_text(encoding="utf-8").partition("## Monitoring")[2]
    more = yaml.safe_load(readme.partition("```yaml\n")[2].partition("```")[0])
    copy = tmp_path / "manifests"
    shutil.copytree(MANIFESTS, copy)
    overlay = copy / "overlays" / "kind"
    content = yaml.safe_load((overlay / "kustomization.yaml").read_text())
    found = by_name(kustomized(overlay, content | {k: content[k] + more[k] for k in more}))
    policy = found["NetworkPolicy", "scrape-services"]
    (source,) = policy["spec"]["ingress"][0]["from"]
    assert list(source["namespaceSelector"]["matchLabels"].values()) == ["prometheus"]
    monitoring = [policy, found["PodMonitor", "regatta"], found["PrometheusRule", "regatta"]]
    monitoring.append(found["ConfigMap", "regatta-dashboard"])
    assert {one["metadata"]["namespace"] for one in monitoring} == {"regatta"}
