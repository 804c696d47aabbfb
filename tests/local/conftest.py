"""Runs of the command line as a user starts them: processes of their own."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Ended:
    """A command that has ended."""

    code: int
    output: str
    error: str
    seconds: float


Regatta = Callable[..., Ended]


@pytest.fixture(scope="session")
def regatta() -> Regatta:
    """Run a command of Regatta."""

    def run(*arguments: object, timeout: float = 150) -> Ended:
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "regatta.cli", *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            env={**os.environ, "COLUMNS": "120"},
        )
        seconds = time.perf_counter() - began
        return Ended(done.returncode, done.stdout, done.stderr, seconds)

    return run


@pytest.fixture(scope="module", autouse=True)
def regatta_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One registry for all tests of a module, so that a fixture may hold a run."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REGATTA_HOME", str(home))
        yield home
