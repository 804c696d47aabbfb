"""A race: the trials of one lane, from its first second to ``lane.json``."""

import tempfile
import time
from pathlib import Path
from typing import Any

from regatta.artifacts import write_json
from regatta.search.budget import least_budget, refit_wait
from regatta.search.lane import Lane
from regatta.search.plan import Plan
from regatta.search.table import TrainingTable
from regatta.search.toolbox import Toolbox

__all__ = ["race"]


def race(
    table: TrainingTable,
    plan: Plan,
    number: int,
    folder: Path,
    *,
    started_at: float = 0.0,
    speed: float = 1.0,
    toolbox: Toolbox | None = None,
) -> dict[str, Any]:
    """Race the recipes of one lane.

    Parameters
    ----------
    table : TrainingTable
        Training rows.
    plan : Plan
        What is raced.
    number : int
        Number of the lane.
    folder : Path
        Existing folder for the trials, ``encoders`` and ``lane.json``. The race goes on with the
        trials that an earlier try has left there, and keeps its deadline.
    started_at : float, default 0
        When the budget began, in seconds since the epoch; 0: now.
    speed : float, default 1
        How much slower this machine is than the reference machine.
    toolbox : Toolbox, optional
        Where learners and encoders come from.

    Returns
    -------
    dict
        What ``lane.json`` holds.
    """
    with tempfile.TemporaryDirectory(prefix="regatta-lane-") as scratch:
        lane = Lane(table, plan, number, folder, Path(scratch), toolbox or Toolbox())
        lane.start_clock(started_at, speed)
        try:
            lane.run()
        finally:
            lane.stop("the lane was stopped")
    summary = _summary(lane)
    write_json(folder / "lane.json", summary)
    return summary


def _summary(lane: Lane) -> dict[str, Any]:
    """Return what ``lane.json`` holds."""
    best = lane.best
    statuses = [record.status for record in lane.records]
    return {
        "lane": lane.number,
        "metric": lane.metric.key,
        "slots": lane.slots,
        "threads": lane.threads,
        "memory_bytes": lane.memory_bytes,
        "head_seconds": round(lane.clock.head, 3),
        "race_seconds": round(time.time() - lane.clock.began, 3),
        "tail_seconds": round(lane.clock.tail, 3),
        "row_seconds": lane.clock.row_seconds,
        "budget_ends_at": round(lane.clock.end, 3),
        "speed": round(lane.speed, 3),
        "folds": lane.table.n_folds,
        "heard": len(lane.heard),
        "least_budget": least_budget(
            lane.clock.tail - refit_wait(lane.plan.refit), lane.clock.head
        ),
        "trials": [record.id for record in lane.records],
        "statuses": {status: statuses.count(status) for status in sorted(set(statuses))},
        "best": {"id": best.id, "score": best.score} if best else None,
    }
