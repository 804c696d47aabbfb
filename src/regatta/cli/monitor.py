"""``regatta monitor``: served rows against those of training."""

import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from regatta.cli.options import Registry

__all__ = ["DRIFTED", "register"]

DRIFTED = 5
"""Exit code of a verdict that ``--fail-on`` names, or of a worse one."""
SHOWN = 10


class FailOn(StrEnum):
    """The verdicts that can end the command with a code of their own."""

    drifted = "drifted"
    retrain = "retrain"


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(monitor)


def monitor(
    model: Annotated[
        str,
        typer.Argument(
            help="A registered name: name, name@3, name@champion; or a run or bundle folder.",
            show_default=False,
        ),
    ],
    table: Annotated[
        str,
        typer.Argument(
            help="Rows that were served, as CSV, Parquet or JSON lines; with the target where it "
            "is known by now. A path, or s3://bucket/key.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for report, metrics and drift.", show_default="runs/<name>-monitor-<time>"
        ),
    ] = None,
    fail_on: Annotated[
        FailOn | None,
        typer.Option(help="End with code 5 on this verdict or a worse one.", show_default="never"),
    ] = None,
    registry: Registry = "",
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="Thresholds, or how to read the table: monitor.psi=0.25 …"),
    ] = None,
) -> None:
    """Compare served rows with those of training: drift, score, and whether to train again."""
    from regatta.monitoring import DECISIONS
    from regatta.settings import RunSettings, parse_overrides
    from regatta.stages import monitor as stage

    options: dict[str, Any] = {"data": {"source": table}}
    if registry:
        options["deploy"] = {"registry": registry}
    chosen = RunSettings.from_values(parse_overrides(settings or ())).merged(options)
    folder = out or _default_folder(model)
    _check_folder(folder)
    paths = (folder / name for name in ("drift", "report.html", "metrics.json"))
    found = stage.run(model, chosen.to_json(), *map(str, paths))
    _tell(found["values"])
    typer.echo(f"report       {folder / 'report.html'}")
    if fail_on and DECISIONS.index(found["verdict"]) >= DECISIONS.index(fail_on.value):
        raise typer.Exit(DRIFTED)


def _default_folder(model: str) -> Path:
    """Return a folder that is named after the model and the time."""
    name = Path(model).name if "/" in model else model.partition("@")[0]
    return Path("runs").absolute() / f"{name}-monitor-{time.strftime('%Y%m%d-%H%M%S')}"


def _check_folder(folder: Path) -> None:
    """Refuse a folder that cannot be, before the work is done."""
    from regatta.errors import UsageError

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as err:
        raise UsageError(
            f"--out {str(folder)!r} cannot be made ({err.strerror})",
            expected="a folder that is yours",
            fix="choose another",
        ) from err


def _tell(values: dict[str, Any]) -> None:
    """Say what was found: drifted columns, predictions, score, verdict with its reasons."""
    from regatta.evaluation.report.words import number, percent

    columns, said = values["columns"], values["predictions"]
    moved = [column for column in columns if column["drifted"]]
    typer.echo(
        f"rows         {number(values['n_rows'])} against {number(values['n_reference'])} of "
        f"{values['name']}{'@' + values['version'] if values['version'] else ''}"
    )
    typer.echo(f"columns      {len(moved)} of {len(columns)} drifted")
    for one in moved[:SHOWN]:
        typer.echo(
            f"  {one['name']}: {_index(one)}, missing {percent(one['missing'][0])} → "
            f"{percent(one['missing'][1])}, importance {percent(one['importance'])}"
        )
    if len(moved) > SHOWN:
        typer.echo(f"  and {len(moved) - SHOWN} more")
    typer.echo(f"predictions  {_index(said)}")
    typer.echo(f"verdict      {values['verdict']['decision']}")
    for reason in values["verdict"]["reasons"]:
        typer.echo(f"  {reason}")


def _index(drift: dict[str, Any]) -> str:
    """Write an index beside what chance explains."""
    from regatta.evaluation.report.words import number

    return f"psi {number(drift['psi'], 3)} (by chance up to {number(drift['by_chance'], 3)})"
