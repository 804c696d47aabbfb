"""What a user asks of ``regatta run``, checked before any folder is made."""

import os
import re
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from regatta.errors import BudgetError, DataError, SettingsError, UsageError, nearest
from regatta.registry import registry_root
from regatta.settings import RunSettings
from regatta.store import Location, connect, is_location

__all__ = ["MINIMUM_SECONDS", "Request", "name_of", "parse_seconds", "process_started_at"]

MINIMUM_SECONDS = 5.0
PATIENCE_SECONDS = 5.0
"""Somebody waits at the terminal: an object store is not waited for longer."""
RECORD = "run.json"


@dataclass(frozen=True)
class Request:
    """A run that may begin.

    Attributes
    ----------
    settings : RunSettings
        All settings; source and registry are absolute paths, or URIs.
    out : Path
        Folder that the run shall leave.
    overwrite : bool
        Whether an earlier run in that folder is replaced.
    """

    settings: RunSettings
    out: Path
    overwrite: bool = False

    @classmethod
    def checked(
        cls, settings: RunSettings, *, out: Path | None = None, overwrite: bool = False
    ) -> "Request":
        """Check what can be known before a stage runs.

        Parameters
        ----------
        settings : RunSettings
            Settings of the run.
        out : Path, optional
            Output folder; ``None``: ``runs/<name>-<time>``.
        overwrite : bool, default False
            Whether an earlier run in `out` may be replaced.

        Raises
        ------
        DataError
            The table is not there or is no file.
        SettingsError
            No target is named, or no metric has that name.
        BudgetError
            The budget is under `MINIMUM_SECONDS`.
        UsageError
            The output folder cannot be written or holds something else, or the registry cannot
            be written.
        """
        source = settings.data.source
        if is_location(source):
            _check_object(source)
        else:
            source = str(_checked_source(source))
        if not settings.data.target:
            raise SettingsError(
                "no target is named", expected="a column", fix="add --target COLUMN"
            )
        _check_budget(settings.budget.seconds)
        _check_metric(settings.search.metric)
        settings = settings.merged(
            {
                "data": {"source": source},
                "deploy": {"registry": _absolute_registry(settings.deploy.registry)},
                "budget": {"started_at": settings.budget.started_at or process_started_at()},
            }
        )
        folder = _default_out(settings.name) if out is None else _absolute(out)
        _check_out(folder, overwrite)
        if settings.deploy.target == "kserve":
            from regatta.deployment.kserve import check_registry

            check_registry(registry_root(settings.deploy.registry))
        _check_registry(settings.deploy.registry)
        return cls(settings, folder, overwrite)


def parse_seconds(text: str, option: str = "--budget") -> float:
    """Read a length of time.

    Parameters
    ----------
    text : str
        Seconds, or numbers with the units h, m and s, largest first.
    option : str, default "--budget"
        Option that it was given with, for the message.

    Returns
    -------
    float
        Seconds.

    Raises
    ------
    BudgetError
        The text is none.

    Examples
    --------
    >>> [parse_seconds(text) for text in ("90", "90s", "5m", "1h30m", "1.5h")]
    [90.0, 90.0, 300.0, 5400.0, 5400.0]
    """
    number = r"(\d+(?:\.\d+)?)"
    pattern = rf"(?:{number}h)?(?:{number}m(?:in)?)?(?:{number}s?)?"
    match = re.fullmatch(pattern, text.strip().lower(), re.ASCII)
    if not match or not any(match.groups()):
        raise BudgetError(
            f"{option} {text!r} is no length of time",
            expected="seconds, or a number with a unit, such as 90s, 5m or 1h30m",
            fix=f"write it like {option} 5m",
        )
    return sum(
        float(part) * factor
        for part, factor in zip(match.groups(), (3600, 60, 1), strict=True)
        if part
    )


def name_of(source: str) -> str:
    """Make a model's name, a DNS label, of a file's name.

    Examples
    --------
    >>> name_of("/data/Churn 2024_v2.csv.gz"), name_of("%%.csv")
    ('churn-2024-v2', 'model')
    """
    stem = Path(source).name.partition(".")[0].lower()
    return re.sub(r"[^a-z0-9]+", "-", stem)[:50].strip("-") or "model"


