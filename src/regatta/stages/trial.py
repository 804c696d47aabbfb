"""``trial``: race one lane, in a process of its own."""

import logging
import os
import shutil
import signal
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from regatta.artifacts import open_artifact, read_json, write_json, writing
from regatta.processes.client import ONE_THREAD, start
from regatta.search.budget import LEAST_RACE_SECONDS
from regatta.search.resuming import NOTES, earlier_deadline, recover
from regatta.stages.handover import handover_at
from regatta.stages.task import stage
from regatta.stages.telling import telling_beside

__all__ = ["run"]

logger = logging.getLogger(__name__)

# With these somebody ends a lane; others are accidents.
ASKED_TO_END = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# A lane that dies goes on so often in a new process.
MORE_TRIES = 1


def run(
    features: str, plan: str, lane: int, started_at: float, trials: str, place: str = ""
) -> dict[str, Any]:
    """Race the recipes of one lane until the deadline.

    Parameters
    ----------
    features, plan : str
        Folders of the artifacts to read.
    lane : int
        Number of the lane.
    started_at : float
        When the budget began, in seconds since the epoch; 0: now.
    trials : str
        Folder of the artifact to write: ``lane.json``, a folder for each trial, ``encoders``.
    place : str, default ""
        URI of that artifact. In an S3 store finished trials are handed over beside it, and a task
        that is tried again goes on with them (`regatta.stages.handover`); the lanes of a run tell
        each other there what came of their trials (`regatta.stages.telling`).

    Returns
    -------
    dict
        ``lane``, ``trials``, ``ok`` and ``best``, the best score (absent if there is none).

    Raises
    ------
    ArtifactError
        An artifact is missing or changed. A trial that fails, and a lane that dies, is recorded
        and raises nothing: one failed task would end all lanes.
    """
    with stage("trial") as numbers:
        for path, kind in ((features, "features"), (plan, "plan")):
            open_artifact(path, kind)
        handover = handover_at(place)
        telling = telling_beside(handover, lane) if handover else None
        attended = [shared for shared in (handover, telling) if shared]
        with writing(trials, "trials", lane=lane) as folder, ExitStack() as stack:
            for shared in attended:
                stack.enter_context(shared.attended(folder))
            summary = _race(features, plan, lane, started_at, folder)
        for shared in attended:
            shared.clear()
        numbers.update(
            lane=lane,
            trials=len(summary["trials"]),
            ok=summary["statuses"].get("ok", 0),
        )
        if summary["best"]:
            numbers["best"] = float(f"{summary['best']['score']:.6g}")
        return numbers


def _race(features: str, plan: str, lane: int, started_at: float, folder: Path) -> dict[str, Any]:
    """Run the lane's process, a second time if it dies, and read or write what came of it."""
    arguments = [features, plan, str(lane), repr(started_at), str(folder), str(os.getpid())]
    written = folder / "lane.json"
    for more in reversed(range(MORE_TRIES + 1)):
        code = start("regatta.search", arguments, os.environ | ONE_THREAD).wait()
        if written.is_file():
            summary: dict[str, Any] = read_json(written)
            return summary
        if not more or not _goes_on(code, folder):
            break
        logger.warning("lane %d was %s; it goes on in a new process", lane, _death(code))
    return _lost(lane, code, folder)


def _goes_on(code: int, folder: Path) -> bool:
    """Return whether a lane died by accident, and has time left."""
    deadline = earlier_deadline(folder)
    in_time = deadline is None or time.time() + LEAST_RACE_SECONDS < deadline
    return code < 0 and -code not in ASKED_TO_END and in_time


def _death(code: int) -> str:
    """Say how a lane died."""
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"ended with exit code {code}; the log says why"


def _lost(lane: int, code: int, folder: Path) -> dict[str, Any]:
    """Keep the finished trials of a lane that died, and say how it died."""
    records = recover(folder).records
    shutil.rmtree(folder / NOTES, ignore_errors=True)
    statuses = [record.status for record in records]
    summary = {
        "lane": lane,
        "lost": _death(code),
        "trials": [record.id for record in records],
        "statuses": {status: statuses.count(status) for status in sorted(set(statuses))},
        "best": None,
    }
    write_json(folder / "lane.json", summary)
    return summary
