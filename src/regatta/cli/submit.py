"""``regatta submit``."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from regatta.cli import options

__all__ = ["register"]

Experiment = Annotated[str, typer.Option(help="Experiment in the dashboard.")]
Argument = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=VALUE", help="Any other parameter of the pipeline."),
]
Cron = Annotated[
    str | None,
    typer.Option(
        metavar='"0 0 6 * * 1"',
        help="Run again and again, by the clock: second minute hour day month weekday.",
    ),
]
Every = Annotated[str | None, typer.Option(help="Run again and again, so far apart: 12h, 90m.")]

app = typer.Typer(help="Start a pipeline on a cluster.", no_args_is_help=True)


def register(application: typer.Typer) -> None:
    """Add the command to the application."""
    application.add_typer(app, name="submit")


@app.callback()
def _submit() -> None:
    """Start a pipeline on a cluster and follow it."""


@app.command()
def train(
    source: options.Source = "",
    target: options.Target = "",
    host: options.Host = None,
    weight: options.Weight = None,
    group: options.Group = None,
    time: options.Time = None,
    task: options.Task = None,
    metric: options.Metric = None,
    budget: options.Budget = None,
    trials: Annotated[int | None, typer.Option(help="Fixed number of trials.")] = None,
    workers: options.Lanes = None,
    cores: options.Cores = None,
    name: options.Name = None,
    seed: options.Seed = None,
    registry: options.ClusterRegistry = None,
    deploy: options.Deploy = "none",
    experiment: Experiment = "regatta",
    namespace: options.RunsNamespace = None,
    token: options.Token = None,
    set_: options.Overrides = None,
    argument: Argument = None,
    cron: Cron = None,
    every: Every = None,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Follow it to its end.")] = True,
    timeout: Annotated[
        str | None, typer.Option(help="Longest wait.", show_default="budget + 30m")
    ] = None,
    end_when_stuck: Annotated[
        bool, typer.Option("--end-when-stuck", help="End a run that hangs, without asking.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the report.", show_default="runs/<name>-<time>")
    ] = None,
) -> None:
    """Train on a cluster: start the pipeline, follow it, fetch report and leaderboard.

    With --cron or --every runs start by the clock, and nothing is followed; a schedule of the
    same name is replaced.
    """
    from regatta.cluster.compiled import arguments
    from regatta.cluster.connection import Connection
    from regatta.cluster.pipelines import Pipelines
    from regatta.cluster.schedule import trigger_of
    from regatta.cluster.submission import Submission
    from regatta.errors import UsageError
    from regatta.runs.request import parse_seconds

    settings = options.settings_of(
        source,
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
        registry=registry,
        deploy=deploy,
        overrides=set_,
    )
    seconds = parse_seconds(timeout, "--timeout") if timeout else settings.budget.seconds + 1800
    submission, more = Submission.training(settings, experiment), arguments(argument or [])
    trigger = trigger_of(cron, every)
    if trigger and (timeout or end_when_stuck or out or not wait):
        raise UsageError(
            "--cron and --every follow no run",
            expected="no --timeout, --end-when-stuck, --out or --no-wait beside them",
            fix="leave these out",
        )
    with Pipelines(Connection.find(host, token, namespace)) as pipelines:
        if trigger:
            _tell("schedule", submission.pipeline, submission.schedule(pipelines, trigger, **more))
            return
        sent = submission.send(pipelines, **more)
        _tell("run", submission.pipeline, sent)
        if wait:
            _follow(pipelines, sent.identity, settings, seconds, end_when_stuck, out)


@app.command()
def monitor(
    model: Annotated[
        str,
        typer.Argument(help="A registered name: name, name@3, name@champion.", show_default=False),
    ],
    source: options.Source = "",
    host: options.Host = None,
    registry: options.ClusterRegistry = None,
    experiment: Experiment = "regatta",
    namespace: options.RunsNamespace = None,
    token: options.Token = None,
    set_: options.Overrides = None,
    argument: Argument = None,
    cron: Cron = None,
    every: Every = None,
) -> None:
    """Compare served rows with those of training on a cluster: start the pipeline, once or often.

    It is not followed: the report, the metrics and the verdict are in the dashboard.
    """
    from regatta.cluster.compiled import arguments
    from regatta.cluster.connection import Connection
    from regatta.cluster.pipelines import Pipelines
    from regatta.cluster.schedule import trigger_of
    from regatta.cluster.submission import Submission
    from regatta.settings import RunSettings, parse_overrides

    chosen = {"data": {"source": source or None}, "deploy": {"registry": registry}}
    settings = RunSettings.from_values(parse_overrides(set_ or [])).merged(options.given(chosen))
    submission = Submission.monitoring(model, settings, experiment)
    more, trigger = arguments(argument or [], "monitor"), trigger_of(cron, every)
    with Pipelines(Connection.find(host, token, namespace)) as pipelines:
        if trigger:
            sent = submission.schedule(pipelines, trigger, **more)
        else:
            sent = submission.send(pipelines, **more)
        _tell("schedule" if trigger else "run", submission.pipeline, sent)


def _tell(kind: str, pipeline: str, sent: Any) -> None:
    """Say what was made, and where to see it."""
    how = "reused" if sent.reused else "uploaded"
    typer.echo(f"{kind:<10} {sent.identity}\npipeline   {pipeline} {sent.version} ({how})")
    for older in sent.replaced:
        typer.echo(f"replaced   {older}")
    typer.echo(f"dashboard  {sent.link}")


def _follow(
    pipelines: Any, run_id: str, settings: Any, seconds: float, end_when_stuck: bool, out: Any
) -> None:
    """Follow a run, fetch what it leaves, and say what came of it."""
    import time

    from rich.console import Console

    from regatta.cluster.following import Following
    from regatta.cluster.kube import Kubernetes
    from regatta.cluster.results import download, keep, out_folder
    from regatta.cluster.view import View
    from regatta.cluster.watch import Watch, seconds_of
    from regatta.runs.summary import show

    console = Console()
    following = Following(settings.search.lanes, time.monotonic())
    watch = Watch(pipelines, run_id, following, Kubernetes.connect())
    try:
        with View(following, console) as view:

            def tell(lines: list[str], better: bool) -> None:
                view.tell(lines)
                if better:
                    view.tell_best()

            reason = watch.follow(
                tell,
                time.monotonic() + seconds,
                lambda found: _end(found, view, end_when_stuck),
            )
    except KeyboardInterrupt:
        typer.secho(f"the run goes on: {pipelines.connection.link(run_id)}", err=True)
        raise typer.Exit(130) from None
    folder = out_folder(settings.name, out)
    if reason:
        keep(reason, folder)
        raise reason.error()
    workflow = following.workflow
    facts = {
        "name": settings.name,
        "run_id": run_id,
        "dashboard": pipelines.connection.link(run_id),
        "seconds": seconds_of(workflow),
        "budget_seconds": settings.budget.seconds,
    }
    show(download(workflow, pipelines.connection, folder, facts), console)


def _end(reason: Any, view: Any, end_when_stuck: bool) -> bool:
    """Say that a run hangs, and return whether to end it."""
    typer.secho(f"the run hangs: {reason.error()}", fg="yellow", err=True)
    if end_when_stuck or not (sys.stdin.isatty() and view.console.is_terminal):
        return end_when_stuck
    view.pause()
    return bool(typer.confirm("End the run?", default=False, err=True))
