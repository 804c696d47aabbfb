"""``regatta report``: where the report of a run is."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["register"]

REPORT = "report.html"


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(report)


def report(
    run: Annotated[
        Path,
        typer.Argument(
            metavar="RUN", help="Folder that `regatta run --out` wrote.", show_default=False
        ),
    ],
    browser: Annotated[
        bool | None,
        typer.Option(
            "--open/--print",
            help="Open it in the browser, or print its path only. By default it is opened where "
            "there is a display.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Print the path of a run's report, and open it in the browser."""
    path = _find(run).resolve()
    typer.echo(path)
    if browser and not _has_display():
        from regatta.errors import UsageError

        raise UsageError(
            "there is no display to open a browser on",
            expected="DISPLAY or WAYLAND_DISPLAY to be set",
            fix="copy the file to your own machine: it is one file and needs nothing else",
        )
    if browser or (browser is None and sys.stdout.isatty() and _has_display()):
        import webbrowser

        webbrowser.open(path.as_uri())


def _find(run: Path) -> Path:
    """Return the report of a run."""
    from regatta.errors import ArtifactError, UsageError

    if run.is_file() and run.suffix == ".html":
        return run
    if (run / REPORT).is_file():
        return run / REPORT
    if not run.exists():
        raise UsageError(
            f"folder {str(run)!r} does not exist",
            expected="the folder of a run",
            fix="give the folder that `regatta run` named, or its --out",
        )
    what = "has no report.html" if run.is_dir() else "is no folder"
    raise ArtifactError(
        f"{str(run)!r} {what}",
        expected="the folder of a finished run, with report.html in it",
        fix="give the folder that `regatta run` named, or run it again",
    )


def _has_display() -> bool:
    """Return whether a browser window could appear."""
    if sys.platform in ("darwin", "win32"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
