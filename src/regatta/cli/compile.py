"""``regatta compile``."""

from typing import Annotated

import typer

from regatta.errors import UsageError

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("compile")(compile_)


def compile_(
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; stop with 2 where a file is outdated.")
    ] = False,
) -> None:
    """Write the compiled form of every component and pipeline."""
    from regatta.runs import compile as compiled
    from regatta.runs.workflows import activate

    root = activate()
    paths = compiled.outdated(root) if check else compiled.write(root)
    names = [str(path.relative_to(root)) for path in paths]
    if check and names:
        raise UsageError(
            f"{len(names)} compiled files differ from their sources: " + ", ".join(names[:5]),
            expected="what `regatta compile` writes",
            fix="run `regatta compile` and commit what it changed",
        )
    for name in names:
        typer.echo(f"wrote {name}")
    typer.echo("all compiled files are current")
