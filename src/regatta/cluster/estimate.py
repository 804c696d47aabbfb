"""What a run on a cluster will take, before it is started."""

import math
from dataclasses import dataclass

from regatta.artifacts.records import Recipe
from regatta.cluster import compiled
from regatta.learners.base import Shape
from regatta.search.budget import (
    LEAST_RACE_SECONDS,
    estimate_tail,
    head_seconds,
)
from regatta.search.plan import scored_rows
from regatta.search.pod_memory import GIB, bytes_of, chosen, racing_bytes
from regatta.search.toolbox import Toolbox
from regatta.settings import RunSettings

__all__ = ["Estimate", "estimate"]

# Seen on Kubeflow Pipelines 2.17 with Argo 4.0.5 on 2 cores, the workflow controller looking at a
# workflow every second: a task is a driver's pod (3-4 s) and its own (4-5 s), with the steps in
# between 12 s; a loop of four took 35 s besides its work.
TASK_SECONDS = 12.0
LOOP_SECONDS = 35.0
LOOP_LANES = 4
# The pods of four lanes start one after another on two cores: each driver 3-4 s.
LANE_SECONDS = 4.0
# Seen: 65 nodes of 5 tasks and 2 lanes take 560 kB, which Argo compresses to 58 kB when it must.
# The workflow's spec is 1.6 times the compiled pipeline. A step that may be retried has two nodes.
NODE_BYTES = 900
LANE_NODES, TASK_NODES = 12, 6
SPEC_FACTOR = 1.6
# Above this, the workflow does not fit into one object of Kubernetes.
WORKFLOW_BYTES = 1_048_576
TYPICAL_ROWS, TYPICAL_COLUMNS = 10_000, 20
LOOP_PODS = 1
PODS_A_TASK, PODS_A_LANE = 2, 3


@dataclass(frozen=True)
class Estimate:
    """What a run will take.

    Attributes
    ----------
    tasks : int
        Tasks outside the loop.
    lanes, pods, pods_at_once : int
        Lanes, pods in all, and pods of ours that are there at once.
    memory : str
        What one pod asks for.
    memory_at_once_gib : float
        What the pods of all lanes ask for together.
    ir_bytes, workflow_bytes : int
        Size of the compiled pipeline, and of the run's object in Kubernetes.
    seconds : dict
        Time by part.
    budget_seconds, total_seconds : float
        The budget, and what all parts take.
    least_seconds : int
        The least budget that leaves time for a race.
    """

    tasks: int
    lanes: int
    pods: int
    pods_at_once: int
    memory: str
    memory_at_once_gib: float
    ir_bytes: int
    workflow_bytes: int
    seconds: dict[str, float]
    budget_seconds: float
    total_seconds: float
    least_seconds: int

    @property
    def fits(self) -> bool:
        """Whether the budget leaves time for a race, and the workflow fits into its object."""
        return self.budget_seconds >= self.least_seconds and self.workflow_bytes < WORKFLOW_BYTES


def estimate(
    settings: RunSettings, *, n_rows: int = 0, n_columns: int = 0, memory: str | None = None
) -> Estimate:
    """Estimate what a run of the pipeline ``train`` takes.

    Parameters
    ----------
    settings : RunSettings
        Settings of the run.
    n_rows, n_columns : int
        Size of the table; 0 for a typical one (10,000 x 20).
    memory : str, optional
        What a pod asks for; ``None``: the pipeline's default, which is by the size of the table.

    Raises
    ------
    SettingsError
        `memory` is no quantity.
    """
    spec, size = compiled.spec(), len(compiled.content())
    root = spec["root"]["dag"]["tasks"]
    outside = [name for name in root if not name.startswith("for-loop")]
    lanes = settings.search.lanes
    rows, columns = n_rows or TYPICAL_ROWS, n_columns or TYPICAL_COLUMNS
    default = spec["root"]["inputDefinitions"]["parameters"].get("pods_memory", {})
    wanted = memory or str(default.get("defaultValue", ""))
    asked = chosen(wanted, _racing_bytes(settings, rows, columns))
    n_tasks = len(outside)
    # The root and the loop each have a driver of their own.
    pods = PODS_A_TASK * n_tasks + 1 + LOOP_PODS + PODS_A_LANE * lanes
    seconds, room = _seconds(settings, rows, columns, outside)
    least = math.ceil(settings.budget.seconds - room + LEAST_RACE_SECONDS)
    return Estimate(
        tasks=n_tasks,
        lanes=lanes,
        pods=pods,
        pods_at_once=lanes,
        memory=asked,
        memory_at_once_gib=round(bytes_of(asked) / GIB * lanes, 2),
        ir_bytes=size,
        workflow_bytes=int(
            SPEC_FACTOR * size + NODE_BYTES * (LANE_NODES * lanes + TASK_NODES * n_tasks)
        ),
        seconds=seconds,
        budget_seconds=settings.budget.seconds,
        total_seconds=round(sum(seconds.values()), 1),
        least_seconds=least,
    )


def _racing_bytes(settings: RunSettings, rows: int, columns: int) -> float:
    """Return the memory of a lane as the plan will estimate it, with the learners' defaults."""
    tools, task = Toolbox(), settings.data.task
    shape = Shape("binary" if task == "auto" else task, rows, columns, 2)
    known = tools.learners_for(shape.task)
    keys = [key for key in settings.search.learners if key in known] or known
    recipes = [Recipe(key, {}) for key in keys]
    return racing_bytes(rows, columns, shape, recipes, tools, settings.search.cores)


def _seconds(
    settings: RunSettings, rows: int, columns: int, tasks: list[str]
) -> tuple[dict[str, float], float]:
    """Return the time of each part, and what the others leave to the race of the budget."""
    lanes = settings.search.lanes
    tail = estimate_tail(
        rows,
        columns,
        2,
        scored_rows=scored_rows(rows, settings),
        budget_seconds=settings.budget.seconds,
        deploy=settings.deploy.target,
        pods=False,
    ).seconds()
    before = [name for name in tasks if name in ("fingerprint", "prepare")]
    after = [name for name in tasks if name not in before]
    head = head_seconds(rows, columns)
    loop = LOOP_SECONDS + LANE_SECONDS * max(0, lanes - LOOP_LANES)
    parts = {
        "pods before the race": TASK_SECONDS * len(before),
        ", ".join(before): head,
        "pods of the loop": loop,
        "trial: the race": 0.0,
        "pods after the race": TASK_SECONDS * len(after),
        ", ".join(after): tail,
    }
    # Without a start time the budget begins with the lanes: what is before them is not in it.
    race = settings.budget.seconds - parts["pods after the race"] - tail
    if settings.budget.started_at:
        race -= parts["pods before the race"] + head + loop
    parts["trial: the race"] = max(0.0, race)
    return {name: round(seconds, 1) for name, seconds in parts.items()}, race
