"""Writing a bundle: encoders stored once, models beside them, one JSON file that says how."""

import hashlib
import os
import platform
import shutil
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from regatta import __version__
from regatta.artifacts import write_json, writing
from regatta.artifacts.base import MANIFEST
from regatta.bundle.spec import REFERENCE, BundleSpec, MemberSpec
from regatta.errors import ArtifactError

__all__ = ["write"]

# What the numbers of a prediction can depend on.
PACKAGES = ("numpy", "pandas", "scikit-learn", "lightgbm", "xgboost-cpu", "xgboost")


def write(path: str | Path, spec: BundleSpec) -> None:
    """Write a bundle.

    Parameters
    ----------
    path : str or Path
        Folder of the bundle. It appears whole or not at all; one that is there is replaced.
    spec : BundleSpec
        What goes into it. Encoders and models are copied, by hard link where that is possible.

    Raises
    ------
    ArtifactError
        There is no member, a member has no fit, or the weights do not add up to 1.

    Notes
    -----
    Encoders are stored under a digest of their content: members that share (encoding, fold), in
    one lane or in several, share the folder, and `Bundle` transforms once for all of them.
    """
    _check(spec)
    values = {"name": spec.name, "task": spec.schema.task}
    with writing(path, "bundle", **values) as folder:
        members = [_write_member(folder, member) for member in spec.members]
        write_json(folder / "bundle.json", _description(spec, members))
        if spec.measured is not None:
            spec.measured.save(folder)
        if spec.reference is not None:
            write_json(folder / REFERENCE, dict(spec.reference))


def _check(spec: BundleSpec) -> None:
    """Refuse an ensemble that cannot predict."""
    total = sum(member.weight for member in spec.members)
    empty = [member.trial for member in spec.members if not member.fits]
    if not spec.members or empty or abs(total - 1) > 1e-6:
        raise ArtifactError(
            f"bundle {spec.name!r} has {len(spec.members)} members with weights of {total:g}"
            + (f", without a model: {', '.join(empty[:5])}" if empty else ""),
            expected="at least one member, each with a model, and weights that add up to 1",
            fix="select the ensemble again from trials that succeeded",
        )


def _write_member(folder: Path, member: MemberSpec) -> dict[str, Any]:
    """Copy a member's models and encoders; return what bundle.json says about it."""
    fits = []
    for number, fit in enumerate(member.fits):
        encoder = Path("encoders") / _digest(fit.encoder)
        model = Path("models") / member.trial / f"fold-{number}"
        if not (folder / encoder).exists():
            _copy(fit.encoder, folder / encoder)
        _copy(fit.model, folder / model)
        fits.append({"encoder": encoder.as_posix(), "model": model.as_posix()})
    return {
        "trial": member.trial,
        "learner": member.learner,
        "params": dict(member.params),
        "weight": member.weight,
        "fits": fits,
    }


def _digest(folder: Path) -> str:
    """Name a folder by its content: twelve hexadecimal digits."""
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*")):
        if file.is_file() and file.name != MANIFEST:
            digest.update(file.relative_to(folder).as_posix().encode() + b"\0")
            digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:12]


def _copy(source: Path, target: Path) -> None:
    """Copy a folder of files, by hard link where the file system can."""
    if not source.is_dir():
        raise ArtifactError(
            f"there is no folder {str(source)!r}",
            expected="an encoder or model that a trial wrote",
            fix="run the trial again",
        )
    # Without their own manifests: the bundle's shall hold the hash of every single file.
    ignore = shutil.ignore_patterns(MANIFEST)
    shutil.copytree(source, target, copy_function=_link_or_copy, ignore=ignore)


def _link_or_copy(source: str, target: str) -> None:
    """Make a hard link; copy where the two lie on different file systems."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _description(spec: BundleSpec, members: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the content of bundle.json."""
    schema = spec.schema
    return {
        "name": spec.name,
        "task": schema.task,
        "target": schema.target,
        "classes": list(schema.classes),
        "metric": spec.metric,
        "score": spec.score,
        "signature": [asdict(column) for column in schema.features],
        "columns": [column.name for column in schema.columns],
        "features": dict(spec.features),
        "members": members,
        "pooling": spec.pooling.to_dict(),
        "thresholds": list(spec.thresholds),
        "fingerprint": spec.fingerprint,
        "metadata": dict(spec.metadata),
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {
            "regatta": __version__,
            "python": platform.python_version(),
            **_versions(metadata.version),
        },
    }


def _versions(version: Callable[[str], str]) -> dict[str, str]:
    """Return the versions of the packages that are there."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except metadata.PackageNotFoundError:
            continue
    return found
