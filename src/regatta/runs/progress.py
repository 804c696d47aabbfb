"""The live view of a run: what its events say so far, and how that is drawn."""

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

__all__ = ["STAGES", "Progress", "View"]

STAGES = (
    "fingerprint",
    "ingest",
    "validate",
    "split",
    "featurize",
    "plan",
    "trial",
    "ensemble",
    "evaluate",
    "register",
    "deploy",
)


@dataclass
class Progress:
    """What is known of a run while it runs.

    Attributes
    ----------
    started_at : float
        When the budget began, in seconds since the epoch.
    budget_seconds : float
        The budget.
    began : dict
        When each stage began, in seconds since the epoch.
    seconds : dict
        Seconds of each stage that is over. Lanes run side by side: the longest counts.
    numbers : dict
        What each stage said of itself.
    trials : dict
        Number of trials by learner and status.
    metric : str
        Metric of the race; empty until the plan is made.
    best : dict
        The best trial so far; empty before the first.
    """

    started_at: float
    budget_seconds: float
    began: dict[str, float] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    numbers: dict[str, dict[str, Any]] = field(default_factory=dict)
    trials: dict[str, Counter[str]] = field(default_factory=dict)
    metric: str = ""
    best: dict[str, Any] = field(default_factory=dict)

    def take(self, event: dict[str, Any]) -> None:
        """Take note of an event."""
        name = event.get("stage", "")
        if event["event"] == "stage_started":
            self.began.setdefault(name, event["time"])
        elif event["event"] == "stage_done":
            self.seconds[name] = max(self.seconds.get(name, 0.0), event["seconds"])
            self.numbers[name] = event["numbers"]
            self.metric = str(event["numbers"].get("metric", self.metric))
        elif event["event"] == "trial":
            self._take_trial(event)

    def _take_trial(self, event: dict[str, Any]) -> None:
        """Count a trial, and keep it if it leads."""
        learner = event["learner"]
        self.trials.setdefault(learner, Counter())[event["status"]] += 1
        if event["status"] == "ok" and event["score"] is not None and self._leads(event):
            self.best = event

    def _leads(self, event: dict[str, Any]) -> bool:
        """Whether a trial is better than the best so far."""
        from regatta.evaluation.metrics import METRICS

        if not self.best:
            return True
        greater = self.metric not in METRICS or METRICS[self.metric].greater_is_better
        return bool((event["score"] > self.best["score"]) == greater)

    def left(self) -> float:
        """Return what is left of the budget, in seconds."""
        return self.budget_seconds - (time.time() - self.started_at)


class View:
    """Draws a run: alive on a terminal, one line a step elsewhere.

    Parameters
    ----------
    progress : Progress
        What is drawn.
    console : Console
        Where to.
    """

    def __init__(self, progress: Progress, console: Console) -> None:
        self.progress = progress
        self.console = console
        self._live: Live | None = None
        self._said = 0

    def __enter__(self) -> "View":
        if self.console.is_terminal:
            self._live = Live(console=self.console, get_renderable=self.render, transient=True)
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def tell(self, event: dict[str, Any]) -> None:
        """Take an event, and print a line for it where the view is not alive."""
        leader = self.progress.best
        self.progress.take(event)
        if self._live:
            return
        if event["event"] == "stage_done":
            self.console.print(
                f"{event['stage']:<10} {event['seconds']:7.1f} s", highlight=False, markup=False
            )
        elif event["event"] == "trial" and self.progress.best is not leader:
            self.console.print(
                f"{'trial':<10} {event['id']} {self.progress.metric}={event['score']:.5g}",
                highlight=False,
                markup=False,
            )

    def render(self) -> RenderableType:
        """Return the picture of this moment."""
        return Group(self._stages(), *self._race(), self._clock())

    def _stages(self) -> RenderableType:
        """Return the stages with their seconds; the one at work ticks."""
        table = Table.grid(padding=(0, 2))
        table.add_column(width=1)
        table.add_column()
        table.add_column(justify="right")
        now = time.time()
        for name in STAGES:
            if name in self.progress.seconds:
                table.add_row("[green]✓", name, f"{self.progress.seconds[name]:.1f} s")
            elif name in self.progress.began:
                spent = now - self.progress.began[name]
                table.add_row("[cyan]▶", f"[bold]{name}", f"[bold]{spent:.0f} s")
            else:
                table.add_row("[dim]·", f"[dim]{name}", "")
        return table

    def _race(self) -> Iterator[RenderableType]:
        """Yield the trials by learner, and the best so far."""
        if not self.progress.trials:
            return
        table = Table(box=None, padding=(0, 2), pad_edge=False)
        table.add_column("learner")
        table.add_column("done", justify="right")
        table.add_column("given up", justify="right")
        table.add_column("no model", justify="right")
        for learner, counts in sorted(self.progress.trials.items()):
            done, stopped = counts["ok"], counts["stopped"]
            without = counts.total() - done - stopped
            failed = f"[yellow]{without}" if without else "0"
            table.add_row(learner, str(done), str(stopped), failed)
        yield Text()
        yield table
        best = self.progress.best
        if best:
            yield Text.assemble(
                "best so far  ",
                (f"{self.progress.metric} {best['score']:.5g}", "bold green"),
                f"  {best['learner']}",
            )

    def _clock(self) -> RenderableType:
        """Return the time left."""
        left = self.progress.left()
        if left < 0:
            return Text(f"\n{-left:.0f} s over the budget", style="yellow")
        minutes, seconds = divmod(round(left), 60)
        budget = f"of {self.progress.budget_seconds:g} s"
        return Text(f"\n{minutes}:{seconds:02d} left {budget}", style="dim")
