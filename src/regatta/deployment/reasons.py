"""Why a version does not serve, found in its pods, its Deployment and its InferenceService."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from regatta.deployment.service import SOURCE

__all__ = ["Reason", "find_reason"]

Object = Mapping[str, Any]
Log = Callable[[str, str, bool], str]
"""Returns the end of a log by pod, container and whether that of the try before."""

DENIED = re.compile(
    r"AccessDenied|Forbidden|\b403\b|InvalidAccessKeyId|SignatureDoesNotMatch|"
    r"(?:no|locate) credentials|ExpiredToken",
    re.IGNORECASE,
)
ABSENT = re.compile(
    r"NoSuchBucket|NoSuchKey|\b404\b|no model|failed to fetch model|no objects|does not exist",
    re.IGNORECASE,
)
PULLS = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull")


@dataclass(frozen=True)
class Reason:
    """Why there is no service yet.

    Attributes
    ----------
    found : str
        What it is.
    fix : str
        What to do.
    patience_seconds : float
        How long it may last before it is final: nodes are added, stores come back.
    """

    found: str
    fix: str
    patience_seconds: float = 0.0


def find_reason(
    service: Object, deployment: Object | None, pods: Sequence[Object], uri: str, log: Log
) -> Reason | None:
    """Find why a version does not serve.

    Parameters
    ----------
    service : mapping
        The InferenceService.
    deployment : mapping or None
        Its Deployment.
    pods : sequence of mapping
        Its pods; only those of this version count, not those of the one before.
    uri : str
        Where the version lies.
    log : callable
        Reads logs.

    Returns
    -------
    Reason or None
        None: nothing speaks against waiting.
    """
    status = service.get("status", {}).get("modelStatus", {})
    failure = status.get("lastFailureInfo", {})
    if status.get("transitionStatus") == "InvalidSpec":
        return _invalid(failure)
    mine = [
        pod
        for pod in pods
        if pod["metadata"].get("annotations", {}).get(SOURCE) == uri
        and not pod["metadata"].get("deletionTimestamp")
        # Evicted ones stay, and others take their place.
        and pod.get("status", {}).get("phase") not in ("Failed", "Succeeded")
    ]
    for pod in mine:
        reason = _of_pod(pod, log)
        if reason:
            return reason
    if not mine and deployment is not None:
        return _of_deployment(deployment)
    return None


def _invalid(failure: Object) -> Reason:
    why = str(failure.get("reason", ""))
    text = f"{why}: {failure.get('message', '')}".strip(": ")
    return Reason(
        f"KServe has no runtime for it ({text})",
        "apply manifests/, which have the ServingRuntime regatta, or set deploy.runtime",
        patience_seconds=5,
    )


def _of_deployment(deployment: Object) -> Reason | None:
    """Find why no pod was made."""
    for condition in deployment.get("status", {}).get("conditions", []):
        if condition["type"] == "ReplicaFailure" and condition["status"] == "True":
            message = condition.get("message", "")
            if "exceeded quota" in message:
                fix = "delete services that nobody needs, or raise the quota"
            elif "serviceaccount" in message.lower():
                fix = "apply manifests/, or set deploy.service_account"
            else:
                fix = "correct what the message names"
            return Reason(f"no pod may be made: {message}", fix, patience_seconds=15)
    return None


def _of_pod(pod: Object, log: Log) -> Reason | None:
    """Find why a pod is not ready."""
    status = pod.get("status", {})
    for condition in status.get("conditions", []):
        if condition["type"] == "PodScheduled" and condition.get("reason") == "Unschedulable":
            return Reason(
                f"no node has room for its pod: {condition.get('message', '')}",
                "add a node, or ask for less with deploy.cpu and deploy.memory",
                patience_seconds=90,
            )
    for container in status.get("initContainerStatuses", []):
        reason = _waits(container) or _not_loaded(pod, container, log)
        if reason:
            return reason
    for container in status.get("containerStatuses", []):
        reason = _waits(container) or _ended(pod, container, log)
        if reason:
            return reason
    return None


def _waits(container: Object) -> Reason | None:
    """Find why a container cannot start."""
    waiting = container.get("state", {}).get("waiting", {})
    why, message = waiting.get("reason", ""), waiting.get("message", "")
    if why in PULLS:
        return Reason(
            f"image {container.get('image')} cannot be pulled ({why}: {message})",
            "push the image or load it into the nodes, and check its name and the pull secret",
            patience_seconds=0 if why in PULLS[2:] else 20,
        )
    if why in ("CreateContainerConfigError", "CreateContainerError", "RunContainerError"):
        return Reason(
            f"container {container['name']} cannot start ({why}: {message})",
            "make the Secret that the message names, or correct what it says",
            patience_seconds=10,
        )
    return None


def _not_loaded(pod: Object, container: Object, log: Log) -> Reason | None:
    """Find why the bundle was not downloaded."""
    ended = _last_end(container)
    if ended is None or ended.get("exitCode") == 0:
        return None
    text = _tail(pod, container, log) or ended.get("message", "")
    if DENIED.search(text):
        return Reason(
            f"the store refused the bundle: {text}",
            "check the Secret of the service account and its annotations serving.kserve.io/s3-*",
        )
    if ABSENT.search(text):
        return Reason(f"the bundle was not found: {text}", "check the registry and its store")
    return Reason(
        f"the bundle was not downloaded (exit code {ended.get('exitCode')}): {text}",
        "check the store, the network policies, and the Secret of the service account",
        patience_seconds=90,
    )


def _ended(pod: Object, container: Object, log: Log) -> Reason | None:
    """Find why the server ended."""
    ended = _last_end(container)
    if ended is None or container.get("ready"):
        return None
    if ended.get("reason") == "OOMKilled":
        return Reason("its server ran out of memory", "give it more with deploy.memory")
    text = _tail(pod, container, log)
    return Reason(
        f"its server ended with exit code {ended.get('exitCode')}: {text}",
        "see what the log says; a bundle of a newer Regatta needs a newer serve image",
    )


def _last_end(container: Object) -> Object | None:
    """Return how a container ended last, if it did."""
    for state in ("state", "lastState"):
        ended = container.get(state, {}).get("terminated")
        if ended:
            return dict(ended)
    return None


def _tail(pod: Object, container: Object, log: Log) -> str:
    """Return the end of the log of the try that failed, in one line."""
    previous = "terminated" not in container.get("state", {})
    text = log(pod["metadata"]["name"], container["name"], previous)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " | ".join(lines[-5:])[-1200:]
