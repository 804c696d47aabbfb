"""What changes in a run while it is watched, and when it hangs."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from regatta.cluster.reasons import HANGS, Reason, explain_text
from regatta.cluster.workflow import Step, Workflow

__all__ = ["LOOP", "STUCK_SECONDS", "TASKS", "Best", "Following"]

TASKS = ("fingerprint", "prepare", "trial", "ensemble", "evaluate", "release")
LOOP = "trial"
STUCK_SECONDS = 60.0
"""How long a pod may wait for what does not come; with the time between looks under two minutes."""
STILL_SECONDS = 100.0
"""How long nothing at all may change while a pod waits and says nothing."""

AT_WORK = ("Running", "Pending", "")
WORDS = {"Succeeded": "done", "Failed": "failed", "Error": "failed"}

# What a lane logs of each trial: "trial lightgbm-3 roc_auc=0.81 (best 0.82) 1.2 s 0.1 GB".
TRIAL = re.compile(
    r"trial \S{1,200} (?P<metric>[a-z][a-z0-9_]{0,60})=\S{1,40} "
    r"\(best (?P<best>[-+.\deE]{1,40})\)"
)


@dataclass(frozen=True)
class Best:
    """The best score so far.

    Attributes
    ----------
    metric : str
        Its metric.
    score : float
        Its value.
    """

    metric: str
    score: float

    @classmethod
    def of(cls, log: str) -> "Best | None":
        """Read the best score of a lane from its log; None before the first trial.

        Examples
        --------
        >>> Best.of("INFO trial a-1 rmse=2.5 (best 2.25) 0.1 s 0.1 GB")
        Best(metric='rmse', score=2.25)
        """
        for match in reversed(list(TRIAL.finditer(log))):
            try:
                return cls(match["metric"], float(match["best"]))
            except ValueError:
                continue
        return None

    def better(self, other: "Best | None") -> "Best":
        """Return the better of two."""
        from regatta.evaluation.metrics import METRICS

        if other is None:
            return self
        greater = self.metric not in METRICS or METRICS[self.metric].greater_is_better
        return self if (self.score > other.score) == greater else other


@dataclass
class Following:
    """What was seen of a run so far.

    Attributes
    ----------
    lanes : int
        Lanes that were asked for; the plan may make fewer.
    started_at : float
        When the watch began, in seconds of the caller's clock.
    workflow : Workflow
        What was seen last.
    best : Best or None
        The best score of all lanes.
    """

    lanes: int
    started_at: float
    workflow: Workflow = field(default_factory=lambda: Workflow.read({}))
    best: Best | None = None
    _changed_at: float = 0.0
    _seen: dict[str, tuple[str, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._changed_at = self.started_at

    def take(self, workflow: Workflow, now: float) -> list[str]:
        """Take note of a run's state, and return a line for each step that is over.

        Parameters
        ----------
        workflow : Workflow
            The run.
        now : float
            Seconds of the caller's clock.
        """
        lines = list(self._news(workflow))
        if _phases(workflow) != _phases(self.workflow):
            self._changed_at = now
        for step in workflow.steps:
            code = _hang(step)
            if self._seen.get(step.id, ("",))[0] != code:
                self._seen[step.id] = (code, now)
        self.workflow = workflow
        return lines

    def _news(self, workflow: Workflow) -> Iterator[str]:
        """Yield a line for each task or lane whose phase changed to an end."""
        for (task, lane), phase in workflow.tasks.items():
            if phase in (self.workflow.tasks.get((task, lane)), *AT_WORK):
                continue
            word = WORDS.get(phase, phase.lower())
            seconds = span(workflow, task, lane)
            name = task if lane is None else f"{task} {lane}"
            yield f"{name:<12} {word:<8} {seconds:7.1f} s"

    def learn(self, log: Callable[[str], str]) -> bool:
        """Read the lanes' logs, and return whether there is a better score.

        Parameters
        ----------
        log : callable
            Gives the log of a pod.
        """
        before = self.best
        for step in self.workflow.steps:
            if step.task == LOOP and not step.driver and not step.waiting:
                found = Best.of(log(step.pod))
                self.best = found.better(self.best) if found else self.best
        return self.best != before

    def lanes_done(self) -> tuple[int, int]:
        """Return how many lanes are over, and how many there are."""
        phases = self.workflow.lanes(LOOP)
        done = sum(phase not in AT_WORK for phase in phases.values())
        return done, max(self.lanes, len(phases)) if not self.workflow.done else len(phases)

    def stuck(self, now: float, ask: Callable[[Step], list[str]] | None = None) -> Reason | None:
        """Return why the run hangs; None while it may go on by itself.

        Parameters
        ----------
        now : float
            Seconds of the caller's clock.
        ask : callable, optional
            Gives what Kubernetes warns of for a pod.

        Returns
        -------
        Reason or None
            A pod that no node has room for is no hang while others of the run are at work: they
            make room.
        """
        if self.workflow.done:
            return None
        waiting = [step for step in self.workflow.steps if step.waiting]
        working = any(step.phase == "Running" for step in self.workflow.steps)
        for step in waiting:
            code, since = self._seen.get(step.id, ("", now))
            turn = code in ("Unschedulable", "Quota") and working
            if code and not turn and now - since >= STUCK_SECONDS:
                return explain_text(step.message, step)
        if working or now - self._changed_at < STUCK_SECONDS:
            return None
        for step in waiting:
            for text in ask(step) if ask else ():
                if reason := explain_text(text, step):
                    return reason
        return self._still(waiting, now)

    def _still(self, waiting: list[Step], now: float) -> Reason | None:
        """Return that nothing happens, where nothing has for long."""
        seconds = now - self._changed_at
        if seconds < STILL_SECONDS:
            return None
        if waiting:
            step = waiting[0]
            found = (
                f"its pod has been waiting for {seconds:.0f} s ({step.message or 'no word why'})"
            )
            fix = f"see why: kubectl describe pod {step.pod}"
            return Reason("Pending", found, fix, task=step.task, lane=step.lane, pod=step.pod)
        if self.workflow.steps:
            found = f"no task has changed its state for {seconds:.0f} s, and none is at work"
        else:
            found = f"no pod of the run has been made in {seconds:.0f} s"
        fix = "look at Argo: kubectl -n kubeflow logs deploy/workflow-controller"
        return replace(Reason("Still", found, fix), detail=self.workflow.message)


def span(workflow: Workflow, task: str, lane: int | None = None) -> float:
    """Return how long a task has taken, its driver included, in seconds."""
    steps = [
        step
        for step in workflow.steps
        if step.task == task and (lane is None or step.lane == lane) and step.started_at
    ]
    if not steps:
        return 0.0
    last = max(step.finished_at or step.started_at for step in steps)
    return max(0.0, last - min(step.started_at for step in steps))


def _phases(workflow: Workflow) -> list[tuple[str, str]]:
    """Return every pod with its phase."""
    return [(step.id, step.phase) for step in workflow.steps]


def _hang(step: Step) -> str:
    """Return the code of what a waiting pod waits for in vain; empty for anything else."""
    reason = explain_text(step.message, step) if step.waiting and step.message else None
    return reason.code if reason and reason.code in HANGS else ""
