"""Deploy: a version becomes a service, proven equal to its bundle."""

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from regatta.artifacts import open_artifact, read_json, write_json, writing
from regatta.registry import Registry
from regatta.settings import DeploySettings, RunSettings
from regatta.stages.task import stage

if TYPE_CHECKING:
    from regatta.serving.services import Service

__all__ = ["run"]


def run(version: str, evaluation: str, settings: str, service: str) -> dict[str, Any]:
    """Serve the champion of a model.

    With the target ``local`` a server process is started on this machine and goes on after the
    run. It must be ready in time and answer the sample rows of the evaluation over V1 and V2 with
    the predictions that were evaluated; only then its record names it, and the process of an
    earlier version is stopped. If it fails, it is stopped, and the earlier one stays. A version
    that did not become champion is not served: the champion is, started again if it does not run.

    With the target ``kserve`` the champion becomes the InferenceService of the model on a cluster,
    with the same proof before it gets traffic (see `regatta.deployment.release`).

    Parameters
    ----------
    version : str
        Path of the version artifact.
    evaluation : str
        Path of the evaluation, which has the sample rows.
    settings : str
        Settings of the run as JSON; ``deploy.target`` decides.
    service : str
        Path of the service artifact to write.

    Returns
    -------
    dict
        ``target``, and for a service ``url``, ``version`` and ``max_abs_difference``.

    Raises
    ------
    ServiceError
        The service was not ready in time, or differs from its bundle.
    UsageError
        The chosen port is taken by something else.
    DeployError
        A cluster does not serve the version; the one before it is served.
    """
    chosen = RunSettings.from_json(settings)
    with stage("deploy") as numbers:
        registered = read_json(open_artifact(version, "version").file("version.json"))
        values: dict[str, Any] = {"target": chosen.deploy.target, "url": None}
        if chosen.deploy.target == "local":
            values |= _deploy_local(registered, Path(evaluation), chosen.deploy.port)
        elif chosen.deploy.target == "kserve":
            values |= _deploy_kserve(registered, Path(evaluation), chosen.deploy)
        with writing(service, "service") as folder:
            write_json(folder / "service.json", values)
        shown = ("target", "url", "version", "max_abs_difference")
        numbers.update({key: values[key] for key in shown if values.get(key) is not None})
    return numbers


def _deploy_local(registered: dict[str, Any], evaluation: Path, port: int) -> dict[str, Any]:
    """Replace the running service of a model by its champion, or leave it if it is that already."""
    from regatta.deployment import running_here, serve_here

    registry = Registry(registered["registry"])
    champion = registry.resolve(registered["name"])
    is_new = champion.number == registered["version"]
    running = running_here(champion.name)
    if not is_new and running and running.serves(champion.bundle):
        return _describe(running, None)
    evaluated = open_artifact(evaluation, "evaluation").file("samples.json") if is_new else None
    samples = read_json(evaluated) if evaluated else None
    return _describe(*serve_here(champion, samples=samples, port=port))


def _deploy_kserve(
    registered: dict[str, Any], evaluation: Path, settings: DeploySettings
) -> dict[str, Any]:
    """Make the champion of a model its service on a cluster."""
    from regatta.deployment import Cluster, deploy_champion

    samples = read_json(open_artifact(evaluation, "evaluation").file("samples.json"))
    with _ended_by_signal():
        done = deploy_champion(
            Cluster.connect(settings.namespace),
            Registry(registered["registry"]),
            registered["name"],
            settings,
            samples={registered["version"]: samples},
        )
    difference = done.max_abs_difference
    return {
        "url": done.url,
        "namespace": settings.namespace,
        "model": done.wanted.model,
        "version": int(done.wanted.version),
        "replaced": done.replaced,
        "uri": done.wanted.uri,
        "protocols_checked": ["v1", "v2"] if difference is not None else [],
        "max_abs_difference": difference,
    }


@contextlib.contextmanager
def _ended_by_signal() -> Iterator[None]:
    """Let a run that is ended clean up: SIGTERM becomes an exception."""

    def leave(number: int, frame: object) -> None:
        sys.exit(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _describe(service: "Service", difference: float | None) -> dict[str, Any]:
    return {
        "url": service.url,
        "pid": service.pid,
        "port": service.port,
        "model": service.name,
        "version": int(service.version),
        "log": service.log,
        "protocols_checked": ["v1", "v2"] if difference is not None else [],
        "max_abs_difference": difference,
    }
