"""``regatta plan``."""

from typing import Annotated, Any

import typer

from regatta.cli import options

__all__ = ["register"]

TOO_SHORT = 2


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("plan")(plan)


def plan(
    source: options.Source = "",
    target: options.Target = "",
    weight: options.Weight = None,
    group: options.Group = None,
    time: options.Time = None,
    task: options.Task = None,
    metric: options.Metric = None,
    budget: options.Budget = None,
    workers: options.Lanes = None,
    cores: options.Cores = None,
    name: options.Name = None,
    seed: options.Seed = None,
    registry: options.ClusterRegistry = None,
    deploy: options.Deploy = "none",
    set_: options.Overrides = None,
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

    settings = options.settings_of(
        source,
        target=target,
        weight=weight,
        group=group,
        time=time,
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
