"""``trial``: race one lane, in a process of its own."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from regatta.artifacts import open_artifact, read_json, write_json, writing
from regatta.stages.task import stage

__all__ = ["run"]

# A lane forks trials that use threads of their own; it must not have started any itself.
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def run(features: str, plan: str, lane: int, started_at: float, trials: str) -> dict[str, Any]:
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
        with writing(trials, "trials", lane=lane) as folder:
            summary = _race(features, plan, lane, started_at, folder)
        numbers.update(
            lane=lane,
            trials=len(summary["trials"]),
            ok=summary["statuses"].get("ok", 0),
        )
        if summary["best"]:
            numbers["best"] = float(f"{summary['best']['score']:.6g}")
        return numbers


def _race(features: str, plan: str, lane: int, started_at: float, folder: Path) -> dict[str, Any]:
    """Run the lane's process, and read or write what came of it."""
    arguments = [features, plan, str(lane), repr(started_at), str(folder), str(os.getpid())]
    done = subprocess.run(
        [sys.executable, "-m", "regatta.search", *arguments],
        stdin=subprocess.DEVNULL,
        env={**os.environ, **dict.fromkeys(ONE_THREAD, "1")},
        check=False,
    )
    written = folder / "lane.json"
    if written.is_file():
        summary: dict[str, Any] = read_json(written)
        return summary
    return _lost(lane, done.returncode, folder)


def _lost(lane: int, code: int, folder: Path) -> dict[str, Any]:
    """Keep the finished trials of a lane that died, and say how it died."""
    for path in (*folder.glob(".*"), *folder.glob("encoders/*/.*")):
        shutil.rmtree(path, ignore_errors=True)
    finished = sorted(path.parent.name for path in folder.glob("*/trial.json"))
    records = [read_json(folder / name / "trial.json") for name in finished]
    statuses = [record["status"] for record in records]
    if code < 0:
        lost = f"killed by {signal.Signals(-code).name}"
    else:
        lost = f"ended with exit code {code}; the log says why"
    summary = {
        "lane": lane,
        "lost": lost,
        "trials": finished,
        "statuses": {status: statuses.count(status) for status in sorted(set(statuses))},
        "best": None,
    }
    write_json(folder / "lane.json", summary)
    return summary
