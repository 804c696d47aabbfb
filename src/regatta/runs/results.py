"""What a run leaves: the output folder, and the record of the run in it."""

import contextlib
import importlib.metadata
import os
import platform
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from regatta import __version__
from regatta.artifacts import read_json, write_json
from regatta.artifacts.base import MANIFEST
from regatta.errors import ArtifactError, UsageError
from regatta.runs.request import RECORD, Request, describe
from regatta.runs.session import Session

__all__ = ["Outcome", "collect"]

PACKAGES = (
    "kfp",
    "kserve",
    "lightgbm",
    "numpy",
    "pandas",
    "pyarrow",
    "scikit-learn",
    "xgboost-cpu",
)


@dataclass(frozen=True)
class Outcome:
    """A finished run.

    Attributes
    ----------
    out : Path
        Its folder.
    record : dict
        What ``run.json`` holds.
    leaderboard : dict
        What ``leaderboard.json`` holds.
    evaluation : dict
        What ``evaluation.json`` holds.
    """

    out: Path
    record: dict[str, Any]
    leaderboard: dict[str, Any] = field(default_factory=dict)
    evaluation: dict[str, Any] = field(default_factory=dict)


def collect(session: Session, stages: Mapping[str, float]) -> Outcome:
    """Move what the tasks made to the output folder, all at once.

    Parameters
    ----------
    session : Session
        The run, its pipeline at an end. Its artifacts are on the file system of the output folder.
    stages : mapping of str to float
        Seconds by stage.

    Returns
    -------
    Outcome
        The run in its final place.

    Raises
    ------
    ArtifactError
        The pipeline ended well and yet an artifact is not there.
    UsageError
        Other runs have filled the output folder meanwhile, and all names like it.
    """
    made = _artifacts(session.work)
    out, final = session.request.out, session.work / "out"
    final.mkdir()
    record = _record(session.request, made, stages)
    evaluation = _one(made, "evaluation")
    _move(evaluation.parent / "model", final / "bundle")
    _move(evaluation.parent / "report", final / "report.html")
    _move(evaluation, final / "evaluation")
    shutil.copyfile(_one(made, "leaderboard") / "leaderboard.json", final / "leaderboard.json")
    for lane in made["trials"]:
        _move(lane, final / "trials" / f"lane-{_lane(lane):02d}")
    _move(session.log, final / "run.log")
    shutil.copyfile(session.events, final / "events.jsonl")
    write_json(final / RECORD, record)
    out = _into_place(final, out, overwrite=session.request.overwrite)
    return Outcome(
        out,
        record,
        read_json(out / "leaderboard.json"),
        read_json(out / "evaluation" / "evaluation.json"),
    )


def _artifacts(work: Path) -> dict[str, list[Path]]:
    """Return the folders of all artifacts of the run by kind.

    The runner puts them at ``<pipeline>-<time>/<task>/<output>``, those of a loop one deeper.
    """
    found: dict[str, list[Path]] = {}
    for pattern in ("*/*/*", "*/for-loop-*/*/*"):
        for manifest in sorted(work.glob(f"{pattern}/{MANIFEST}")):
            found.setdefault(read_json(manifest)["kind"], []).append(manifest.parent)
    return found


def _one(made: Mapping[str, list[Path]], kind: str) -> Path:
    """Return the one artifact of a kind."""
    paths = made.get(kind, [])
    if len(paths) != 1:
        raise ArtifactError(
            f"the run made {len(paths)} {kind} artifacts",
            expected="one",
            fix="run again as `regatta --debug run …` and report what the log says",
        )
    return paths[0]


def _lane(trials: Path) -> int:
    """Return the number of the lane that an artifact belongs to."""
    return int(read_json(trials / "lane.json")["lane"])


def _move(source: Path, target: Path) -> None:
    """Move on one file system."""
    target.parent.mkdir(parents=True, exist_ok=True)
    os.rename(source, target)


def _into_place(final: Path, out: Path, *, overwrite: bool) -> Path:
    """Rename the finished folder, and return where it is.

    An earlier run goes only on demand, and only now. What another run has put there meanwhile
    stays: this one gets the next free name.
    """
    if overwrite and out.exists():
        old = final.with_name("replaced")
        os.rename(out, old)
        os.rename(final, out)
        shutil.rmtree(old, ignore_errors=True)
        return out
    for place in (out, *(out.with_name(f"{out.name}-{number}") for number in range(2, 100))):
        # The system refuses to rename a folder onto one that is not empty.
        with contextlib.suppress(OSError):
            os.rename(final, place)
            return place
    raise UsageError(
        f"folder {str(out)!r} and 98 others like it were filled while the run was on",
        expected="a new or empty folder",
        fix="name another one with --out",
    )


def _record(
    request: Request, made: Mapping[str, list[Path]], stages: Mapping[str, float]
) -> dict[str, Any]:
    """Return what is kept about the run."""
    settings = request.settings
    dataset = read_json(_one(made, "dataset") / MANIFEST)["metadata"]
    started_at = settings.budget.started_at
    return {
        "name": settings.name,
        "regatta_version": __version__,
        "settings": describe(settings),
        "started_at": round(started_at, 3),
        "seconds": round(time.time() - started_at, 3),
        "budget_seconds": settings.budget.seconds,
        "stages": {name: round(seconds, 3) for name, seconds in stages.items()},
        "dataset": dataset,
        "version": _values(made, "version"),
        "service": _values(made, "service"),
        "python": platform.python_version(),
        "packages": dict(_versions()),
    }


def _values(made: Mapping[str, list[Path]], kind: str) -> dict[str, Any]:
    """Return the JSON file of an artifact that has the artifact's name; empty if there is none."""
    for path in made.get(kind, []):
        file = path / f"{kind}.json"
        if file.is_file():
            values: dict[str, Any] = read_json(file)
            return values
    return {}


def _versions() -> Iterator[tuple[str, str]]:
    """Yield the packages that decide what a model does, with their versions."""
    for name in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            yield name, importlib.metadata.version(name)
