"""``regatta models``: the registry."""

import contextlib
import json
import shlex
from typing import TYPE_CHECKING, Annotated, Any

import typer

from regatta.cli import options

if TYPE_CHECKING:
    from regatta.registry import Registry, Version

__all__ = ["app"]

app = typer.Typer(help="List, show, promote and roll back registered models.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Deploy = Annotated[
    bool,
    typer.Option(
        help="Let the running service follow: that of `regatta run` on this machine, and the "
        "InferenceService, if the registry is an object store."
    ),
]
Namespace = Annotated[str, typer.Option(help="Namespace of the InferenceService.")]
Served = dict[str, str | int]
"""Address and version of a service."""
Name = Annotated[str, typer.Argument(help="Name of a model.", show_default=False)]


@app.command("list")
def list_models(registry: options.Registry = "", as_json: AsJson = False) -> None:
    """List all models, with their champions."""
    found = _open(registry)
    models = [(name, found.versions(name)) for name in found.names()]
    if as_json:
        _print_json([_summary(name, versions) for name, versions in models])
        return
    if not models:
        typer.echo(f"Registry {found.root} is empty. Train a model with `regatta run`.")
        return
    rows = []
    for name, versions in models:
        summary = _summary(name, versions)
        champion = next((v for v in versions if "champion" in v.aliases), versions[-1])
        rows.append(
            [
                name,
                _or_dash(summary["champion"]),
                _or_dash(summary["challenger"]),
                str(len(versions)),
                _score(champion),
                _when(versions[-1]),
            ]
        )
    _print_table(
        ["model", "champion", "challenger", "versions", "champion on locked rows", "latest"], rows
    )


@app.command()
def show(name: Name, registry: options.Registry = "", as_json: AsJson = False) -> None:
    """Show the versions of a model."""
    found = _open(registry)
    versions = found.versions(name)
    if as_json:
        _print_json([version.to_dict() for version in versions])
        return
    rows = [
        [
            str(version.number),
            ", ".join(version.aliases) or "-",
            str(version.metadata.get("task", "")),
            _score(version),
            _when(version),
        ]
        for version in reversed(versions)
    ]
    _print_table(["version", "alias", "task", "on locked rows", "registered"], rows)
    typer.echo(f"\nin {versions[0].place.rpartition('/')[0]}")


@app.command()
def promote(
    name: Name,
    version: Annotated[
        str, typer.Argument(help="Version to promote: a number or an alias.", show_default=False)
    ],
    registry: options.Registry = "",
    deploy: Deploy = True,
    namespace: Namespace = "regatta",
    as_json: AsJson = False,
) -> None:
    """Make a version the champion, and serve it where the one before is served."""
    found = _open(registry)
    number = found.resolve(f"{name}@{version}").number
    before = found.aliases(name)
    champion = found.promote(name, number)
    served = _follow(found, champion, before, namespace) if deploy else []
    _print_change(champion, served, as_json, "" if deploy else _promotion(champion, registry))


@app.command()
def rollback(
    name: Name,
    registry: options.Registry = "",
    deploy: Deploy = True,
    namespace: Namespace = "regatta",
    as_json: AsJson = False,
) -> None:
    """Make the previous champion the champion again, and serve it where this one is served."""
    found = _open(registry)
    before = found.aliases(name)
    champion = found.rollback(name)
    served = _follow(found, champion, before, namespace) if deploy else []
    _print_change(champion, served, as_json, "" if deploy else _promotion(champion, registry))


def _follow(
    registry: "Registry", champion: "Version", before: dict[str, int], namespace: str
) -> list[Served]:
    """Let services follow the champion; if one cannot, and none has, the aliases go back."""
    from regatta.deployment import follow_here

    served: list[Served] = []
    try:
        served += _follow_on_cluster(registry, champion.name, namespace)
        if here := follow_here(champion):
            served.append({"url": here.url, "version": int(here.version)})
    except BaseException as err:
        if served:
            err.add_note("The service on the cluster has followed, and the aliases stay.")
            raise
        if registry.restore(champion.name, before, champion=champion.number):
            err.add_note("The aliases are as they were. To change nothing but them: --no-deploy")
        else:
            err.add_note("Somebody has changed the champion meanwhile: the aliases stay.")
        raise
    return served


def _follow_on_cluster(registry: "Registry", name: str, namespace: str) -> list[Served]:
    """Let the service on a cluster follow the champion, if there is one.

    A registry in a folder has no services on a cluster, and without a kubeconfig there is none.
    """
    from regatta.deployment import Cluster, follow
    from regatta.store import Location

    cluster = Cluster.find(namespace) if isinstance(registry.root, Location) else None
    done = follow(cluster, registry, name) if cluster else None
    return [{"url": done.url, "version": int(done.wanted.version)}] if done else []


def _promotion(champion: "Version", registry: str) -> str:
    """Return the command that lets a service follow which was left alone."""
    where = f" --registry {shlex.quote(registry)}" if registry else ""
    return f"regatta models promote {champion.name} {champion.number}{where}"


def _open(root: str) -> "Registry":
    from regatta.registry import Objects, Registry, registry_root
    from regatta.store import Location, connect

    found = registry_root(root)
    if isinstance(found, Location):
        # Somebody waits at the terminal.
        return Registry(found, Objects(found, connect(patience_seconds=5)))
    return Registry(found)


def _summary(name: str, versions: "list[Version]") -> dict[str, Any]:
    """Return one line of the list as plain values."""
    by_alias = {alias: version.number for version in versions for alias in version.aliases}
    return {
        "name": name,
        "versions": len(versions),
        "latest": versions[-1].number,
        "champion": by_alias.get("champion"),
        "challenger": by_alias.get("challenger"),
        "previous": by_alias.get("previous"),
    }


def _score(version: "Version") -> str:
    """Return the metric and its score on the locked rows, which chose nothing."""
    score = version.metadata.get("locked_score")
    return "-" if score is None else f"{version.metadata.get('metric')} {score:.4g}"


def _when(version: "Version") -> str:
    return str(version.metadata.get("created_at", ""))[:16].replace("T", " ")


def _or_dash(value: object) -> str:
    return "-" if value is None else str(value)


def _print_change(champion: "Version", served: list[Served], as_json: bool, promotion: str) -> None:
    """Say who is champion, and who serves it; `promotion` is the command for who was not asked."""
    if as_json:
        _print_json({**champion.to_dict(), "service": served[0] if served else None})
        return
    typer.echo(f"Version {champion.number} is the champion of {champion.name}.")
    for one in served:
        typer.echo(f"It is served at {one['url']}.")
    if not served:
        typer.echo(_unmoved(champion.name, promotion))


def _unmoved(name: str, promotion: str) -> str:
    """Return what is served on, where no service follows the champion."""
    from regatta.deployment import running_here
    from regatta.errors import ServiceError

    running = None
    # The champion is changed: a record that cannot be read is the next command's to complain of.
    with contextlib.suppress(ServiceError):
        running = running_here(name)
    if promotion:
        which = f"The service at {running.url}" if running else "A running service"
        version = f", {running.version}" if running else ""
        return f"{which} keeps its version{version}. To let it follow: {promotion}"
    if running:
        return f"The service at {running.url} is of another registry and keeps its version."
    return (
        f"No running service follows. One that `regatta serve {name}` runs in a terminal keeps its "
        "version until it is started again."
    )


def _print_json(value: object) -> None:
    typer.echo(json.dumps(value, indent=1))


def _print_table(columns: list[str], rows: list[list[str]]) -> None:
    from rich.table import Table

    from regatta.cli.terminal import console

    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*row)
    console().print(table)
