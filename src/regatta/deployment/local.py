"""The champion of a registry and its service on this machine.

A service is a process of `regatta.serving.services`, which outlives the command that started it.
Another version is started beside it, proven, and only then takes its place.
"""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from regatta.artifacts import read_json
from regatta.errors import RegattaError, ServiceError, UsageError
from regatta.processes.trees import uninterrupted
from regatta.registry import Version, home
from regatta.serving import services
from regatta.serving.services import Service

if TYPE_CHECKING:
    import socket

__all__ = ["follow_here", "running_here", "serve_here"]

HOST = "127.0.0.1"
FIRST_PORT = 8080
# A client that has just read the old address gets this long to use it.
DRAIN_SECONDS = 0.5


def running_here(name: str) -> Service | None:
    """Return the service of a model that runs on this machine, if there is one."""
    found = services.read(home() / "services", name)
    return found if found and found.alive() else None


def serve_here(
    version: Version, *, samples: Mapping[str, Any] | None = None, port: int = 0
) -> tuple[Service, float]:
    """Serve a version on this machine, in the place of what runs under its name.

    Parameters
    ----------
    version : Version
        The version.
    samples : mapping, optional
        ``rows``, and ``predictions`` of its bundle that the service must repeat. Without them one
        example row is asked, and the two protocols are compared.
    port : int, default 0
        Port of the service; 0: 8080, or a free one if that is taken.

    Returns
    -------
    service : Service
        The service. The one before it is stopped.
    difference : float
        Largest absolute difference between service and bundle.

    Raises
    ------
    ServiceError
        It was not ready in time, or differs from its bundle; the one before it goes on.
    UsageError
        The port is taken by something else.
    """
    folder = home() / "services"
    listener = _listener(port, running_here(version.name))
    new, difference = _start(folder, version, samples, listener)
    # A record without its process, or two processes, would be neither the old nor the new.
    with uninterrupted():
        with services.locked(folder, version.name):
            # Read only now: another command may have deployed meanwhile.
            old = services.read(folder, version.name)
            services.record(folder, new)
        if old and old.pid != new.pid and old.alive():
            time.sleep(DRAIN_SECONDS)
            services.stop(old)
    return new, difference


def follow_here(champion: Version) -> Service | None:
    """Let the running service of a model follow its champion.

    Parameters
    ----------
    champion : Version
        What shall be served.

    Returns
    -------
    Service or None
        The service, of this version now; None: none runs here, or one of another registry.

    Raises
    ------
    ServiceError
        The version cannot be served; the one before it goes on.
    """
    running = running_here(champion.name)
    # Versions of one model in one registry lie side by side.
    if running is None or _model(Path(running.model_dir)) != _model(champion.bundle):
        return None
    if running.serves(champion.bundle):
        return running
    return serve_here(champion, samples=_example(champion))[0]


def _model(bundle: Path) -> Path:
    """Return the folder with all versions of the model that a registered bundle is of."""
    return bundle.resolve().parent.parent


def _example(version: Version) -> dict[str, Any]:
    """Return a row of a version, and what its bundle predicts."""
    from regatta import bundle
    from regatta.serving.codecs import decode_v1

    loaded = bundle.load(version.bundle)
    rows = [{column.name: column.example for column in loaded.signature}]
    frame = decode_v1({"instances": rows}, loaded).frame
    return {"rows": rows, "predictions": loaded.predict_array(frame).tolist()}


def _start(
    folder: Path, version: Version, samples: Mapping[str, Any] | None, listener: "socket.socket"
) -> tuple[Service, float]:
    """Start a service and prove it; stop it again if that fails."""
    from regatta.serving.client import Client
    from regatta.serving.proof import prove

    new = services.start(folder, version.bundle, version.name, str(version.number), listener)
    try:
        described = read_json(version.bundle / "bundle.json")
        example = {column["name"]: column["example"] for column in described["signature"]}
        asked = samples or {"rows": [example], "predictions": None}
        services.wait_ready(new)
        client = Client(new.url, new.name)
        return new, prove(client, new.version, described, asked["rows"], asked["predictions"])
    except BaseException as err:
        services.stop(new, seconds=2)
        if isinstance(err, RegattaError):
            raise ServiceError(
                f"version {version.number} of {version.name} is not served: {err.found}",
                expected=err.expected,
                fix=f"{err.fix} ({new.log} ends with: {services.tail(Path(new.log))})",
            ) from err
        raise


def _listener(port: int, old: Service | None) -> "socket.socket":
    """Bind the port that was asked for, or the usual one, or a free one."""
    from regatta.serving.sockets import bind

    try:
        return bind(HOST, port or FIRST_PORT)
    except UsageError:
        # The service that this one replaces goes on meanwhile, so the two cannot share a port.
        replaces = old is not None and old.port == port
        if port and not replaces:
            raise
        return bind(HOST, 0)
