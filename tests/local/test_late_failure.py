"""What was measured is kept when a run fails at its last step."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from regatta.testing.tables import binary_table

pytestmark = pytest.mark.slow


def test_a_taken_port_costs_the_service_alone(tmp_path: Path) -> None:
    table, out = tmp_path / "toy.csv", tmp_path / "out"
    binary_table(300).to_csv(table, index=False)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        command = [sys.executable, "-m", "regatta.cli", "run", str(table), "--target", "outcome"]
        options = ["--budget", "2m", "--set", "search.max_trials=2", "--out", str(out)]
        options += ["--set", f"deploy.port={port}"]
        # Some schedulers start commands with a closed standard input.
        done = subprocess.run(
            ["sh", "-c", 'exec "$@" <&-', "sh", *command, *options],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            env={**os.environ, "COLUMNS": "200"},
        )
    assert done.returncode == 2, done.stderr
    assert f"the run was measured and is kept in {out}" in done.stderr
    assert "its model is registered as toy@1" in done.stderr
    assert str(port) in done.stderr
    assert json.loads((out / "run.json").read_text())["version"]["version"] == 1
    assert (out / "report.html").is_file()
    events = [json.loads(line) for line in (out / "events.jsonl").read_text().splitlines()]
    started = [event["task"] for event in events if event["event"] == "task_started"]
    # A cluster tries a task again; here the second try would find the same port taken.
    assert started.count("release") == 1
