"""Children that die with their parent, and endings that say how."""

import os
import signal
import subprocess
import sys
import time

from regatta.search.isolation import Allowance, Child, wait

FREE = Allowance(deadline=float("inf"), memory_bytes=1 << 50)


def watch(child: Child, seconds: float = 10.0):
    deadline = time.time() + seconds
    while time.time() < deadline:
        if (ending := child.poll()) is not None:
            return ending
        wait([child], 0.05)
    raise AssertionError("the child is still there")


def test_end_is_noticed_at_once():
    child = Child(lambda: time.sleep(0.2), FREE)
    ending = watch(child)
    assert (ending.status, ending.reason) == ("done", "")
    assert 0.2 <= ending.seconds < 1.5


def test_exception_is_an_exit_code(capfd):
    def work():
        raise RuntimeError("from the child")

    ending = watch(Child(work, FREE))
    assert (ending.status, ending.reason) == ("crashed", "ended with exit code 1")
    assert "from the child" in capfd.readouterr().err


def test_foreign_kill_says_that_memory_may_be_the_cause():
    child = Child(lambda: os.kill(os.getpid(), signal.SIGKILL), FREE)
    ending = watch(child)
    assert ending.status == "crashed"
    assert "SIGKILL" in ending.reason
    assert "memory" in ending.reason


def test_stopped_child_is_ended_too():
    child = Child(
        lambda: os.kill(os.getpid(), signal.SIGSTOP), Allowance(time.time() + 0.3, 1 << 50)
    )
    assert watch(child).status == "timeout"


def test_stop_ends_a_child_and_its_children(tmp_path):
    def work():
        pid = os.fork()
        if pid == 0:
            (tmp_path / "pid").write_text(str(os.getpid()))
            time.sleep(60)
            os._exit(0)
        time.sleep(60)

    child = Child(work, FREE)
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
        time.sleep(0.01)
    ending = child.stop("enough")
    assert (ending.status, ending.reason) == ("timeout", "enough")
    assert gone(int((tmp_path / "pid").read_text()))


def test_child_dies_with_its_parent(tmp_path):
    code = f"""
import os, time
from regatta.search.isolation import Child, Allowance
def work():
    open({str(tmp_path / "pid")!r}, "w").write(str(os.getpid()))
    time.sleep(60)
child = Child(work, Allowance(float("inf"), 1 << 50))
time.sleep(60)
"""
    parent = subprocess.Popen([sys.executable, "-c", code])
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
        time.sleep(0.01)
    parent.kill()
    parent.wait()
    assert gone(int((tmp_path / "pid").read_text()))


def gone(pid: int) -> bool:
    """Return whether a process ends within a few seconds (a zombie has ended)."""
    deadline = time.time() + 5
    while time.time() < deadline:
        try:
            with open(f"/proc/{pid}/stat") as file:
                if file.read().rpartition(")")[2].split()[0] == "Z":
                    return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.02)
    return False
