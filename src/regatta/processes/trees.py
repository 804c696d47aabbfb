"""Ending a tree of processes, wherever in it they have made groups of their own."""

import contextlib
import ctypes
import os
import signal
from collections.abc import Iterator

__all__ = ["end_own_tree", "end_tree", "end_with_parent", "uninterrupted"]

PR_SET_PDEATHSIG = 1
INTERRUPTS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Keep Ctrl-C and its like waiting while something is done that must be whole."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, INTERRUPTS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end_tree(pid: int) -> None:
    """Kill a process, all that came from it, and its process group.

    Parameters
    ----------
    pid : int
        Root of the tree; the leader of its own process group.

    Notes
    -----
    Each process is stopped before its children are listed, so that none starts another one
    meanwhile.
    """
    import psutil

    def stopped(process: psutil.Process) -> Iterator[psutil.Process]:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.suspend()
            yield process
            for child in process.children():
                yield from stopped(child)

    doomed: list[psutil.Process] = []
    with contextlib.suppress(psutil.NoSuchProcess):
        doomed = list(stopped(psutil.Process(pid)))
    for process in doomed:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if os.getpgid(pid) == pid:
            os.killpg(pid, signal.SIGKILL)
    # The root is the caller's to wait for: whoever asks first gets its exit code.
    psutil.wait_procs([process for process in doomed if process.pid != pid], timeout=5)


def end_own_tree() -> None:
    """Kill all that came from this process, its process group, and so itself."""
    import psutil

    for child in psutil.Process().children():
        end_tree(child.pid)
    os.killpg(os.getpgrp(), signal.SIGKILL)


def end_with_parent(parent: int, number: int = signal.SIGKILL) -> None:
    """Let the kernel end this process when its parent dies, where the kernel can (Linux).

    Parameters
    ----------
    parent : int
        Process id of the parent; if it is no longer the parent, this process ends at once.
    number : int, default SIGKILL
        Signal that ends it.
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "prctl"):
        library.prctl(PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:
        os._exit(1)
