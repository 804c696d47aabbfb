"""``regatta doctor``."""

import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from regatta.cli import options

if TYPE_CHECKING:
    from regatta.runs.checks import Check

__all__ = ["register"]

CLUSTER = 4
"""Exit code for what is missing in a cluster."""
TITLES = {"local": "Local runs", "images": "Images", "cluster": "Cluster"}


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("doctor")(doctor)


def doctor(
    cluster: Annotated[
        bool, typer.Option("--cluster", help="Look at the cluster only, and closely.")
    ] = False,
    host: options.Host = None,
    namespace: options.RunsNamespace = None,
    services: Annotated[str, typer.Option(help="Namespace of the services.")] = "regatta",
    token: options.Token = None,
) -> None:
    """Say what is missing on this machine for local runs, images and a cluster."""
    from regatta.runs.checks import checks

    if cluster:
        if not all(_shown(_cluster_checks(host, namespace, services, token)).values()):
            raise typer.Exit(CLUSTER)
        return
    if not _shown(checks())["local"]:
        raise typer.Exit(2)


def _cluster_checks(
    host: str | None, namespace: str | None, services: str, token: str | None
) -> "Iterator[Check]":
    """Look at the cluster that options and environment name."""
    from regatta.cluster.checks import checks
    from regatta.cluster.connection import Connection
    from regatta.cluster.kube import Kubernetes

    named = host or os.environ.get("KF_PIPELINES_ENDPOINT")
    connection = Connection.find(host, token, namespace) if named else None
    kubernetes = Kubernetes.connect()
    if kubernetes and namespace:
        kubernetes.namespace = namespace
    return checks(connection, kubernetes, services)


def _shown(found: "Iterable[Check]") -> dict[str, bool]:
    """Print checks as they come, and return which areas are ready."""
    from rich.table import Table
    from rich.text import Text

    from regatta.cli import terminal

    console = terminal.console()
    ready: dict[str, bool] = {}
    for check in found:
        if check.area not in ready:
            console.print(f"\n[bold]{TITLES[check.area]}")
        ready[check.area] = ready.get(check.area, True) and check.ok
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(width=1)
        table.add_column(width=26, overflow="fold")
        table.add_column()
        mark = Text("✓", "green") if check.ok else Text("✗", "red")
        table.add_row(mark, check.name, Text(check.found))
        if not check.ok:
            table.add_row("", "", Text(f"to fix: {check.fix}", "yellow"))
        console.print(table)
    console.print()
    for area, title in TITLES.items():
        if area in ready:
            console.print(f"{title}: " + ("[green]ready" if ready[area] else "[yellow]not ready"))
    return ready
