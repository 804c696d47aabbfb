import io
import time
from typing import Any

from rich.console import Console

from regatta.runs.progress import Progress, View


def event(name: str, **values: Any) -> dict[str, Any]:
    return {"time": time.time(), "event": name, **values}


def trial(learner: str, score: float | None, status: str = "ok") -> dict[str, Any]:
    values = {"id": f"00-000-{learner}", "learner": learner, "score": score, "status": status}
    return event("trial", **values)


def progress() -> Progress:
    return Progress(time.time(), 60)


def planned(metric: str) -> dict[str, Any]:
    return event("stage_done", stage="plan", seconds=0.1, numbers={"metric": metric, "lanes": 1})


def test_the_best_trial_goes_by_the_metric_s_direction() -> None:
    for metric, best in (("rmse", 1.0), ("roc_auc", 3.0)):
        view = progress()
        view.take(planned(metric))
        for score in (2.0, 1.0, 3.0):
            view.take(trial("linear", score))
        assert view.best["score"] == best


def test_trials_are_counted_by_learner() -> None:
    view = progress()
    for one in (trial("linear", 0.5), trial("mlp", None, "timeout"), trial("mlp", 0.6)):
        view.take(one)
    assert view.trials["mlp"] == {"timeout": 1, "ok": 1}


def test_lanes_side_by_side_count_once() -> None:
    view = progress()
    for seconds in (3.0, 5.0, 4.0):
        view.take(event("stage_started", stage="trial"))
        view.take(event("stage_done", stage="trial", seconds=seconds, numbers={}))
    assert view.seconds == {"trial": 5.0}


def test_without_a_terminal_there_is_a_line_a_step() -> None:
    text = io.StringIO()
    with View(progress(), Console(file=text)) as view:
        for one in (planned("roc_auc"), trial("linear", 0.7), trial("mlp", 0.6)):
            view.tell(one)
    lines = text.getvalue().splitlines()
    assert lines == ["plan           0.1 s", "trial      00-000-linear roc_auc=0.7"]


def test_the_picture_shows_stages_trials_and_time() -> None:
    text = io.StringIO()
    console = Console(file=text, force_terminal=True, color_system=None, width=80)
    with View(progress(), console) as view:
        view.tell(event("stage_started", stage="ingest"))
        view.tell(planned("roc_auc"))
        view.tell(trial("linear", 0.71234))
        view.tell(trial("mlp", None, "raised"))
    console.print(view.render())
    shown = text.getvalue()
    for part in ("ingest", "0.71234", "mlp", "no model", "left of 60 s"):
        assert part in shown
