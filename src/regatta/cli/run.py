"""``regatta run``."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from regatta.cli.options import Group, Metric, Registry, Time, Weight, settings_of
from regatta.errors import RegattaError

__all__ = ["register"]

INTERRUPTED = 130


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("run")(run)


def run(
    table: Annotated[str, typer.Argument(help="CSV, Parquet or JSON-lines file.")],
    target: Annotated[str, typer.Option(help="Column to predict.")] = "",
    weight: Weight = None,
    group: Group = None,
    time: Time = None,
    task: Annotated[
        str | None,
        typer.Option(help="auto, binary, multiclass or regression.", show_default="auto"),
    ] = None,
    metric: Metric = None,
    budget: Annotated[
        str | None,
        typer.Option(help="Wall-clock of the whole command: 90s, 5m, 1h30m.", show_default="5m"),
    ] = None,
    trials: Annotated[
        int | None,
        typer.Option(
            help="Fixed number of trials: same seed, same leaderboard.", show_default="any"
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Trial tasks side by side.", show_default="1")
    ] = None,
    cores: Annotated[
        int | None, typer.Option(help="Cores for each of them.", show_default="all, shared")
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Name of the model.", show_default="from the file's name")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Seed of everything that is drawn.", show_default="0")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Output folder.", show_default="runs/<name>-<time>")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an earlier run in the output folder.")
    ] = False,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Any other setting; may be repeated."),
    ] = None,
    registry: Registry = "",
    deploy: Annotated[
        bool, typer.Option("--deploy/--no-deploy", help="Serve the winner on this machine.")
    ] = True,
) -> None:
    """Train on a table: race learners, measure the best, register and serve it."""
    from regatta.runs.request import Request

    settings = settings_of(
        table,
        target=target,
        weight=weight,
        group=group,
        time=time,
        task=task,
        metric=metric,
        budget=budget,
        trials=trials,
        workers=workers,
        cores=cores,
        name=name,
        seed=seed,
        registry=registry or None,
        deploy=None if deploy else "none",
        overrides=set_,
    )
    request = Request.checked(settings, out=out, overwrite=overwrite)
    with _interruptible():
        _execute(request)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Turn Ctrl-C, SIGTERM and a closed terminal into an orderly end with code 130."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = {
        number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)
    }
    try:
        yield
    except KeyboardInterrupt as err:
        left = " ".join(getattr(err, "__notes__", ())) or "nothing of this run is left"
        typer.secho(f"interrupted; {left}", err=True)
        raise typer.Exit(INTERRUPTED) from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _execute(request: Any) -> None:
    """Run the pipeline, draw it, and print what came of it."""
    from regatta.runs.session import Session

    with Session(request) as session:
        # Started first: the child imports kfp while this process imports what it draws with.
        session.start()
        from rich.console import Console

        from regatta.processes.trees import uninterrupted
        from regatta.runs.progress import Progress, View
        from regatta.runs.results import collect
        from regatta.runs.summary import show

        console = Console()
        budget = request.settings.budget
        progress = Progress(budget.started_at, budget.seconds)
        try:
            with View(progress, console) as view:
                for event in session.follow():
                    view.tell(event)
        except KeyboardInterrupt as err:
            session.stop()
            if version := session.registered:
                name = request.settings.name
                err.add_note(f"{version} is registered and stays: see regatta models show {name}")
            raise
        try:
            session.check()
        except RegattaError:
            if "evaluate" in session.done:
                with uninterrupted():
                    kept = collect(session, progress.seconds)
                typer.secho(_kept(kept.out, session.registered), err=True)
            raise
        with uninterrupted():
            outcome = collect(session, progress.seconds)
    show(outcome, console)


def _kept(out: Path, version: str) -> str:
    """Say what is there of a run that was measured and did not reach its end."""
    registered = f", its model is registered as {version}" if version else ""
    return f"the run was measured and is kept in {out}{registered}"
