"""A warm interpreter: ``python -m regatta.processes.server SOCKET IMPORT... [-- LATER...]``.

It imports what it is told and then forks a process for each that is asked for, which so begins
without the seconds that imports take. What only later processes need is imported when nothing has
been asked for a while. It runs no code but imports, and no thread, so that a fork
of it is as good as a new interpreter. It ends, with all that it has forked, when its standard input
does.
"""

import atexit
import contextlib
import importlib
import json
import os
import random
import runpy
import selectors
import signal
import socket
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from regatta.processes.client import IMPORT_VARIABLE, LENGTH_BYTES
from regatta.processes.trees import end_tree, end_with_parent

__all__ = ["Server", "main"]

BACKLOG = 64
# A starter that says nothing has died while it asked.
REQUEST_SECONDS = 5.0
IDLE_SECONDS = 3.0


class Server:
    """Forks a process for every connection, and answers with its exit code.

    Parameters
    ----------
    path : Path
        Where the socket shall be.
    later : sequence of str
        What to import when nothing has been asked for a while.

    Raises
    ------
    OSError
        The path is too long for a socket, or cannot be written.
    """

    def __init__(self, path: Path, later: Sequence[str] = ()) -> None:
        self.later = list(later)
        self.listener = socket.socket(socket.AF_UNIX)
        # The name appears once there is somebody who answers: between bind and listen a starter
        # would be refused.
        unheard = path.with_name(f"{path.name}.new")
        self.listener.bind(str(unheard))
        self.listener.listen(BACKLOG)
        unheard.rename(path)
        self.children: dict[int, socket.socket] = {}

    def run(self, env: dict[str, str]) -> None:
        """Serve until standard input ends.

        Parameters
        ----------
        env : dict of str to str
            What every process has in its environment besides what its starter gives it.
        """
        woken, wake = os.pipe()
        os.set_blocking(wake, False)
        os.set_blocking(woken, False)
        signal.set_wakeup_fd(wake)
        # A handler, though it does nothing: only then is there a wake-up.
        signal.signal(signal.SIGCHLD, lambda *_: None)
        try:
            while True:
                ready = self._ready(woken)
                if not ready:
                    _import(self.later.pop(0))
                if sys.stdin.fileno() in ready:
                    return
                with contextlib.suppress(BlockingIOError):
                    os.read(woken, 4096)
                self._bury()
                for pid, connection in list(self.children.items()):
                    # Nothing more is ever sent: what can be read is the end of the starter.
                    if connection in ready:
                        end_tree(pid)
                if self.listener in ready:
                    self._accept(env, (woken, wake))
        finally:
            for pid in self.children:
                end_tree(pid)

    def _ready(self, woken: int) -> set[Any]:
        """Wait until something can be read; nothing can if there is time for an import."""
        with selectors.DefaultSelector() as selector:
            for source in (sys.stdin.fileno(), woken, self.listener, *self.children.values()):
                selector.register(source, selectors.EVENT_READ)
            events = selector.select(IDLE_SECONDS if self.later else None)
            return {key.fileobj for key, _ in events}

    def _bury(self) -> None:
        """Collect processes that have ended, and answer their starters."""
        for pid, connection in list(self.children.items()):
            found, status = os.waitpid(pid, os.WNOHANG)
            if found:
                del self.children[pid]
                with contextlib.suppress(OSError), connection:
                    connection.sendall(str(os.waitstatus_to_exitcode(status)).encode())

    def _accept(self, env: dict[str, str], own: tuple[int, int]) -> None:
        """Read a request and fork."""
        connection, _ = self.listener.accept()
        streams: list[int] = []
        try:
            connection.settimeout(REQUEST_SECONDS)
            request = _received(connection, streams)
            server = os.getpid()
            pid = os.fork()
        except (OSError, ValueError):
            # Without an answer the starter helps itself. Streams that stayed open would keep
            # whoever reads them waiting.
            for stream in streams:
                os.close(stream)
            connection.close()
            return
        if pid == 0:
            for place in (self.listener, connection, *self.children.values()):
                place.close()
            _become(request, streams, env, own, server)
        for stream in streams:
            os.close(stream)
        self.children[pid] = connection


def _received(connection: socket.socket, streams: list[int]) -> dict[str, Any]:
    """Read what is asked for, and put the three streams into a list."""
    head, received, _, _ = socket.recv_fds(connection, LENGTH_BYTES, 3)
    streams += received
    if len(streams) != 3:
        raise ValueError("the starter has sent no streams")
    missing = int.from_bytes(head, "big")
    content = b""
    while len(content) < missing:
        part = connection.recv(missing - len(content))
        if not part:
            raise ValueError("the starter has died while it asked")
        content += part
    request: dict[str, Any] = json.loads(content)
    return request


def _become(
    request: dict[str, Any],
    streams: list[int],
    env: dict[str, str],
    own: tuple[int, int],
    server: int,
) -> None:
    """Live as the process that was asked for: never returns."""
    code = 1
    try:
        end_with_parent(server)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
        for descriptor in (*streams, *own):
            os.close(descriptor)
        os.environ.clear()
        os.environ.update(request["env"] | env)
        os.chdir(request["cwd"])
        # What a new interpreter would have drawn or looked up for itself.
        random.seed()
        tempfile.tempdir = None
        code = _run(request["arguments"])
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _run(arguments: list[str]) -> int:
    """Run ``-m MODULE ...`` and return the exit code, as the interpreter would."""
    _, module, *rest = arguments
    sys.argv = [module, *rest]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as err:
        code = _exit_code(err.code)
    except BaseException:
        traceback.print_exc()
        code = 1
    # As the interpreter does at its end: wait for threads, then say goodbye.
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    return code


def _exit_code(wanted: Any) -> int:
    """Return what ``sys.exit`` makes of its argument."""
    if wanted is None:
        return 0
    if isinstance(wanted, int):
        return wanted & 0xFF
    sys.stderr.write(f"{wanted}\n")
    return 1


def _import(name: str) -> None:
    """Import a module, or call a function of it that imports: ``module:function``.

    One that cannot be imported says so to the process that needs it, which has a user to tell.
    """
    module, _, function = name.partition(":")
    with contextlib.suppress(ImportError, OSError):
        imported = importlib.import_module(module)
        if function:
            getattr(imported, function)()


def main(arguments: list[str]) -> None:
    """Import, then serve.

    Parameters
    ----------
    arguments : list of str
        Path of the socket; modules, or functions that import; after ``--`` those for later.
    """
    path, *names = arguments
    cut = names.index("--") if "--" in names else len(names)
    server = Server(Path(path), names[cut + 1 :])
    began = time.perf_counter()
    for name in names[:cut]:
        _import(name)
    server.run({IMPORT_VARIABLE: f"{time.perf_counter() - began:.3f}"})


if __name__ == "__main__":
    main(sys.argv[1:])
    # Nothing is left to say; to take the libraries down in order would only cost time.
    os._exit(0)
