"""How a run on a cluster is shown while it goes on."""

import time
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from regatta.cluster.following import LOOP, TASKS, Following, span
from regatta.cluster.workflow import CACHED

__all__ = ["View"]

MARKS = {
    "Succeeded": ("✓", "green"),
    CACHED: ("✓", "green"),
    "Failed": ("✗", "red"),
    "Error": ("✗", "red"),
    "Running": ("●", "cyan"),
}


class View:
    """Draws a run: alive on a terminal, one line a step elsewhere.

    Parameters
    ----------
    following : Following
        What is drawn.
    console : Console
        Where to.
    """

    def __init__(self, following: Following, console: Console) -> None:
        self.following = following
        self.console = console
        self._live: Live | None = None

    def __enter__(self) -> "View":
        if self.console.is_terminal:
            self._live = Live(console=self.console, get_renderable=self.render, transient=True)
            self._live.start()
        return self

    def __exit__(self, *_: Any) -> None:
        if self._live:
            self._live.stop()

    def tell(self, lines: list[str]) -> None:
        """Print lines where the view is not alive."""
        if not self._live:
            for line in lines:
                self.console.print(line, highlight=False, markup=False)

    def tell_best(self) -> None:
        """Print the best score so far."""
        if best := self.following.best:
            self.tell([f"{LOOP:<12} best     {best.metric}={best.score:.5g}"])

    def pause(self) -> None:
        """Stop drawing, so that a question can be asked."""
        if self._live:
            self._live.stop()
            self._live = None

    def render(self) -> RenderableType:
        """Return the picture of this moment."""
        table = Table.grid(padding=(0, 2))
        table.add_column(width=1)
        table.add_column()
        table.add_column(justify="right")
        workflow = self.following.workflow
        for task in TASKS:
            phase = workflow.tasks.get((task, None), "")
            note = ""
            if task == LOOP:
                phase, note = self._loop()
            mark, style = MARKS.get(phase, ("·", "dim"))
            note += "  from the cache" if phase == CACHED else ""
            seconds = span(workflow, task)
            shown = f"{seconds:.0f} s" if seconds else ""
            table.add_row(Text(mark, style), Text(f"{task}{note}"), Text(shown, "dim"))
        lines: list[RenderableType] = [table]
        if best := self.following.best:
            lines.append(Text(f"best so far  {best.metric} {best.score:.5g}", "bold green"))
        waiting = [step for step in workflow.steps if step.waiting and step.message]
        lines += [Text(f"{step.place}: {step.message}"[:200], "yellow") for step in waiting[:2]]
        lines.append(Text(f"{time.monotonic() - self.following.started_at:.0f} s", "dim"))
        return Group(*lines)

    def _loop(self) -> tuple[str, str]:
        """Return the phase of the race, and how many lanes are over."""
        phases = set(self.following.workflow.lanes(LOOP).values())
        done, lanes = self.following.lanes_done()
        note = f"  {done} of {lanes} lanes"
        if not phases:
            return "", note
        if phases & {"Running", "Pending", ""}:
            return "Running", note
        if phases == {CACHED}:
            return CACHED, note
        return ("Succeeded" if phases <= {"Succeeded", CACHED} else "Failed"), note
