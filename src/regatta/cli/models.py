"""``regatta models``: the registry."""

import typer

__all__ = ["app"]

app = typer.Typer(help="List, show, promote and roll back registered models.", no_args_is_help=True)
