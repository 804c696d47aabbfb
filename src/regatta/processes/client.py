"""Asking a warm interpreter for a process (`regatta.processes.server`).

Only the standard library is imported here, and little of it: as a script this module stands in for
``python3`` in front of every task of a local run (`regatta.runs.local`).
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = [
    "IMPORT_VARIABLE",
    "LANES",
    "ONE_THREAD",
    "TASKS",
    "WARM_VARIABLE",
    "Forked",
    "is_warm",
    "start",
]

WARM_VARIABLE = "REGATTA_WARM"
"""Names the folder of the sockets; without it every process is a new interpreter."""
IMPORT_VARIABLE = "REGATTA_IMPORT_SECONDS"
"""Tells a forked process how long the imports took that it did not have to wait for."""
TASKS, LANES = "tasks", "lanes"
"""Names of the sockets: of what tasks import, and of what trials do."""

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
"""Environment of a process that forks others which use threads: it must not start any itself."""

LENGTH_BYTES = 8


def is_warm() -> bool:
    """Return whether the processes of this run are forked from warm interpreters."""
    folder = os.environ.get(WARM_VARIABLE)
    return bool(folder) and Path(str(folder), LANES).exists()


class Forked:
    """A process that a warm interpreter has forked; like `subprocess.Popen`.

    Parameters
    ----------
    path : str or Path
        Socket of the warm interpreter.
    arguments : sequence of str
        ``-m``, the name of a module, and its arguments.
    env : mapping of str to str
        Its whole environment.
    streams : tuple of int
        Its standard input, output and error.

    Raises
    ------
    OSError
        There is no warm interpreter.

    Notes
    -----
    The process ends when its starter does: then the connection is closed.
    """

    def __init__(
        self,
        path: str | Path,
        arguments: Sequence[str],
        env: Mapping[str, str],
        streams: tuple[int, int, int] = (0, 1, 2),
    ) -> None:
        self._connection = socket.socket(socket.AF_UNIX)
        self.returncode: int | None = None
        try:
            self._connection.connect(str(path))
            request = {"arguments": list(arguments), "env": dict(env), "cwd": os.getcwd()}
            content = json.dumps(request).encode()
            head = len(content).to_bytes(LENGTH_BYTES, "big")
            socket.send_fds(self._connection, [head], list(streams))
            self._connection.sendall(content)
        except OSError:
            self._connection.close()
            raise

    def wait(self) -> int:
        """Wait for its end; return its exit code, or minus the number of the signal it died of."""
        while self.returncode is None:
            try:
                answer = self._connection.recv(64)
            except ConnectionError:
                answer = b""
            # Without an answer the warm interpreter has died, and the process with it.
            self.returncode = int(answer) if answer else -signal.SIGKILL
            self._connection.close()
        return self.returncode

    def kill(self) -> None:
        """Kill it with all that came from it; `wait` still has to be called."""
        if self.returncode is None:
            # It may be over already, with nobody at the other end.
            with contextlib.suppress(OSError):
                self._connection.shutdown(socket.SHUT_WR)


def start(
    module: str, arguments: Sequence[str], env: Mapping[str, str]
) -> "Forked | subprocess.Popen[Any]":
    """Start a module that trains, with no standard input: forked where there is what to fork from.

    Parameters
    ----------
    module : str
        Name of the module, to be run as ``__main__``.
    arguments : sequence of str
        Its arguments.
    env : mapping of str to str
        Its whole environment.
    """
    if folder := os.environ.get(WARM_VARIABLE):
        nothing = os.open(os.devnull, os.O_RDONLY)
        try:
            return Forked(Path(folder, LANES), ["-m", module, *arguments], env, (nothing, 1, 2))
        except OSError:
            # It has ended, or never began: a new interpreter only takes longer.
            pass
        finally:
            os.close(nothing)
    command = [sys.executable, "-m", module, *arguments]
    cold = {name: value for name, value in env.items() if name != IMPORT_VARIABLE}
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, env=cold)


def _stand_in(folder: str, arguments: list[str]) -> None:
    """Do what ``python3`` with these arguments would do."""
    if arguments[:1] == ["-m"]:
        try:
            code = Forked(Path(folder, TASKS), arguments, os.environ).wait()
        except OSError:
            pass
        else:
            if code < 0:
                os.kill(os.getpid(), -code)
            os._exit(code)
    os.execv(sys.executable, [sys.executable, *arguments])


if __name__ == "__main__":
    _stand_in(sys.argv[1], sys.argv[2:])
