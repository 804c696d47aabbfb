"""What a cluster has and lacks for Regatta, each with what to do about it."""

import os
import re
from collections.abc import Iterator
from typing import Any

from regatta.cluster.compiled import parameters
from regatta.cluster.connection import Connection
from regatta.cluster.kube import Kubernetes, KubernetesError
from regatta.cluster.pipelines import Pipelines
from regatta.errors import RegattaError
from regatta.runs.checks import Check
from regatta.search.pod_memory import bytes_of

__all__ = ["checks"]

RUNNER = "pipeline-runner"
RUNTIME = "regatta"
CONTROLLER = "workflow-controller-configmap"
PATCH = "manifests/components/kfp-storage/workflows.yaml"
DEFAULTS = "regatta-defaults"
APPLY = "kubectl apply -k manifests/overlays/kind (or your overlay)"
VERBS = ("get", "create", "patch", "delete")
"""What a deployment does with InferenceServices, and what manifests/base allows."""
SERVICES = "regatta"
"""Namespace of the services, as `regatta.settings.DeploySettings` has it."""
NEEDED = (
    ("workflows", "argoproj.io", ("get", "list"), "to say why a run failed"),
    ("pods", "", ("get", "list"), "to say why a run failed"),
)
KSERVE = "serving.kserve.io"
STORE_SECONDS = 5.0


def checks(
    connection: Connection | None, kubernetes: Kubernetes | None, services: str = SERVICES
) -> Iterator[Check]:
    """Look at a cluster; nothing is changed.

    Parameters
    ----------
    connection : Connection, optional
        Kubeflow Pipelines; ``None`` where no host is named.
    kubernetes : Kubernetes, optional
        The cluster; ``None`` without a kubeconfig.
    services : str, default "regatta"
        Namespace of the services; runs may have another.

    Yields
    ------
    Check
        What was found. Where one thing is missing, what rests on it is left out.
    """
    yield from _pipelines(connection)
    if kubernetes is None:
        fix = "set KUBECONFIG; submit works without it, a deployment from here does not"
        yield _check("kubeconfig", False, "none", fix)
        return
    namespace = (connection.namespace if connection else "") or kubernetes.namespace
    if namespace == "default":
        namespace = "kubeflow"
    try:
        version = kubernetes.get("/version")
    except RegattaError as err:
        yield _of(err, "Kubernetes")
        return
    yield _check("Kubernetes", True, str(version.get("gitVersion", "")))
    there = _get(kubernetes, f"/api/v1/namespaces/{namespace}")
    if isinstance(there, KubernetesError):
        yield _check(
            f"namespace {namespace}",
            False,
            there.found,
            f"name another one with --namespace, or make it: {APPLY}",
        )
        return
    yield _check(f"namespace {namespace}", True, "there")
    yield from _secrets(kubernetes, namespace)
    yield _defaults(kubernetes, namespace)
    yield from _tries(kubernetes, namespace)
    yield from _quota(kubernetes, namespace)
    yield from _rights(kubernetes, namespace)
    yield from _kserve(kubernetes, services, runs=namespace)
    yield from _bucket(kubernetes, namespace)
    yield _images()


def _pipelines(connection: Connection | None) -> Iterator[Check]:
    """Look at Kubeflow Pipelines: address, token, namespace."""
    name = "Kubeflow Pipelines"
    if connection is None:
        yield _check(name, False, "no address", "add --host, or set KF_PIPELINES_ENDPOINT")
        return
    with Pipelines(connection) as pipelines:
        try:
            health = pipelines.health()
            pipelines.may_list()
        except RegattaError as err:
            yield _of(err, name)
            return
    if health.get("multi_user") and not connection.namespace:
        fix = "name yours with --namespace"
        yield _check(name, False, "it serves several namespaces, and none is named", fix)
        return
    kind = "several namespaces" if health.get("multi_user") else "one namespace"
    tag = str(health.get("tag_name") or "")
    shown = f" {tag}" if tag not in ("", "unknown") else ""
    yield _check(name, True, f"{connection.host} answers{shown}, for {kind}")


