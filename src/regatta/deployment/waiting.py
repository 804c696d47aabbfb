"""Waiting until a version really serves, and proving that it answers as its bundle does."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from regatta.deployment.kube import Cluster
from regatta.deployment.reasons import Reason, find_reason
from regatta.deployment.service import Wanted, is_rolled_out, served_uri
from regatta.errors import DeployError, RequestError, ServiceError
from regatta.serving.client import Client
from regatta.serving.proof import prove

__all__ = ["Proof", "SupersededError", "ask", "wait_serving"]

PAUSE_SECONDS = 1.0
ANSWER_SECONDS = 45.0
IN_A_ROW = 3
BETWEEN_SECONDS = 0.2


class SupersededError(DeployError):
    """Somebody else gave the InferenceService another version meanwhile."""


@dataclass(frozen=True)
class Proof:
    """What a service must answer.

    Attributes
    ----------
    described : mapping
        bundle.json of the version.
    rows : sequence of mapping
        Raw values by column.
    expected : sequence or None
        The bundle's predictions of them; None: the protocols are compared with each other.
    """

    described: Mapping[str, Any]
    rows: Sequence[Mapping[str, Any]]
    expected: Sequence[Sequence[float]] | None = None


def wait_serving(cluster: Cluster, name: str, wanted: Wanted, deadline: float) -> str:
    """Wait until all pods of an InferenceService are of the wanted version.

    Parameters
    ----------
    cluster : Cluster
        Where it is.
    name : str
        Name of the InferenceService.
    wanted : Wanted
        The version.
    deadline : float
        By `time.monotonic`.

    Returns
    -------
    str
        Address inside the cluster.

    Raises
    ------
    SupersededError
        It was told to serve another version meanwhile.
    DeployError
        It cannot become ready, or did not in time.
    """
    since: dict[str, float] = {}
    while True:
        found = cluster.get(name)
        if found is None:
            raise _failed(wanted, f"InferenceService {name!r} was deleted by somebody", "try again")
        if served_uri(found) != wanted.uri:
            raise SupersededError(
                f"InferenceService {name!r} was told to serve {served_uri(found)!r} meanwhile",
                expected=f"{wanted.uri!r}",
                fix="see who else deploys this model, and deploy again",
            )
        deployment = cluster.deployment(name)
        status = found.get("status", {})
        address = status.get("address", {}).get("url", "")
        loaded = status.get("modelStatus", {}).get("transitionStatus") == "UpToDate"
        rolled_out = is_rolled_out(deployment, wanted.uri)
        if rolled_out and loaded and address:
            return str(address)
        reason = None
        if not rolled_out:
            pods = cluster.pods(name)
            reason = find_reason(
                found,
                deployment,
                pods,
                wanted.uri,
                lambda pod, container, previous: cluster.log(pod, container, previous=previous),
            )
        now = time.monotonic()
        # The same reason with other numbers in its words has the same fix.
        since = {reason.fix: since.get(reason.fix, now)} if reason else {}
        if reason and now - since[reason.fix] >= reason.patience_seconds:
            raise _failed(wanted, reason.found, reason.fix)
        if now > deadline:
            raise _late(wanted, name, reason, status)
        time.sleep(PAUSE_SECONDS)


def ask(url: str, name: str, wanted: Wanted, proof: Proof) -> float:
    """Ask a service who it is and what it predicts.

    Parameters
    ----------
    url : str
        Its address.
    name : str
        Name of the InferenceService, which is that of the model in its URLs.
    wanted : Wanted
        The version that it must be.
    proof : Proof
        What it must answer.

    Returns
    -------
    float
        Largest absolute difference of a prediction.

    Raises
    ------
    DeployError
        It does not answer, or not as its bundle does.
    """
    client = Client(url, name, timeout_seconds=20)
    _wait_answers(client, wanted)
    try:
        return prove(client, wanted.version, proof.described, proof.rows, proof.expected)
    except (ServiceError, RequestError) as err:
        fix = "compare the serve image with the Regatta that trained"
        raise _failed(wanted, err.found, fix) from err


def _wait_answers(client: Client, wanted: Wanted) -> None:
    """Wait until a service says the wanted version several times in a row.

    Right at Ready a request can still be refused or come to a pod that goes.
    """
    deadline, right, last = time.monotonic() + ANSWER_SECONDS, 0, ""
    while right < IN_A_ROW:
        try:
            versions = client.metadata().get("versions")
            right = right + 1 if versions == [wanted.version] else 0
            last = f"{client.url} says that it serves version {versions}"
        except (ServiceError, RequestError) as err:
            right, last = 0, err.found
        if time.monotonic() > deadline:
            fix = "see that the network policies let this pod reach the service on port 8080"
            raise _failed(wanted, f"its pods are ready, but {last}", fix)
        time.sleep(BETWEEN_SECONDS)


def _failed(wanted: Wanted, found: str, fix: str) -> DeployError:
    return DeployError(
        f"version {wanted.version} of {wanted.model} is not served: {found}",
        expected="a service that is ready and answers as its bundle does",
        fix=fix,
    )


def _late(
    wanted: Wanted, name: str, reason: Reason | None, status: Mapping[str, Any]
) -> DeployError:
    """Return the error for a service that took too long."""
    if reason:
        return _failed(wanted, reason.found, reason.fix)
    open_ = [
        f"{condition['type']} is {condition['status']} ({condition.get('reason', '')})"
        for condition in status.get("conditions", [])
        if condition.get("status") != "True"
    ]
    state = "; ".join(open_) or "KServe says nothing more"
    return _failed(
        wanted,
        f"InferenceService {name!r} was not ready in time: {state}",
        f"see `kubectl describe inferenceservice {name}`, or set deploy.timeout_seconds higher",
    )