def process_started_at() -> float:
    """Return when this process started, in seconds since the epoch.

    The budget counts from there: the interpreter's own start belongs to the command.
    """
    try:
        fields = Path("/proc/self/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / os.sysconf("SC_CLK_TCK")
    except (OSError, AttributeError, ValueError, IndexError):
        return time.time() - time.process_time()
    return time.time() - age


def _check_object(source: str) -> None:
    """Raise `DataError` or `StoreError` unless a table is in its object store."""
    if not connect(patience_seconds=PATIENCE_SECONDS).exists(Location.parse(source)):
        raise DataError(
            f"there is no object {source!r}",
            expected="a CSV, Parquet or JSON-lines file in an object store",
            fix="check bucket and key",
        )


def _checked_source(source: str) -> Path:
    """Return the absolute path of the table."""
    path = Path(source).expanduser()
    if not source or not path.exists():
        there = [file.name for file in path.parent.iterdir()] if path.parent.is_dir() else []
        raise DataError(
            f"there is no file {source!r}{nearest(path.name, there)}",
            expected="the path of a CSV, Parquet or JSON-lines file",
            fix="check the path",
        )
    if path.is_dir():
        raise DataError(
            f"{source!r} is a folder",
            expected="the path of a CSV, Parquet or JSON-lines file",
            fix="name one file in it",
        )
    if not os.access(path, os.R_OK):
        raise DataError(
            f"{source!r} may not be read", fix=f"give yourself the right: chmod u+r {source}"
        )
    return path.absolute()


def _check_budget(seconds: float) -> None:
    """Raise `BudgetError` for a budget that not even an empty run keeps."""
    if seconds < MINIMUM_SECONDS:
        raise BudgetError(
            f"the budget is {seconds:g} s",
            expected=f"at least {MINIMUM_SECONDS:g} s, and 20 s for a race worth the name",
            fix="set a longer one, such as --budget 1m",
        )


def _check_metric(metric: str) -> None:
    """Raise `SettingsError` for a metric that does not exist at all.

    Whether it suits the task is known once the target has been looked at.
    """
    if metric == "auto":
        return
    from regatta.evaluation.metrics import METRICS

    if metric not in METRICS:
        raise SettingsError(
            f"there is no metric {metric!r}{nearest(metric, METRICS)}",
            expected="auto or one of " + ", ".join(METRICS),
            fix="set another one with --metric",
        )


def _default_out(name: str) -> Path:
    """Return a folder for the run that does not exist yet."""
    base = Path("runs").absolute() / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"
    names = [base, *(base.with_name(f"{base.name}-{number}") for number in range(2, 100))]
    return next(path for path in names if not path.exists())


def _absolute(out: Path) -> Path:
    """Return the folder that is meant; a link to one is followed, so that it stays a link."""
    path = out.expanduser().absolute()
    return path.resolve() if path.is_symlink() and path.exists() else path


def _absolute_registry(registry: str) -> str:
    """Return the registry as tasks find it, which work in another folder; empty stays empty."""
    return str(registry_root(registry)) if registry else ""


def _check_registry(registry: str) -> None:
    """Raise `UsageError` unless a version can be registered at the end."""
    root = registry_root(registry)
    if isinstance(root, Location):
        connect(patience_seconds=PATIENCE_SECONDS).check_bucket(root.bucket)
        return
    for folder in (root, *root.parents):
        if folder.exists():
            _check_writable(folder, "name another one with --registry FOLDER")
            return


def _check_out(out: Path, overwrite: bool) -> None:
    """Raise `UsageError` unless the folder can be made, or may be replaced."""
    if out.is_symlink() and not out.exists():
        raise UsageError(
            f"{str(out)!r} is a link to {str(out.readlink())!r}, which does not exist",
            expected="a new or empty folder",
            fix="make the folder that it points to, or name another one with --out",
        )
    if out.is_dir() and any(out.iterdir()):
        if not (out / RECORD).is_file():
            raise UsageError(
                f"folder {str(out)!r} is not empty and holds no run",
                expected="a new or empty folder",
                fix="name another one with --out",
            )
        if not overwrite:
            raise UsageError(
                f"folder {str(out)!r} holds an earlier run",
                expected="a new or empty folder",
                fix="name another one with --out, or replace the run with --overwrite",
            )
    nearest_there = next(path for path in (out, *out.parents) if path.exists())
    if not nearest_there.is_dir():
        raise UsageError(
            f"{str(nearest_there)!r} is a file", expected="a folder", fix="name another --out"
        )
    for folder in {nearest_there, out.parent if out.parent.is_dir() else nearest_there}:
        _check_writable(folder)


def _check_writable(folder: Path, fix: str = "name another one with --out") -> None:
    """Raise `UsageError` unless a file can be made in a folder; rights alone do not tell."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as err:
        raise UsageError(
            f"nothing can be written to {str(folder)!r} ({err.strerror})",
            expected="a folder that you may write to",
            fix=fix,
        ) from err


def describe(settings: RunSettings) -> dict[str, Any]:
    """Return settings as plain values, defaults left out, for the record of the run."""
    return settings.model_dump(mode="json", exclude_defaults=True)
