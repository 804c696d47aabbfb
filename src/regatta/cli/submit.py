"""``regatta submit``."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from regatta.cli.options import settings_of

__all__ = ["register"]

app = typer.Typer(help="Start a pipeline on a cluster.", no_args_is_help=True)


def register(application: typer.Typer) -> None:
    """Add the command to the application."""
    application.add_typer(app, name="submit")


@app.callback()
def _submit() -> None:
    """Start a pipeline on a cluster and follow it."""


@app.command()
def train(
    source: Annotated[str, typer.Option(help="Table in an object store: s3://bucket/key.")] = "",
    target: Annotated[str, typer.Option(help="Column to predict.")] = "",
    host: Annotated[
        str | None,
        typer.Option(help="Kubeflow Pipelines.", show_default="KF_PIPELINES_ENDPOINT"),
    ] = None,
    task: Annotated[str | None, typer.Option(help="auto, binary, multiclass, regression.")] = None,
    metric: Annotated[str | None, typer.Option(help="Metric to optimise.")] = None,
    budget: Annotated[str | None, typer.Option(help="Budget: 5m, 1h.", show_default="5m")] = None,
    trials: Annotated[int | None, typer.Option(help="Fixed number of trials.")] = None,
    workers: Annotated[int | None, typer.Option(help="Lanes: pods side by side.")] = None,
    cores: Annotated[int | None, typer.Option(help="Cores for each lane.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the model.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of everything that is drawn.")] = None,
    registry: Annotated[str | None, typer.Option(help="Registry: s3://bucket/prefix.")] = None,
    deploy: Annotated[str, typer.Option(help="kserve, or none to register only.")] = "none",
    experiment: Annotated[str, typer.Option(help="Experiment in the dashboard.")] = "regatta",
    namespace: Annotated[
        str | None, typer.Option(help="Namespace of the runs, where there are several.")
    ] = None,
    token: Annotated[
        str | None,
        typer.Option(help="Bearer token.", envvar="REGATTA_TOKEN", show_envvar=True),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Any other setting; may be repeated."),
    ] = None,
    argument: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Any other parameter of the pipeline."),
    ] = None,
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
    """Train on a cluster: start the pipeline, follow it, fetch report and leaderboard."""
    from regatta.cluster.compiled import arguments
    from regatta.cluster.connection import Connection
    from regatta.cluster.pipelines import Pipelines
    from regatta.cluster.submission import Submission
    from regatta.runs.request import parse_seconds

    settings = settings_of(
        source,
        target=target,
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
    seconds = parse_seconds(timeout) if timeout else settings.budget.seconds + 1800
    submission, more = Submission(settings, experiment), arguments(argument or [])
    with Pipelines(Connection.find(host, token, namespace)) as pipelines:
        sent = submission.send(pipelines, **more)
        how = "reused" if sent.reused else "uploaded"
        typer.echo(f"run        {sent.run_id}\npipeline   regatta-train {sent.version} ({how})")
        typer.echo(f"dashboard  {sent.link}")
        if wait:
            _follow(pipelines, sent.run_id, settings, seconds, end_when_stuck, out)


def _follow(
    pipelines: Any, run_id: str, settings: Any, seconds: float, end_when_stuck: bool, out: Any
) -> None:
    """Follow a run, fetch what it leaves, and say what came of it."""
    import time

    from rich.console import Console

    from regatta.cluster.following import Following
    from regatta.cluster.kube import Kubernetes
    from regatta.cluster.results import download, keep
    from regatta.cluster.submission import Watch, out_folder, seconds_of
    from regatta.cluster.view import View
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
