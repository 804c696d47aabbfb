"""``regatta doctor``."""

import typer

__all__ = ["register"]

TITLES = {"local": "Local runs", "images": "Images", "cluster": "Cluster"}


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("doctor")(doctor)


def doctor() -> None:
    """Say what is missing on this machine for local runs, images and a cluster."""
    from rich.table import Table
    from rich.text import Text

    from regatta.cli import terminal
    from regatta.runs.checks import checks

    console = terminal.console()
    ready = dict.fromkeys(TITLES, True)
    area = ""
    for check in checks():
        ready[check.area] &= check.ok
        if check.area != area:
            area = check.area
            console.print(f"\n[bold]{TITLES[area]}")
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(width=1)
        table.add_column(width=22)
        table.add_column()
        mark = Text("✓", "green") if check.ok else Text("✗", "red")
        table.add_row(mark, check.name, Text(check.found))
        if not check.ok:
            table.add_row("", "", Text(f"to fix: {check.fix}", "yellow"))
        console.print(table)
    console.print()
    for area, title in TITLES.items():
        console.print(f"{title}: " + ("[green]ready" if ready[area] else "[yellow]not ready"))
    if not ready["local"]:
        raise typer.Exit(2)
