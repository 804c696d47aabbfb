"""Deploy: a version becomes a service, proven equal to its bundle."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from regatta.artifacts import open_artifact, read_json, write_json, writing
from regatta.errors import RegattaError, ServiceError, UsageError
from regatta.registry import Registry, Version, home
from regatta.settings import RunSettings
from regatta.stages.task import stage

if TYPE_CHECKING:
    import socket

    from regatta.bundle import Bundle
    from regatta.serving.services import Service

__all__ = ["run"]

HOST = "127.0.0.1"
FIRST_PORT = 8080
TOLERANCE = 1e-6
# A client that has just read the old address gets this long to use it.
DRAIN_SECONDS = 0.5


def run(version: str, evaluation: str, settings: str, service: str) -> dict[str, Any]:
    """Serve the champion of a model.

    With the target ``local`` a server process is started on this machine and goes on after the
    run. It must be ready in time and answer sample rows over V1 and V2 as the bundle does; only
    then the service's record names it, and a process of an earlier version is stopped. If it
    fails, it is stopped, and the earlier one stays. A version that did not become champion is not
    served: the champion is, started again if it does not run.

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
    """
    chosen = RunSettings.from_json(settings)
    with stage("deploy") as numbers:
        registered = read_json(open_artifact(version, "version").file("version.json"))
        values: dict[str, Any] = {"target": chosen.deploy.target, "url": None}
        if chosen.deploy.target == "local":
            values |= _deploy_local(registered, Path(evaluation), chosen.deploy.port)
        with writing(service, "service") as folder:
            write_json(folder / "service.json", values)
        shown = ("target", "url", "version", "max_abs_difference")
        numbers.update({key: values[key] for key in shown if values.get(key) is not None})
    return numbers


def _deploy_local(registered: dict[str, Any], evaluation: Path, port: int) -> dict[str, Any]:
    """Replace the running service of a model by its champion, or leave it if it is that already."""
    from regatta.serving import services

    registry = Registry(registered["registry"])
    champion = registry.resolve(registered["name"])
    is_new = champion.number == registered["version"]
    folder = home() / "services"
    old = services.read(folder, champion.name)
    if not is_new and old and old.version == str(champion.number) and old.alive():
        return _describe(old, None)
    rows = _samples(evaluation) if is_new else []
    new, difference = _start(folder, champion, rows, port, old)
    with services.locked(folder, champion.name):
        # Read again: another run may have deployed meanwhile.
        old = services.read(folder, champion.name)
        services.record(folder, new)
    if old and old.pid != new.pid and old.alive():
        time.sleep(DRAIN_SECONDS)
        services.stop(old)
    return _describe(new, difference)


def _start(
    folder: Path, version: Version, rows: list[dict[str, Any]], port: int, old: "Service | None"
) -> tuple["Service", float]:
    """Start a service and prove it; stop it again if that fails."""
    from regatta import bundle
    from regatta.serving import services

    listener = _listener(port, old)
    new = services.start(folder, version.bundle, version.name, str(version.number), listener)
    try:
        # Verified and loaded here while the server does the same.
        model = bundle.load(version.bundle)
        services.wait_ready(new)
        return new, _prove(new, model, rows)
    except BaseException as err:
        services.stop(new, seconds=2)
        if isinstance(err, RegattaError) and not isinstance(err, ServiceError):
            log = services.tail(Path(new.log))
            raise ServiceError(
                f"version {version.number} of {version.name} is not served: {err.found}; "
                f"the log of the service ends with: {log}",
                expected=err.expected,
                fix=err.fix,
            ) from err
        raise


def _listener(port: int, old: "Service | None") -> "socket.socket":
    """Bind the port that was asked for, or the usual one, or a free one."""
    from regatta.serving.sockets import bind

    if port:
        try:
            return bind(HOST, port)
        except UsageError:
            # Taken by the service that this one replaces: both must run for a while.
            if old is None or old.port != port or not old.alive():
                raise
            return bind(HOST, 0)
    try:
        return bind(HOST, FIRST_PORT)
    except UsageError:
        return bind(HOST, 0)


def _prove(service: "Service", model: "Bundle", rows: list[dict[str, Any]]) -> float:
    """Return the largest difference between the service's answers and the bundle's own."""
    import numpy as np
    import pandas as pd

    from regatta.serving.client import Client

    client = Client(service.url, service.name)
    versions = client.metadata().get("versions")
    if versions != [service.version]:
        raise _differs(service, f"says that it serves version {versions}", service.version)
    rows = rows or [{column.name: column.example for column in model.signature}]
    predicted = model.predict_array(pd.DataFrame(rows))
    labels = model.to_frame(predicted)["prediction"].tolist()
    largest = 0.0
    for protocol, answers in (("V1", client.predict_v1(rows)), ("V2", client.predict_v2(rows))):
        found = [answer["prediction"] for answer in answers]
        if model.classes:
            if found != labels:
                raise _differs(service, f"predicts other classes over {protocol}", labels[:5])
            found = [[answer["probabilities"][c] for c in model.classes] for answer in answers]
        numbers = np.asarray(found, dtype=np.float64).reshape(predicted.shape)
        largest = max(largest, float(np.abs(numbers - predicted).max()))
    if not largest <= TOLERANCE:
        raise _differs(service, f"differs from its bundle by {largest:g}", f"at most {TOLERANCE:g}")
    return largest


def _differs(service: "Service", what: str, expected: object) -> ServiceError:
    return ServiceError(
        f"the service of {service.name} {service.version} {what}",
        expected=str(expected),
        fix=f"read {service.log}; the earlier service, if any, was left as it is",
    )


def _samples(evaluation: Path) -> list[dict[str, Any]]:
    """Read the sample rows of an evaluation."""
    values = read_json(open_artifact(evaluation, "evaluation").file("samples.json"))
    return list(values["rows"] if isinstance(values, dict) else values)


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
