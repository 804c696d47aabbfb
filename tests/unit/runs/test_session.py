import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from regatta import events
from regatta.errors import DefectError, TargetError
from regatta.processes.trees import end_tree
from regatta.runs import session as sessions
from regatta.runs.request import Request
from regatta.runs.session import Session
from regatta.settings import RunSettings

TREE = """
import subprocess, sys, time
if int(sys.argv[1]):
    command = [sys.executable, __file__, str(int(sys.argv[1]) - 1)]
    subprocess.Popen(command, start_new_session=sys.argv[1] == "2")
time.sleep(60)
"""


@pytest.fixture
def request_(tmp_path: Path) -> Request:
    table = tmp_path / "t.csv"
    table.write_text("a,y\n1,no\n")
    values = {"data": {"source": str(table), "target": "y"}}
    return Request(RunSettings.from_values(values), tmp_path / "deep" / "er" / "out")


def start(session: Session, code: str) -> None:
    """Start a program in the place of the pipeline."""
    with session.log.open("wb") as log:
        session.process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, events.EVENTS_VARIABLE: str(session.events)},
            start_new_session=True,
        )


def test_nothing_is_left_of_a_run_that_did_not_end(request_: Request, tmp_path: Path) -> None:
    with Session(request_) as session:
        start(session, "import time; time.sleep(60)")
        scratch, process = session.scratch, session.process
        assert session.running
    assert process
    assert process.poll() is not None
    assert not scratch.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]


def test_the_pipeline_finds_folders_that_were_named_from_here(
    request_: Request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It works in the root folder, and would make `models` there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REGATTA_HOME", "home")
    for given, wanted in (("models", f"{tmp_path}/models"), ("s3://a/b", "s3://a/b"), ("", "")):
        monkeypatch.setenv("REGATTA_MODELS", given)
        with Session(request_) as session:
            found = session._environment()
        assert found["REGATTA_MODELS"] == wanted
        assert found["REGATTA_HOME"] == f"{tmp_path}/home"


def test_an_error_of_a_task_comes_back_as_it_was(request_: Request) -> None:
    code = """
from regatta.errors import TargetError
from regatta.stages import task
with task("prepare"):
    raise TargetError("no column 'x'", expected="one of a, y", fix="use --target y")
"""
    with Session(request_) as session:
        start(session, code)
        seen = [event["event"] for event in session.follow()]
        with pytest.raises(TargetError, match="no column 'x'") as caught:
            session.check()
    assert seen == ["task_started", "error"]
    assert (caught.value.exit_code, caught.value.fix) == (2, "use --target y")
    assert not request_.out.parent.exists()


def test_a_defect_keeps_its_log(request_: Request) -> None:
    with Session(request_) as session:
        start(session, "{}['x']")
        list(session.follow())
        with pytest.raises(DefectError, match="KeyError: 'x'"):
            session.check()
    log = request_.out.with_name("out.log")
    assert "Traceback" in log.read_text()
    assert [path.name for path in request_.out.parent.iterdir()] == ["out.log"]


def test_a_killed_task_says_so(request_: Request) -> None:
    with Session(request_) as session:
        start(session, "import os; os.kill(os.getpid(), 9)")
        list(session.follow())
        with pytest.raises(DefectError, match="it was killed"):
            session.check()


def test_the_pipeline_is_given_its_request(
    request_: Request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in = tmp_path / "python"
    stand_in.write_text('#!/bin/sh\necho "$TMPDIR $PYTHONSAFEPATH $PWD"\n')
    stand_in.chmod(0o755)
    monkeypatch.setattr(sessions.sys, "executable", str(stand_in))
    with Session(request_) as session:
        session.start()
        list(session.follow())
        session.check()
        assert session.log.read_text() == f"{session.scratch} 1 /\n"
        values = json.loads((session.scratch / "request.json").read_text())
    assert values["arguments"]["data_target"] == "y"
    assert Path(values["root"]).parent == request_.out.parent


def test_a_tree_ends_whatever_groups_it_made(tmp_path: Path) -> None:
    program = tmp_path / "tree.py"
    program.write_text(TREE)
    root = subprocess.Popen([sys.executable, str(program), "3"], start_new_session=True)
    family = psutil.Process(root.pid)
    for _ in range(200):
        if len(family.children(recursive=True)) == 3:
            break
        time.sleep(0.05)
    descendants = family.children(recursive=True)
    assert len(descendants) == 3
    end_tree(root.pid)
    assert root.wait(5) == -signal.SIGKILL
    assert not [one for one in descendants if one.is_running() and one.status() != "zombie"]
