"""A child process under watch: a time limit and a memory limit, enforced from outside.

The parent forks, so that a child starts in milliseconds with every library already imported. The
parent must be single-threaded and must never have run OpenMP code: a fork copies neither threads
nor the state of their locks. The child dies with its parent, and is killed as a whole group.
"""

import contextlib
import os
import resource
import select
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import psutil

from regatta.processes.client import IMPORT_VARIABLE
from regatta.processes.trees import end_with_parent

__all__ = ["Allowance", "Child", "Ending", "end_with", "memory_text", "wait"]

DESCENDANTS_EVERY_SECONDS = 0.5
MEGABYTE = 1e6


@dataclass(frozen=True)
class Allowance:
    """What a child may use.

    Attributes
    ----------
    deadline : float
        When it is killed, in seconds since the epoch.
    memory_bytes : int
        Resident memory, its descendants' included, above which it is killed.
    why : str
        What the deadline means, for the reason of a record.
    """

    deadline: float
    memory_bytes: int
    why: str = "its time limit"


@dataclass(frozen=True)
class Ending:
    """How a child ended.

    Attributes
    ----------
    status : {"done", "timeout", "out_of_memory", "crashed"}
        ``done``: it ended by itself with exit code 0.
    reason : str
        One sentence for people; empty when ``done``.
    seconds : float
        How long it ran.
    peak_memory_bytes : int
        Highest resident memory seen.
    """

    status: Literal["done", "timeout", "out_of_memory", "crashed"]
    reason: str
    seconds: float
    peak_memory_bytes: int


class Child:
    """A forked process that runs one function.

    Parameters
    ----------
    work : callable
        What the child runs. Its exception or return ends the child; it never returns here.
    allowance : Allowance
        What the child may use.
    """

    def __init__(self, work: Callable[[], None], allowance: Allowance) -> None:
        self.allowance = allowance
        self.started = time.time()
        self.peak_memory_bytes = 0
        self._descendants: list[psutil.Process] = []
        self._looked = self.started
        self._verdict: tuple[Literal["timeout", "out_of_memory"], str] | None = None
        parent = os.getpid()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        self.pipe, end = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            _become(work, parent)
        os.close(end)
        self._process = psutil.Process(self.pid)

    def poll(self) -> Ending | None:
        """Look after the child: kill it when it is over a limit, and bury it when it is dead.

        Returns
        -------
        Ending or None
            None while it runs.
        """
        ended = self._reap()
        if ended is None and self._verdict is None:
            self._judge()
            if self._verdict is not None:
                self.kill()
        return ended

    def kill(self) -> None:
        """Kill the child with all its descendants; `poll` still has to bury it."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        for process in self._descendants:
            with contextlib.suppress(psutil.Error):
                process.kill()

    def stop(self, reason: str) -> Ending:
        """Kill the child as late and wait until it is dead."""
        self._verdict = self._verdict or ("timeout", reason)
        self.kill()
        while (ended := self.poll()) is None:
            time.sleep(0.005)
        return ended

    def _judge(self) -> None:
        """Compare the child with its allowance."""
        now = time.time()
        used = self._memory(now)
        self.peak_memory_bytes = max(self.peak_memory_bytes, used)
        if used > self.allowance.memory_bytes:
            self._verdict = (
                "out_of_memory",
                f"used {memory_text(used)}; the limit of a trial is "
                f"{memory_text(self.allowance.memory_bytes)}",
            )
        elif now >= self.allowance.deadline:
            self._verdict = (
                "timeout",
                f"still at work after {now - self.started:.1f} s, when {self.allowance.why} ended",
            )

    def _memory(self, now: float) -> int:
        """Return the resident memory of the child and its descendants, in bytes."""
        try:
            if now - self._looked >= DESCENDANTS_EVERY_SECONDS:
                self._looked = now
                self._descendants = self._process.children(recursive=True)
            used = int(self._process.memory_info().rss)
        except psutil.Error:
            return 0
        for process in self._descendants:
            with contextlib.suppress(psutil.Error):
                used += int(process.memory_info().rss)
        return used

    def _reap(self) -> Ending | None:
        """Collect the child if it is dead."""
        pid, code, usage = os.wait4(self.pid, os.WNOHANG)
        if pid == 0:
            return None
        os.close(self.pipe)
        unit = 1 if sys.platform == "darwin" else 1024
        self.peak_memory_bytes = max(self.peak_memory_bytes, usage.ru_maxrss * unit)
        status, reason = self._verdict or _how_it_died(code)
        return Ending(status, reason, time.time() - self.started, self.peak_memory_bytes)


def wait(children: Iterable[Child], seconds: float) -> None:
    """Sleep until a child ends or some time is over."""
    pipes = [child.pipe for child in children]
    select.select(pipes, [], [], max(0.0, seconds))


def _how_it_died(code: int) -> tuple[Literal["done", "crashed"], str]:
    """Put a wait status into words."""
    if os.WIFSIGNALED(code):
        number = os.WTERMSIG(code)
        name = signal.Signals(number).name
        hint = "; so the kernel acts when memory runs out" if number == signal.SIGKILL else ""
        return "crashed", f"killed by {name} (signal {number}){hint}"
    status = os.WEXITSTATUS(code)
    return ("done", "") if status == 0 else ("crashed", f"ended with exit code {status}")


def _become(work: Callable[[], None], parent: int) -> None:
    """Live as the child: never returns."""
    code = 1
    try:
        os.setsid()
        end_with_parent(parent)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        # A dump of a crashed trial can be as large as the table, and nobody reads it.
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        _offer_to_kernel()
        warnings.simplefilter("ignore")
        work()
        code = 0
    finally:
        with contextlib.suppress(OSError, ValueError):
            if code:
                traceback.print_exc()
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _offer_to_kernel() -> None:
    """Ask the kernel to end this process first, not the lane, when memory runs out."""
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")


def memory_text(n_bytes: float) -> str:
    """Write an amount of memory in megabytes, or in smaller units where it is less than ten.

    Examples
    --------
    >>> memory_text(1_000), memory_text(2_500_000), memory_text(7e8), memory_text(2.5e9)
    ('1,000 B', '2,500 kB', '700 MB', '2,500 MB')
    """
    if n_bytes >= 10 * MEGABYTE:
        return f"{n_bytes / MEGABYTE:,.0f} MB"
    return f"{n_bytes / 1e3:,.0f} kB" if n_bytes >= 1e4 else f"{n_bytes:,.0f} B"


def end_with(starter: int) -> None:
    """Die when the stage that started this process dies.

    Parameters
    ----------
    starter : int
        Its process id. What a warm interpreter has forked dies with it, and is ended by it when
        the starter dies.
    """
    if IMPORT_VARIABLE not in os.environ:
        end_with_parent(starter, signal.SIGTERM)
