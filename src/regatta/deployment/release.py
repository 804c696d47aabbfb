"""A version becomes the service of its model on KServe, without a failed request.

In Standard mode KServe splits no traffic, so a new version gets a service of its own, the
candidate. It is proven there; only then the service of the model takes the version, while the pods
of the version before go on until the new ones are ready. Then the candidate is deleted.

The candidate is also the lock: it is created, not applied, and Kubernetes creates a name once. A
second deployment waits until it is gone, then asks again which version shall be served. A
candidate that nobody deletes, because its deployment was killed, is taken away when its time is
over: its age by the API server's clock, and how long it may take, which it says itself.
"""

import hashlib
import logging
import os
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from regatta.deployment.kube import Cluster
from regatta.deployment.service import Wanted, check_ours, served_uri
from regatta.deployment.waiting import Proof, SupersededError, ask, wait_serving
from regatta.errors import DeployError

__all__ = ["Deployed", "candidate_name", "is_inside", "release"]

logger = logging.getLogger(__name__)

LONGEST = 43
GRACE_SECONDS = 60.0
PAUSE_SECONDS = 2.0


@dataclass(frozen=True)
class Deployed:
    """A version that is served.

    Attributes
    ----------
    url : str
        Address inside the cluster.
    wanted : Wanted
        The version.
    replaced : str
        Version that was served before; empty if none, or if it is the same.
    max_abs_difference : float or None
        Between service and bundle; None if the service could not be asked from here.
    """

    url: str
    wanted: Wanted
    replaced: str
    max_abs_difference: float | None


def candidate_name(model: str) -> str:
    """Return the name of the candidate of a model; KServe adds ``-predictor``, 63 are allowed.

    Examples
    --------
    >>> candidate_name("churn")
    'churn-candidate'
    >>> len(candidate_name("x" * 50))
    53
    """
    if len(model) > LONGEST:
        model = f"{model[: LONGEST - 7]}-{hashlib.sha256(model.encode()).hexdigest()[:6]}"
    return f"{model}-candidate"


def is_inside() -> bool:
    """Return whether this process runs in a pod, where services can be asked."""
    return bool(os.environ.get("KUBERNETES_SERVICE_HOST"))


def release(
    cluster: Cluster, choose: Callable[[], Wanted], prove: Callable[[Wanted], Proof | None]
) -> Deployed:
    """Serve a version, or leave everything as it was.

    Parameters
    ----------
    cluster : Cluster
        Where.
    choose : callable
        Returns the version that shall be served. It is asked again after another deployment of
        the same model was waited for.
    prove : callable
        Returns what the version must answer; None if services cannot be asked from here, which
        leaves the rollout as the judge.

    Returns
    -------
    Deployed
        What is served now.

    Raises
    ------
    DeployError
        The version cannot be served; the service is as it was before, and the candidate is gone.
    """
    wanted = choose()
    limit = wanted.settings.timeout_seconds
    waited_until = time.monotonic() + 3 * limit + GRACE_SECONDS
    while True:
        stable = _ours(cluster, wanted.model, wanted.model)
        if stable is not None and served_uri(stable) == wanted.uri:
            with suppress(SupersededError):
                return _settle(cluster, stable, wanted, prove(wanted), "")
            wanted = choose()
            continue
        with _candidate(cluster, wanted) as uid:
            if uid is not None:
                proof = prove(wanted)
                _try(cluster, candidate_name(wanted.model), wanted, proof)
                if not _holds(cluster, wanted, uid):
                    raise _overtaken(wanted)
                before = _version(stable) if stable is not None else ""
                return _settle(cluster, stable, wanted, proof, before)
        if time.monotonic() > waited_until:
            raise _overtaken(wanted)
        time.sleep(PAUSE_SECONDS)
        wanted = choose()


def _settle(
    cluster: Cluster,
    stable: dict[str, Any] | None,
    wanted: Wanted,
    proof: Proof | None,
    before: str,
) -> Deployed:
    """Give the model's own service the version; take it back if that fails."""
    name = wanted.model
    applied = _apply(cluster, stable, wanted)
    try:
        url, difference = _try(cluster, name, wanted, proof)
    except SupersededError:
        # It is somebody else's now.
        raise
    except BaseException:
        if stable is None:
            cluster.delete(name, applied["metadata"]["uid"])
        elif served_uri(stable) != wanted.uri:
            cluster.apply(_as_it_was(stable))
        raise
    return Deployed(url, wanted, before, difference)


