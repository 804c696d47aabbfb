"""``regatta models``: the registry."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from regatta.cli import options

if TYPE_CHECKING:
    from regatta.deployment import Deployed
    from regatta.registry import Registry, Version

__all__ = ["app"]

app = typer.Typer(help="List, show, promote and roll back registered models.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Deploy = Annotated[
    bool,
    typer.Option(
        help="Let the model's InferenceService follow, if the registry is an object store."
    ),
]
Namespace = Annotated[str, typer.Option(help="Namespace of the InferenceService.")]
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
    _print_change(champion, _follow(found, name, before, deploy, namespace), as_json)


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
    _print_change(champion, _follow(found, name, before, deploy, namespace), as_json)


def _follow(
    registry: "Registry", name: str, before: dict[str, int], deploy: bool, namespace: str
) -> "Deployed | None":
    """Let a service on a cluster follow the champion; if it cannot, the aliases go back.

    A registry in a folder has no services on a cluster, and without a kubeconfig there is none.
    """
    from regatta.errors import ClusterError, RegattaError
    from regatta.store import Location

    if not deploy or not isinstance(registry.root, Location):
        return None
    from regatta.deployment import Cluster, follow

    try:
        cluster = Cluster.find(namespace)
        return follow(cluster, registry, name) if cluster else None
    except RegattaError as err:
        registry.restore(name, before)
        if isinstance(err, ClusterError):
            err.add_note("The aliases are as they were. To change nothing but them: --no-deploy")
        raise


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


def _print_change(champion: "Version", deployed: "Deployed | None", as_json: bool) -> None:
    if as_json:
        served = (
            {"url": deployed.url, "version": int(deployed.wanted.version)} if deployed else None
        )
        _print_json({**champion.to_dict(), "service": served})
        return
    typer.echo(f"Version {champion.number} is the champion of {champion.name}.")
    if deployed:
        typer.echo(f"It is served at {deployed.url}.")
    else:
        typer.echo("A running service keeps its version; the next `regatta serve` takes this one.")


def _print_json(value: object) -> None:
    typer.echo(json.dumps(value, indent=1))


def _print_table(columns: list[str], rows: list[list[str]]) -> None:
    from rich.table import Table

    from regatta.cli.terminal import console

    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*row)
    console().print(table)