def _secrets(kubernetes: Kubernetes, namespace: str) -> Iterator[Check]:
    """Look whether the Secrets are there that pods name; what is in them is not read out."""
    for secret, purpose in ((_pods_secret(), "tasks"), ("mlpipeline-minio-artifact", "KFP")):
        if not secret:
            continue
        found = _get(kubernetes, f"/api/v1/namespaces/{namespace}/secrets/{secret}")
        label = f"Secret {secret}"
        if not isinstance(found, KubernetesError):
            yield _check(label, True, f"there, for {purpose}")
        elif found.status == 403:
            yield _check(label, True, "not known: you may not read Secrets there")
        else:
            fix = "make it with kubectl create secret and the store's keys: docs/cluster.md"
            yield _check(label, False, f"not in {namespace}", fix)


def _defaults(kubernetes: Kubernetes, namespace: str) -> Check:
    """Say what tasks take as given; without it, each run and its Secret have to say it."""
    found = _get(kubernetes, f"/api/v1/namespaces/{namespace}/configmaps/{DEFAULTS}")
    label = f"ConfigMap {DEFAULTS}"
    if not isinstance(found, KubernetesError):
        values = found.get("data") or {}
        text = ", ".join(f"{key}={value}" for key, value in sorted(values.items()))
        return _check(label, True, text or "empty")
    if found.status == 403:
        return _check(label, True, "not known: you may not look")
    text = "none: runs name their registry, and their Secret has AWS_ENDPOINT_URL"
    return _check(label, True, text)


def _tries(kubernetes: Kubernetes, namespace: str) -> Iterator[Check]:
    """Say what becomes of a run whose pod is deleted; nothing where Argo is not in here."""
    found = _get(kubernetes, f"/api/v1/namespaces/{namespace}/configmaps/{CONTROLLER}")
    if isinstance(found, KubernetesError):
        return
    text = str((found.get("data") or {}).get("workflowDefaults", ""))
    if re.search(r"retryPolicy:\s*[\"']?Always", text):
        yield _check("pods that die", True, "are tried again")
        return
    fix = f"kubectl -n {namespace} patch configmap {CONTROLLER} --patch-file {PATCH}"
    yield _check("pods that die", False, "are not tried again: one of them ends its run", fix)


def _quota(kubernetes: Kubernetes, namespace: str) -> Iterator[Check]:
    """Look whether the quota has room for one more pod."""
    found = _get(kubernetes, f"/api/v1/namespaces/{namespace}/resourcequotas")
    if isinstance(found, KubernetesError):
        return
    for quota in found.get("items") or ():
        status = quota.get("status") or {}
        hard, used = status.get("hard") or {}, status.get("used") or {}
        full = [key for key in hard if _full(hard[key], used.get(key, "0"))]
        label = f"quota {quota['metadata']['name']}"
        text = ", ".join(f"{key} {used.get(key, 0)} of {hard[key]}" for key in full or list(hard))
        fix = "wait for pods to end, lower --workers, or raise the quota"
        yield _check(label, not full, text, fix)


def _full(hard: str, used: str) -> bool:
    """Return whether nothing is left; what cannot be read counts as room."""
    try:
        return _amount(used) >= _amount(hard)
    except RegattaError:
        return False


def _amount(text: str) -> float:
    """Return a quantity of Kubernetes as a number."""
    if text.endswith("m") and text[:-1].isdigit():
        return int(text[:-1]) / 1000
    return bytes_of(text)


def _rights(kubernetes: Kubernetes, namespace: str) -> Iterator[Check]:
    """Look what the caller may do."""
    for resource, group, verbs, purpose in NEEDED:
        lacking = [v for v in verbs if not _may(kubernetes, namespace, group, resource, v)]
        label = f"right on {resource}"
        fix = f"ask for a Role with {', '.join(lacking)} on {resource}, {purpose}"
        text = f"no {', '.join(lacking)}" if lacking else ", ".join(verbs)
        yield _check(label, not lacking, text, fix)


