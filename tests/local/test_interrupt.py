"""A run that is stopped in the middle leaves neither processes nor half of anything."""

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import psutil
import pytest

from regatta.registry import Registry
from regatta.testing.tables import binary_table

pytestmark = pytest.mark.slow


def start(folder: Path, until: str = "trial ", max_trials: int = 0) -> "subprocess.Popen[str]":
    """Start a run and wait until its race is on, or until it prints another line."""
    table = folder / "toy.csv"
    binary_table(300).to_csv(table, index=False)
    command = [sys.executable, "-m", "regatta.cli", "run", str(table), "--target", "outcome"]
    options = ["--set", f"search.max_trials={max_trials}"]
    process = subprocess.Popen(
        [*command, "--budget", "2m", *options, "--out", str(folder / "out")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A shell starts what it does not wait for with interrupts ignored, and that is inherited.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdout
    for line in process.stdout:
        if line.startswith(until):
            return process
    raise AssertionError(process.communicate()[1])


def family(process: "subprocess.Popen[str]") -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [one for one in processes if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_it_all(number: signal.Signals, tmp_path: Path) -> None:
    process = start(tmp_path)
    descendants = family(process)
    assert len(descendants) >= 3
    os.kill(process.pid, number)
    _, error = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "interrupted" in error
    assert "Traceback" not in error
    assert alive(descendants) == []
    assert [path.name for path in tmp_path.iterdir()] == ["toy.csv"]


def test_a_registered_version_is_not_denied(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("REGATTA_HOME", str(home))
    process = start(tmp_path, until="register ", max_trials=2)
    os.kill(process.pid, signal.SIGINT)
    _, error = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "interrupted; toy@1 is registered and stays" in error
    assert [version.number for version in Registry(home / "registry").versions("toy")] == [1]
    assert [path.name for path in tmp_path.iterdir()] == ["toy.csv"]


def test_a_killed_command_takes_its_tasks_along(tmp_path: Path) -> None:
    process = start(tmp_path)
    descendants = family(process)
    process.kill()
    process.communicate(timeout=20)
    for _ in range(100):
        if not alive(descendants):
            break
        time.sleep(0.1)
    assert alive(descendants) == []
    assert not (tmp_path / "out").exists()