def _apply(cluster: Cluster, stable: dict[str, Any] | None, wanted: Wanted) -> dict[str, Any]:
    """Change the model's own service, unless its version changed since it was looked at."""
    body = wanted.body(wanted.model, wanted.settings.replicas)
    found = stable
    while True:
        if found is not None:
            # KServe writes its status all the time, and each time the number changes.
            body["metadata"]["resourceVersion"] = found["metadata"]["resourceVersion"]
        applied = cluster.apply(body)
        if applied is not None:
            return applied
        found = _ours(cluster, wanted.model, wanted.model)
        if found is None or stable is None or served_uri(found) != served_uri(stable):
            raise SupersededError(
                f"InferenceService {wanted.model!r} was changed by another deployment",
                expected="one deployment of a model at a time",
                fix="deploy again",
            )


def _try(
    cluster: Cluster, name: str, wanted: Wanted, proof: Proof | None
) -> tuple[str, float | None]:
    """Wait for a service and ask it."""
    began = time.monotonic()
    url = wait_serving(cluster, name, wanted, began + wanted.settings.timeout_seconds)
    difference = ask(url, name, wanted, proof) if proof is not None else None
    seconds = time.monotonic() - began
    logger.info("%s serves version %s after %.1f s", name, wanted.version, seconds)
    return url, difference


@contextmanager
def _candidate(cluster: Cluster, wanted: Wanted) -> Iterator[str | None]:
    """Create the candidate, and delete it in the end; yields its uid, None: somebody has one."""
    name = candidate_name(wanted.model)
    holder = f"{socket.gethostname()[:40]}-{uuid.uuid4().hex[:12]}"
    limit = int(2 * wanted.settings.timeout_seconds + 2 * GRACE_SECONDS)
    made = cluster.create(wanted.body(name, holder=holder, seconds=str(limit)))
    if made is None:
        there = _ours(cluster, name, wanted.model)
        notes = there["metadata"].get("annotations", {}) if there else {}
        if there is None or notes.get("regatta/holder") != holder:
            if there is not None and _is_stale(there):
                logger.warning("deleting %s, which a deployment left behind", name)
                cluster.delete(name, there["metadata"]["uid"])
            yield None
            return
        # Ours: the first of two tries came through without its answer.
        made = there
    uid = str(made["metadata"]["uid"])
    try:
        yield uid
    finally:
        cluster.delete(name, uid)


def _is_stale(candidate: dict[str, Any]) -> bool:
    """Return whether the deployment of a candidate must have ended long ago."""
    metadata = candidate["metadata"]
    if metadata.get("deletionTimestamp"):
        return False
    created = datetime.fromisoformat(metadata["creationTimestamp"]).timestamp()
    text = metadata.get("annotations", {}).get("regatta/seconds", "0")
    seconds = int(text) if text.isdecimal() else 0
    return time.time() > created + seconds + GRACE_SECONDS


def _holds(cluster: Cluster, wanted: Wanted, uid: str) -> bool:
    """Return whether the candidate is still the one that was created."""
    found = cluster.get(candidate_name(wanted.model))
    return found is not None and found["metadata"]["uid"] == uid


def _ours(cluster: Cluster, name: str, model: str) -> dict[str, Any] | None:
    """Return an InferenceService of this model, None if there is none of that name."""
    found = cluster.get(name)
    if found is not None:
        check_ours(found, cluster.namespace)
        of = found["metadata"].get("labels", {}).get("regatta/model", model)
        if of != model:
            raise DeployError(
                f"InferenceService {name!r} belongs to model {of!r}",
                expected=f"a service of model {model!r}",
                fix="choose another name for one of the two",
            )
    return found


def _version(stable: dict[str, Any]) -> str:
    return str(stable["metadata"].get("annotations", {}).get("regatta/version", ""))


def _as_it_was(stable: dict[str, Any]) -> dict[str, Any]:
    """Return what to apply so that a service is again what it was."""
    metadata = stable["metadata"]
    kept = {key: metadata[key] for key in ("name", "namespace")}
    for key in ("labels", "annotations"):
        values = metadata.get(key, {})
        kept[key] = {k: v for k, v in values.items() if not k.startswith("kubectl.")}
    return {
        "apiVersion": stable["apiVersion"],
        "kind": stable["kind"],
        "metadata": kept,
        "spec": stable["spec"],
    }


def _overtaken(wanted: Wanted) -> DeployError:
    return DeployError(
        f"version {wanted.version} of {wanted.model} is not served: another deployment of this "
        f"model holds InferenceService {candidate_name(wanted.model)!r}",
        expected="one deployment of a model at a time",
        fix="wait for the other one and deploy again; or delete that InferenceService if none runs",
    )
