"""Processes forked from a real warm interpreter, beside those that a new one starts."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from regatta.processes import client
from regatta.processes.client import IMPORT_VARIABLE, LANES, TASKS, WARM_VARIABLE, Forked, start

JOB = """
import json, os, signal, subprocess, sys, threading, time

def later():
    time.sleep(0.2)
    print("a thread is waited for")

what = sys.argv[1]
if what == "tell":
    told = {"argv": sys.argv, "cwd": os.getcwd(), "env": dict(os.environ), "name": __name__}
    told["imported"] = "wave" in sys.modules
    print(json.dumps(told))
    print("to the other stream", file=sys.stderr)
elif what == "copy":
    print(sys.stdin.read().upper())
elif what == "exit":
    sys.exit({"none": None, "words": "no good"}.get(sys.argv[2], 7))
elif what == "raise":
    raise ValueError("as any program may")
elif what == "die":
    os.kill(os.getpid(), signal.SIGTERM)
elif what == "thread":
    threading.Thread(target=later).start()
elif what == "tree":
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    with open(sys.argv[2] + ".new", "w") as file:
        file.write(f"{os.getpid()} {child.pid}")
    os.rename(sys.argv[2] + ".new", sys.argv[2])
    time.sleep(60)
"""


def serve(folder: Path, name: str = "wave") -> "subprocess.Popen[bytes]":
    """Start warm interpreters of both names, which import a module."""
    (folder / "job.py").write_text(JOB)
    command = [sys.executable, "-m", "regatta.processes.server", str(folder / TASKS), name]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(folder)}
    )
    wait_for(lambda: (folder / TASKS).exists())
    (folder / LANES).symlink_to(folder / TASKS)
    return process


def grown(told: Path) -> list[int]:
    """Wait for the job ``tree``; return the ids of its processes, the root first."""
    wait_for(told.exists)
    return [int(word) for word in told.read_text().split()]


def wait_for(true) -> None:
    until = time.monotonic() + 20
    while not true():
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("warm")
    process = serve(folder)
    yield folder
    process.communicate(timeout=20)
    assert process.returncode == 0


def test_what_is_for_later_is_imported_when_it_is_idle(tmp_path: Path, monkeypatch):
    (tmp_path / "job.py").write_text("import sys; sys.exit(10 + ('colorsys' in sys.modules))")
    server = "import sys; from regatta.processes import server; server.IDLE_SECONDS = 0.5; "
    command = [sys.executable, "-c", server + "server.main(sys.argv[1:])"]
    arguments = [str(tmp_path / TASKS), "wave", "--", "colorsys"]
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    process = subprocess.Popen([*command, *arguments], stdin=subprocess.PIPE)
    wait_for((tmp_path / TASKS).exists)
    assert stand_in(tmp_path, "-m", "job").returncode == 10
    wait_for(lambda: time.sleep(0.6) or stand_in(tmp_path, "-m", "job").returncode == 11)
    process.communicate(timeout=20)


def stand_in(folder: Path, *arguments: str, **options) -> "subprocess.CompletedProcess[str]":
    """Run what a task of a local run calls ``python3``."""
    command = [sys.executable, "-I", "-S", client.__file__, str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=20, **options)


def test_it_is_as_a_new_interpreter_would_be(folder: Path, tmp_path: Path):
    env = {"PATH": os.environ["PATH"], "WORD": "é ü"}
    done = stand_in(folder, "-m", "job", "tell", "a b", cwd=tmp_path, env=env)
    assert done.returncode == 0
    assert done.stderr == "to the other stream\n"
    told = json.loads(done.stdout)
    assert told["argv"][1:] == ["tell", "a b"]
    assert told["argv"][0] == str(folder / "job.py")
    assert told["name"] == "__main__"
    assert told["cwd"] == str(tmp_path)
    assert told["imported"]
    seconds = told["env"].pop(IMPORT_VARIABLE)
    assert float(seconds) >= 0  # to the millisecond
    assert {name: told["env"][name] for name in env} == env
    assert "PYTHONPATH" not in told["env"]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("exit", "none"), 0, ""),
        (("exit", "seven"), 7, ""),
        (("exit", "words"), 1, "no good"),
        (("raise",), 1, "ValueError: as any program may"),
        (("die",), -signal.SIGTERM, ""),
    ],
)
def test_its_end_is_told(folder: Path, arguments, code: int, said: str):
    done = stand_in(folder, "-m", "job", *arguments)
    assert (done.returncode, done.stderr.strip().endswith(said)) == (code, True)


def test_streams_and_threads_are_its_own(folder: Path):
    assert stand_in(folder, "-m", "job", "copy", input="read me").stdout == "READ ME\n"
    assert stand_in(folder, "-m", "job", "thread").stdout == "a thread is waited for\n"


def test_what_is_no_module_goes_to_the_interpreter(folder: Path):
    assert stand_in(folder, "-c", "print(6 * 7)").stdout == "42\n"


def test_without_a_warm_interpreter_there_is_the_ordinary_one(tmp_path: Path):
    assert "usage" in stand_in(tmp_path, "-m", "json.tool", "--help").stdout


def test_killing_ends_all_that_came_from_it(folder: Path, tmp_path: Path):
    forked = Forked(folder / TASKS, ["-m", "job", "tree", str(tmp_path / "pids")], os.environ)
    pids = grown(tmp_path / "pids")
    forked.kill()
    assert forked.wait() == -signal.SIGKILL
    wait_for(lambda: not any(map(alive, pids)))
    # Others are served as before.
    assert stand_in(folder, "-m", "job", "exit", "none").returncode == 0


def test_it_ends_with_its_starter(folder: Path, tmp_path: Path):
    arguments = [sys.executable, "-I", "-S", client.__file__, str(folder), "-m", "job", "tree"]
    starter = subprocess.Popen([*arguments, str(tmp_path / "pids")])
    pids = grown(tmp_path / "pids")
    starter.kill()
    starter.wait()
    wait_for(lambda: not any(map(alive, pids)))


def test_it_ends_with_the_warm_interpreter(tmp_path: Path):
    process = serve(tmp_path)
    forked = Forked(tmp_path / TASKS, ["-m", "job", "tree", str(tmp_path / "pids")], os.environ)
    pids = grown(tmp_path / "pids")
    process.communicate(timeout=20)
    assert forked.wait() == -signal.SIGKILL
    wait_for(lambda: not any(map(alive, pids)))


def test_a_starter_that_dies_while_it_asks_disturbs_nobody(folder: Path):
    reading, writing = os.pipe()
    with socket.socket(socket.AF_UNIX) as broken:
        broken.connect(str(folder / TASKS))
        socket.send_fds(broken, [(500).to_bytes(8, "big")], [writing, writing, writing])
        broken.sendall(b"{")
    os.close(writing)
    assert stand_in(folder, "-m", "job", "exit", "seven").returncode == 7
    # Nor does anybody wait for streams that are held open.
    assert os.read(reading, 1) == b""
    os.close(reading)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's end")
def test_it_ends_when_the_warm_interpreter_is_killed(tmp_path: Path):
    process = serve(tmp_path)
    forked = Forked(tmp_path / TASKS, ["-m", "job", "tree", str(tmp_path / "pids")], os.environ)
    pids = grown(tmp_path / "pids")
    process.kill()
    process.communicate()
    assert forked.wait() == -signal.SIGKILL
    forked.kill()
    wait_for(lambda: not alive(pids[0]))
    os.kill(pids[1], signal.SIGKILL)


def test_what_cannot_be_imported_is_the_matter_of_those_who_need_it(tmp_path: Path):
    (tmp_path / "broken.py").write_text("raise ImportError('no such library')")
    process = serve(tmp_path, "broken")
    done = stand_in(tmp_path, "-m", "broken")
    assert (done.returncode, "no such library" in done.stderr) == (1, True)
    process.communicate(timeout=20)
    assert process.returncode == 0


def test_a_pool_of_threads_that_is_left_open_keeps_nobody_waiting(tmp_path: Path):
    (tmp_path / "pooled.py").write_text(
        "from concurrent.futures import ThreadPoolExecutor\n"
        "pool = ThreadPoolExecutor()\nprint(pool.submit(sum, [1, 2]).result())\n"
    )
    process = serve(tmp_path)
    assert stand_in(tmp_path, "-m", "pooled").stdout == "3\n"
    process.communicate(timeout=20)


def test_without_sockets_nothing_is_warm(tmp_path: Path, monkeypatch):
    monkeypatch.setenv(WARM_VARIABLE, str(tmp_path))
    assert not client.is_warm()
    (tmp_path / LANES).touch()
    assert client.is_warm()


@pytest.mark.parametrize("warm", [True, False])
def test_a_module_is_started_either_way(folder: Path, tmp_path: Path, monkeypatch, capfd, warm):
    monkeypatch.setenv(WARM_VARIABLE, str(folder if warm else tmp_path))
    env = os.environ | {"PYTHONPATH": str(folder), IMPORT_VARIABLE: "9"}
    started = start("job", ["tell"], env)
    assert started.wait() == 0
    assert isinstance(started, Forked) == warm
    told = json.loads(capfd.readouterr().out)
    # What is not forked must not believe that it was.
    assert (IMPORT_VARIABLE in told["env"]) == warm


def alive(pid: int) -> bool:
    """Return whether a process is there, and no zombie."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
