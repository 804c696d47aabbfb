"""``regatta models``: the registry."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from regatta.registry import Registry, Version

__all__ = ["app"]

app = typer.Typer(help="List, show, promote and roll back registered models.", no_args_is_help=True)

Root = Annotated[
    str, typer.Option("--registry", help="Folder or s3:// URI of the registry.", show_default="~/.regatta")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Name = Annotated[str, typer.Argument(help="Name of a model.", show_default=False)]


@app.command("list")
def list_models(registry: Root = "", as_json: AsJson = False) -> None:
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
def show(name: Name, registry: Root = "", as_json: AsJson = False) -> None:
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
    registry: Root = "",
    as_json: AsJson = False,
) -> None:
    """Make a version the champion."""
    found = _open(registry)
    number = found.resolve(f"{name}@{version}").number
    _print_change(found.promote(name, number), as_json)


@app.command()
def rollback(name: Name, registry: Root = "", as_json: AsJson = False) -> None:
    """Make the previous champion the champion again."""
    _print_change(_open(registry).rollback(name), as_json)


def _open(root: str) -> "Registry":
    from regatta.registry import Registry, registry_root

    return Registry(registry_root(root))


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


def _print_change(champion: "Version", as_json: bool) -> None:
    if as_json:
        _print_json(champion.to_dict())
        return
    typer.echo(f"Version {champion.number} is the champion of {champion.name}.")
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
