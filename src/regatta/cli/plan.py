"""``regatta plan``."""

from typing import Annotated, Any

import typer

from regatta.cli.options import settings_of

__all__ = ["register"]

TOO_SHORT = 2


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("plan")(plan)


def plan(
    source: Annotated[str, typer.Option(help="Table: s3://bucket/key.")] = "",
    target: Annotated[str, typer.Option(help="Column to predict.")] = "",
    task: Annotated[str | None, typer.Option(help="auto, binary, multiclass, regression.")] = None,
    metric: Annotated[str | None, typer.Option(help="Metric to optimise.")] = None,
    budget: Annotated[str | None, typer.Option(help="Budget: 5m, 1h.", show_default="5m")] = None,
    workers: Annotated[int | None, typer.Option(help="Lanes: pods side by side.")] = None,
    cores: Annotated[int | None, typer.Option(help="Cores for each lane.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the model.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of everything that is drawn.")] = None,
    registry: Annotated[str | None, typer.Option(help="Registry: s3://bucket/prefix.")] = None,
    deploy: Annotated[str, typer.Option(help="kserve, or none to register only.")] = "none",
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Any other setting; may be repeated."),
    ] = None,
    rows: Annotated[int, typer.Option(help="Rows of the table, where they are known.")] = 0,
    columns: Annotated[int, typer.Option(help="Columns, where they are known.")] = 0,
    memory: Annotated[
        str | None, typer.Option(help="Memory of a pod.", show_default="the pipeline's")
    ] = None,
) -> None:
    """Say what a run on a cluster would take: pods, memory, time. Nothing is sent."""
    from rich.table import Table

    from regatta.cli import terminal
    from regatta.cluster.estimate import estimate
    from regatta.cluster.submission import check_settings

    settings = settings_of(
        source,
        target=target,
        task=task,
        metric=metric,
        budget=budget,
        workers=workers,
        cores=cores,
        name=name,
        seed=seed,
        registry=registry,
        deploy=deploy,
        overrides=set_,
    )
    check_settings(settings)
    found = estimate(settings, n_rows=rows, n_columns=columns, memory=memory)
    console = terminal.console()
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    for label, value in _rows(found):
        table.add_row(label, value)
    console.print(table)
    if not found.fits:
        typer.secho(
            f"the budget does not hold: use --budget {found.least_seconds}s or more",
            fg="yellow",
            err=True,
        )
        raise typer.Exit(TOO_SHORT)


def _rows(found: Any) -> list[tuple[str, str]]:
    """Return what is shown, line by line."""
    rows = [
        ("tasks", f"{found.tasks}, and {found.lanes} lanes of trial"),
        ("pods", f"{found.pods} in all, {found.pods_at_once} with our code side by side"),
        ("memory asked", f"{found.memory} a pod, {found.memory_at_once_gib:g} GiB at once"),
        (
            "pipeline",
            f"{found.ir_bytes / 1000:.0f} kB of 32 MB, workflow about "
            f"{found.workflow_bytes / 1000:.0f} kB of 1 MB",
        ),
    ]
    rows += [(f"  {part}", f"{seconds:.0f} s") for part, seconds in found.seconds.items()]
    rows += [
        ("time", f"about {found.total_seconds:.0f} s"),
        ("budget", f"{found.budget_seconds:g} s, {'holds' if found.fits else 'too short'}"),
    ]
    return rows
