"""Services on this machine: server processes that outlive the command that started them.

A service is a process of its own session, with its output in a log file, and a record
``<folder>/<name>.json`` that says where it is. The record changes by one rename: who reads it
finds the old service or the new one.
"""

import contextlib
import fcntl
import json
import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from regatta.errors import ServiceError, UsageError, nearest
from regatta.processes.client import IMPORT_VARIABLE, WARM_VARIABLE
from regatta.serving.client import Client

__all__ = [
    "Service",
    "forget",
    "get",
    "locked",
    "names",
    "read",
    "record",
    "start",
    "stop",
    "tail",
    "wait_ready",
]

READY_SECONDS = 60.0
STOP_SECONDS = 25.0
LISTEN_FD = 3


@dataclass(frozen=True)
class Service:
    """A server process on this machine.

    Attributes
    ----------
    name, version : str
        What it serves.
    url : str
        Its address.
    port, pid : int
        Its port and process.
    started_at : float
        When the process was started by the clock of the system, in seconds since the epoch: a
        process of the same number but another start is somebody else's.
    log : str
        Path of its log.
    model_dir : str
        Folder of the bundle.
    """

    name: str
    version: str
    url: str
    port: int
    pid: int
    started_at: float
    log: str
    model_dir: str

    def alive(self) -> bool:
        """Return whether the process still runs, and is the one that was started."""
        import psutil

        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.started_at) < 2
            return bool(same and process.status() != psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return False

    def serves(self, model_dir: Path) -> bool:
        """Return whether it is the service of a bundle."""
        return Path(self.model_dir) == model_dir


def start(
    folder: Path, model_dir: Path, name: str, version: str, listener: socket.socket
) -> Service:
    """Start a server process; it is not ready yet.

    Parameters
    ----------
    folder : Path
        Where logs and records of services are.
    model_dir : Path
        Folder of the bundle.
    name, version : str
        What it serves.
    listener : socket
        A bound socket. The process inherits it, so that nobody can take the port meanwhile; this
        function closes the caller's.

    Returns
    -------
    Service
        The process.

    Notes
    -----
    ``posix_spawn`` rather than `subprocess`: the process is not this one's to wait for.
    """
    host, port = listener.getsockname()[:2]
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / f"{name}-{version}-{port}.log"
    command = [sys.executable, "-m", "regatta.serving", "--model_dir", str(model_dir)]
    command += ["--model_name", name, "--model_version", version, "--listen_fd", str(LISTEN_FD)]
    fresh = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND
    files = [
        # First the socket: opening the log could take its number.
        (os.POSIX_SPAWN_DUP2, listener.fileno(), LISTEN_FD),
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, str(log), fresh, 0o644),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    began = time.time()
    # It outlives the folder that somebody happens to work in.
    with listener, contextlib.chdir("/"):
        pid = os.posix_spawn(
            sys.executable, command, _environment(), file_actions=files, setsid=True
        )
    url = f"http://{host}:{port}"
    return Service(name, version, url, port, pid, _started(pid, began), str(log), str(model_dir))


def wait_ready(service: Service, seconds: float = READY_SECONDS) -> None:
    """Wait until a service answers.

    Raises
    ------
    ServiceError
        Its process ended, or it was not ready in time.
    """
    client = Client(service.url, service.name, timeout_seconds=5)
    deadline = time.monotonic() + seconds
    while not client.ready():
        ended = not service.alive()
        if ended or time.monotonic() > deadline:
            what = "ended before it was ready" if ended else f"is not ready after {seconds:.0f} s"
            raise ServiceError(
                f"the service of {service.name} {service.version} {what}",
                expected="a ready service",
                fix=f"read {service.log}",
            )
        time.sleep(0.05)


def stop(service: Service, seconds: float = STOP_SECONDS) -> bool:
    """Stop a service; requests at work are finished first.

    Parameters
    ----------
    service : Service
        The service.
    seconds : float, default 25
        After this time it is killed.

    Returns
    -------
    bool
        Whether it was running.
    """
    if not service.alive():
        _reap(service.pid)
        return False
    deadline = time.monotonic() + seconds
    os.kill(service.pid, signal.SIGTERM)
    while service.alive():
        if time.monotonic() > deadline:
            with contextlib.suppress(ProcessLookupError):
                os.kill(service.pid, signal.SIGKILL)
            deadline = float("inf")
        time.sleep(0.02)
    _reap(service.pid)
    return True


def record(folder: Path, service: Service) -> None:
    """Write the record of a service, at once."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(prefix=f".{service.name}-", dir=folder)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(asdict(service), file, indent=1)
    os.replace(temporary, folder / f"{service.name}.json")


def forget(folder: Path, name: str) -> None:
    """Remove the record of a service."""
    (folder / f"{name}.json").unlink(missing_ok=True)


def read(folder: Path, name: str) -> Service | None:
    """Return the service that is recorded under a name, whether it runs or not."""
    try:
        return Service(**json.loads((folder / f"{name}.json").read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as err:
        raise ServiceError(
            f"the record {str(folder / f'{name}.json')!r} is damaged",
            fix="remove it; the process it meant, if any, must be ended by hand",
        ) from err


def names(folder: Path) -> list[str]:
    """Return the names of all services that are recorded."""
    return sorted(path.stem for path in folder.glob("*.json"))


def get(folder: Path, name: str) -> Service:
    """Return the service that is recorded under a name.

    Raises
    ------
    UsageError
        There is none.
    """
    found = read(folder, name)
    if found is None:
        known = names(folder)
        raise UsageError(
            f"no service {name!r} was started here{nearest(name, known)}",
            expected="one of " + ", ".join(known[:5]) if known else "",
            fix="services are started by `regatta run`; `regatta serve` runs in its own terminal",
        )
    return found


@contextlib.contextmanager
def locked(folder: Path, name: str) -> Iterator[None]:
    """Hold the lock of a name while its record changes."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f".{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def tail(log: Path, lines: int = 5) -> str:
    """Return the last lines of a log, in one line."""
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return "(no log)"
    return " | ".join(line.strip() for line in text.splitlines()[-lines:] if line.strip())[-1500:]


def _environment() -> dict[str, str]:
    """Return the environment of a server: of the run's own it needs nothing."""
    own = ("REGATTA_EVENTS", "_KFP_RUNTIME", "OMP_NUM_THREADS", WARM_VARIABLE, IMPORT_VARIABLE)
    kept = {key: value for key, value in os.environ.items() if key not in own}
    # No module in a folder of the user's may shadow one of ours.
    return {**kept, "PYTHONSAFEPATH": "1"}


def _started(pid: int, began: float) -> float:
    """Return when a process of ours started, by the system's clock."""
    import psutil

    try:
        return float(psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        return began


def _reap(pid: int) -> None:
    """Take the exit status of a process that ended, if it is a child of this one."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
