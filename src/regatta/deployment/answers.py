"""What an answer of Kubernetes means for who deploys."""

import json
from typing import TYPE_CHECKING

from regatta.errors import DeployError

if TYPE_CHECKING:
    from regatta.deployment.kube import Request

__all__ = ["refused"]


def refused(request: "Request", namespace: str, status: int, answer: bytes) -> DeployError:
    """Return the error for an answer that is no success.

    Parameters
    ----------
    request : Request
        What was asked.
    namespace : str
        Where.
    status : int
        HTTP status of the answer.
    answer : bytes
        Its body, a Status of Kubernetes as a rule.
    """
    try:
        message = str(json.loads(answer)["message"])
    except (ValueError, KeyError, TypeError):
        message = answer[:300].decode("utf-8", "replace").strip()
    what = f"{request.verb} {request.resource} in namespace {namespace}"
    if status == 401:
        return DeployError(
            f"Kubernetes does not know who asks ({message})",
            expected="a token that is valid",
            fix="log in again, or check the kubeconfig and the service account",
        )
    if status == 403 and "exceeded quota" in message:
        return DeployError(
            f"a quota of namespace {namespace} is used up: {message}",
            expected="room for one service more, the candidate",
            fix="delete services that nobody needs, or raise the quota",
        )
    if status == 403 and "is forbidden:" in message and " cannot " in message:
        return DeployError(
            f"it is not allowed to {what}: {message}",
            expected="the Role regatta-deploy for this account, in a namespace that exists",
            fix=f"apply manifests/ to namespace {namespace}, or bind the Role to this account",
        )
    if status == 404 and "namespaces" in message:
        return DeployError(
            f"there is no namespace {namespace}",
            expected="the namespace that manifests/ makes",
            fix="apply manifests/, or set deploy.namespace",
        )
    if status == 404:
        return DeployError(
            "KServe is not installed: the cluster has no InferenceServices",
            expected="KServe 0.20 or later in Standard mode",
            fix="install KServe, or choose another deploy.target",
        )
    if "failed calling webhook" in message:
        return DeployError(
            f"KServe's webhook does not answer: {message}",
            expected="a running KServe controller",
            fix="see the pods of namespace kserve",
        )
    return DeployError(
        f"Kubernetes refused to {what} with {status}: {message}",
        expected="an object that the cluster takes",
        fix="correct what the message names, in the settings of the group deploy",
    )