def _kserve(kubernetes: Kubernetes, namespace: str, *, runs: str) -> Iterator[Check]:
    """Look whether KServe is there, its runtime of ours, and the rights on its services."""
    groups = _get(kubernetes, f"/apis/{KSERVE}")
    if isinstance(groups, KubernetesError):
        fix = "install KServe 0.20 or newer, or submit with --deploy none"
        yield _check("KServe", False, "not installed", fix)
        return
    yield _check("KServe", True, f"{KSERVE} is served")
    paths = (
        f"/apis/{KSERVE}/v1alpha1/clusterservingruntimes/{RUNTIME}",
        f"/apis/{KSERVE}/v1alpha1/namespaces/{namespace}/servingruntimes/{RUNTIME}",
    )
    answers = [_get(kubernetes, path) for path in paths]
    there = any(not isinstance(answer, KubernetesError) for answer in answers)
    hidden = not there and any(getattr(answer, "status", 0) == 403 for answer in answers)
    text = "there" if there else "not known: you may not look" if hidden else "missing"
    text += f" in {namespace}" if there or not hidden else ""
    yield _check(f"ServingRuntime {RUNTIME}", there or hidden, text, APPLY)
    kind = "inferenceservices"
    lacking = [v for v in VERBS if not _may(kubernetes, namespace, KSERVE, kind, v)]
    fix = f"ask for a Role with {', '.join(lacking)} on {kind}.{KSERVE} in {namespace}"
    text = f"no {', '.join(lacking)}" if lacking else ", ".join(VERBS)
    yield _check(f"right on {kind}", not lacking, text, fix)
    runner = f"system:serviceaccount:{runs}:{RUNNER}"
    theirs = [v for v in VERBS if _may(kubernetes, namespace, KSERVE, kind, v, runner) is False]
    fix = f"bind the Role of deployments to {RUNNER}: {APPLY}"
    text = f"no {', '.join(theirs)}" if theirs else "may deploy, or you may not ask"
    yield _check(f"{RUNNER} deploys", not theirs, text, fix)


def _may(
    kubernetes: Kubernetes, namespace: str, group: str, resource: str, verb: str, user: str = ""
) -> bool | None:
    """Return whether a right is there; None where one may not ask that."""
    attributes = {"namespace": namespace, "group": group, "resource": resource, "verb": verb}
    kind = "SubjectAccessReview" if user else "SelfSubjectAccessReview"
    body: dict[str, Any] = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": kind,
        "spec": {"resourceAttributes": attributes},
    }
    if user:
        body["spec"]["user"] = user
    try:
        answer = kubernetes.post(f"/apis/authorization.k8s.io/v1/{kind.lower()}s", body)
    except KubernetesError:
        return None if user else False
    return bool((answer.get("status") or {}).get("allowed"))


def _bucket(kubernetes: Kubernetes, namespace: str) -> Iterator[Check]:
    """Look whether the bucket of the artifacts is there, as far as this machine can reach it."""
    found = _get(kubernetes, f"/api/v1/namespaces/{namespace}/configmaps/kfp-launcher")
    label = "artifact bucket"
    if isinstance(found, KubernetesError):
        fix = f"say where artifacts go, in ConfigMap kfp-launcher: {APPLY}"
        yield _check(label, found.status == 403, "ConfigMap kfp-launcher: " + found.found, fix)
        return
    root = str((found.get("data") or {}).get("defaultPipelineRoot") or "minio://mlpipeline")
    bucket = root.partition("://")[2].partition("/")[0]
    from regatta.store import connect
    from regatta.store.connect import has_endpoint

    if not has_endpoint(os.environ):
        yield _check(label, True, f"{bucket}: not known from here without AWS_ENDPOINT_URL")
        return
    try:
        connect(patience_seconds=STORE_SECONDS).check_bucket(bucket)
    except RegattaError as err:
        yield _of(err, label)
        return
    yield _check(label, True, f"{bucket} is there")


def _images() -> Check:
    """Say that nobody can know whether an image can be pulled before a node has tried."""
    text = "not known before a node pulls them; submit says it within two minutes if it cannot"
    return _check("images", True, text)


def _pods_secret() -> str:
    """Return the name of the Secret that the tasks take their keys from."""
    parameter = parameters().get("pods_secret") or {}
    return str(parameter.get("defaultValue") or "")


def _get(kubernetes: Kubernetes, path: str) -> Any:
    """Return what is at a path, or the error."""
    try:
        return kubernetes.get(path)
    except KubernetesError as err:
        return err


def _check(name: str, ok: bool, found: str, fix: str = "") -> Check:
    """Return a check of the cluster."""
    return Check("cluster", name, ok, found, fix)


def _of(err: RegattaError, name: str) -> Check:
    """Return the check that an error stands for."""
    return _check(name, False, err.found, err.fix)
