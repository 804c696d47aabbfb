"""What is printed to somebody who reads the first line only."""

import os
import subprocess
import sys

import pytest

from regatta.cli import UNREAD


@pytest.mark.parametrize("command", [["models", "list", "--json"], ["models", "list"], ["--help"]])
def test_a_reader_that_has_gone_is_no_error(command: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "regatta.cli", *command],
            stdout=writing,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (UNREAD, "")


def test_doctor_in_a_pipe_that_nobody_reads() -> None:
    command = f"{sys.executable} -m regatta.cli doctor | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode in (0, UNREAD)
    assert done.stderr == ""
