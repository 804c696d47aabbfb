"""``regatta predict``: batch prediction."""

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from regatta.cli.options import Registry

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(predict)


def predict(
    model: Annotated[
        str,
        typer.Argument(
            help="A bundle folder, a run folder, or a registered name: name, name@3, "
            "name@champion.",
            show_default=False,
        ),
    ],
    table: Annotated[Path, typer.Argument(help="CSV, Parquet or JSON lines.", show_default=False)],
    out: Annotated[
        Path, typer.Option("--out", help="File to write: .csv or .parquet.", show_default=False)
    ],
    registry: Registry = "",
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="How to read the table: data.delimiter=';' or data.encoding=…"),
    ] = None,
) -> None:
    """Predict every row of a table, in its order."""
    from regatta import bundle
    from regatta.dataset import read_frame
    from regatta.registry import find, registry_root
    from regatta.settings import RunSettings, parse_overrides

    _check_out(out)
    _check_apart(table, out)
    data = RunSettings.from_values(parse_overrides(settings or ())).data
    found = find(model, registry_root(registry))
    loaded = bundle.load(found.bundle)
    predicted = loaded.predict(read_frame(table, loaded.signature, data))
    _write(predicted, out)
    held = "1 prediction is" if len(predicted) == 1 else f"{len(predicted)} predictions are"
    typer.echo(f"{held} in {out}.")


def _check_out(out: Path) -> None:
    """Refuse an output that cannot be written before the work is done."""
    from regatta.errors import UsageError

    if out.suffix.lower() not in (".csv", ".parquet"):
        raise UsageError(
            f"--out {str(out)!r} has the suffix {out.suffix!r}",
            expected=".csv or .parquet",
            fix="name the file like predictions.csv",
        )
    folder = out.parent
    if out.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
        raise UsageError(
            f"--out {str(out)!r} cannot be written",
            expected="a file in a folder that exists and is yours",
            fix="make the folder or choose another",
        )


def _check_apart(table: Path, out: Path) -> None:
    """Refuse to write over the table that is read, whatever the two paths look like."""
    from regatta.errors import UsageError

    if table.exists() and out.exists() and os.path.samefile(table, out):
        raise UsageError(
            f"--out {str(out)!r} is the table that is read",
            expected="another file",
            fix="name another file; the predictions have the rows in the same order",
        )


def _write(predicted: "pd.DataFrame", out: Path) -> None:
    """Write the predictions; the file appears whole or not at all."""
    descriptor, name = tempfile.mkstemp(prefix=f".{out.name}-", dir=out.parent)
    os.close(descriptor)
    temporary = Path(name)
    try:
        if out.suffix.lower() == ".csv":
            predicted.to_csv(temporary, index=False)
        else:
            predicted.to_parquet(temporary, index=False)
        temporary.chmod(0o644)
        temporary.replace(out)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
