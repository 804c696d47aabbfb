"""The command line: ``regatta``.

Each command is one module; what takes long to import is imported inside the command, so that
``regatta --help`` answers at once.
"""

import os
import sys
from typing import Annotated, NoReturn

import typer

from regatta import __version__
from regatta.cli import (
    compile,
    doctor,
    models,
    monitor,
    plan,
    predict,
    report,
    run,
    serve,
    submit,
)
from regatta.errors import RegattaError

__all__ = ["app", "main"]

# What a shell makes of SIGPIPE.
UNREAD = 141

app = typer.Typer(
    name="regatta",
    help="From a table and a target column to a prediction service.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for module in (run, predict, serve, monitor, report, plan, submit, compile, doctor):
    module.register(app)
app.add_typer(models.app, name="models")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"regatta {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    if debug:
        os.environ["REGATTA_DEBUG"] = "1"


def main() -> None:
    """Run the command line; a `RegattaError` ends it with one message and its exit code."""
    _open_standard_streams()
    try:
        app()
    except RegattaError as err:
        if os.environ.get("REGATTA_DEBUG"):
            raise
        notes = getattr(err, "__notes__", ())
        typer.secho("\n".join([str(err), *notes]), fg="red", err=True)
        sys.exit(err.exit_code)
    except SystemExit as end:
        # What typer and rich turn a reader into that has read enough, such as `head`.
        if isinstance(end.__context__, BrokenPipeError):
            _end_unread()
        raise
    except BrokenPipeError:
        _end_unread()


def _open_standard_streams() -> None:
    """Open the null device where a standard stream is closed.

    The next file or pipe would get its number, and a child process would read or write it as its
    own standard stream.
    """
    for stream in (0, 1, 2):
        try:
            os.fstat(stream)
        except OSError:
            # The system gives the lowest free number, which is this one.
            os.open(os.devnull, os.O_RDWR)


def _end_unread() -> NoReturn:
    """End as a program does that nobody reads any more, without a last word at the exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.exit(UNREAD)
