"""One run on this machine: its folders, its processes, and what is left of it."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from regatta import errors, events
from regatta.errors import DefectError, RegattaError
from regatta.processes.trees import end_tree, uninterrupted
from regatta.registry.root import MODELS_VARIABLE, home
from regatta.runs.request import Request
from regatta.stages.parameters import decompose
from regatta.store import is_location

__all__ = ["Session"]


class Session:
    """The folders and processes of one run; a context manager that leaves nothing behind.

    Artifacts are made in a hidden folder beside the output folder, on the same file system, so
    that the end is a rename. Temporary files are in a folder of their own.

    Parameters
    ----------
    request : Request
        What to run.

    Attributes
    ----------
    done : dict of str to dict
        The numbers of each stage that is done.
    """

    def __init__(self, request: Request) -> None:
        self.request = request
        self.process: subprocess.Popen[bytes] | None = None
        self.done: dict[str, dict[str, Any]] = {}
        self._errors: list[dict[str, Any]] = []
        self._offset = 0
        self._lifeline: int | None = None

    def __enter__(self) -> "Session":
        out = self.request.out
        self._made = [path for path in (out.parent, *out.parent.parents) if not path.exists()]
        out.parent.mkdir(parents=True, exist_ok=True)
        self.work = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
        self.work.chmod(0o755)
        self.scratch = Path(tempfile.mkdtemp(prefix="regatta-"))
        self.log = self.work / "run.log"
        self.events = self.scratch / "events.jsonl"
        return self

    def __exit__(self, *_: object) -> None:
        with uninterrupted():
            self.stop()
            shutil.rmtree(self.work, ignore_errors=True)
            shutil.rmtree(self.scratch, ignore_errors=True)
            for folder in self._made:
                with contextlib.suppress(OSError):
                    folder.rmdir()

    def start(self) -> None:
        """Start the process that executes the pipeline."""
        request = self.scratch / "request.json"
        arguments = decompose(self.request.settings)
        values = {"arguments": arguments, "root": str(self.work), "scratch": str(self.scratch)}
        request.write_text(json.dumps(values), encoding="utf-8")
        theirs, self._lifeline = os.pipe()
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "regatta.runs.local", str(request), str(theirs)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # A service that is started here outlives any folder of the run.
                cwd="/",
                env=self._environment(),
                pass_fds=(theirs,),
                start_new_session=True,
            )
        os.close(theirs)

    def _environment(self) -> dict[str, str]:
        models = os.environ.get(MODELS_VARIABLE, "")
        if models and not is_location(models):
            models = str(Path(models).expanduser().absolute())
        return {
            **os.environ,
            # The tasks work in another folder, where a relative path would be another one.
            "REGATTA_HOME": str(home()),
            MODELS_VARIABLE: models,
            events.EVENTS_VARIABLE: str(self.events),
            "TMPDIR": str(self.scratch),
            # No module in a folder of the user's may shadow one of ours.
            "PYTHONSAFEPATH": "1",
            "PYTHONUNBUFFERED": "1",
        }

    @property
    def running(self) -> bool:
        """Whether the pipeline is at work."""
        return self.process is not None and self.process.poll() is None

    def news(self) -> Iterator[dict[str, Any]]:
        """Yield the events since the last call."""
        for offset, event in events.read(self.events, self._offset):
            self._offset = offset
            if event["event"] == "error":
                self._errors.append(event)
            elif event["event"] == "stage_done":
                self.done[event["stage"]] = event["numbers"]
            yield event

    def follow(self) -> Iterator[dict[str, Any]]:
        """Yield events until the pipeline ends."""
        while self.running:
            yield from self.news()
            time.sleep(0.1)
        yield from self.news()

    @property
    def registered(self) -> str:
        """The version that this run has registered, such as ``churn@3``; empty if none yet."""
        for _ in self.news():
            pass
        numbers = self.done.get("register")
        return f"{numbers['name']}@{numbers['version']}" if numbers else ""

    def check(self) -> None:
        """Raise what a task said, if the pipeline did not end well.

        Raises
        ------
        RegattaError
            Of the class that the task raised, with its exit code.
        DefectError
            The task said nothing; the log is kept beside the output folder.
        """
        code = self.process.returncode if self.process else 1
        if code == 0:
            return
        if self._errors:
            raise _rebuilt(self._errors[0])
        kept = self.request.out.with_name(f"{self.request.out.name}.log")
        shutil.copyfile(self.log, kept)
        # The folder that holds the log stays.
        self._made = []
        raise DefectError(
            f"a task ended without a reason: {self._last_words()}",
            fix=f"look at the log, {kept}; if the machine was out of memory, lower --workers",
        )

    def _last_words(self) -> str:
        """Return the last line of the log that names an exception, or the exit code."""
        with self.log.open("rb") as log:
            log.seek(max(0, self.log.stat().st_size - 65_536))
            lines = log.read().decode("utf-8", "replace").splitlines()
        named = [
            line.strip()
            for line in lines
            if line.strip().partition(":")[0].rpartition(".")[2].endswith(("Error", "Exception"))
        ]
        # The runner's own RuntimeError, the last one, only says which task failed.
        return (named[-2:] or ["it was killed"])[0][:200]

    def stop(self) -> None:
        """End every process of the run."""
        if self.running and self.process:
            end_tree(self.process.pid)
            self.process.wait()
        if self._lifeline is not None:
            os.close(self._lifeline)
            self._lifeline = None


def _rebuilt(event: dict[str, Any]) -> RegattaError:
    """Return the error that a task raised, from its event."""
    known = {
        value.code: value
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, RegattaError)
    }
    kind = known.get(event["code"], RegattaError)
    return kind(event["found"], expected=event["expected"], fix=event["fix"])
