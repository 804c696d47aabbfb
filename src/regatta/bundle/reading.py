"""Reading a bundle: hashes first, then what bundle.json says, then encoders and models."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from regatta.artifacts import Artifact, open_artifact, read_json
from regatta.bundle.bundle import Bundle, Part
from regatta.bundle.pooling import LINEAR, Pooling
from regatta.dataset.schema import Column
from regatta.errors import ArtifactError
from regatta.learners.base import Model

__all__ = ["load", "pooling_of"]

# Keys of bundle.json that are fields of `Bundle`; the others are its metadata.
FIELDS = ("name", "task", "target", "classes", "signature", "thresholds", "features", "pooling")


def load(path: str | Path, *, verify: bool = True) -> Bundle:
    """Load a bundle.

    Parameters
    ----------
    path : str or Path
        Its folder.
    verify : bool, default True
        Whether to compare every file with its SHA-256 first. Only a process that has just
        verified the same folder leaves it out.

    Returns
    -------
    Bundle
        Ready to predict.

    Raises
    ------
    ArtifactError
        The folder is missing, changed, foreign or damaged.
    """
    artifact = open_artifact(path, "bundle", verify=verify)
    values = _values(artifact)
    try:
        return Bundle(
            name=str(values["name"]),
            task=values["task"],
            target=str(values["target"]),
            classes=tuple(str(label) for label in values["classes"]),
            signature=tuple(_column(column) for column in values["signature"]),
            thresholds=tuple(float(threshold) for threshold in values["thresholds"]),
            metadata={key: value for key, value in values.items() if key not in FIELDS},
            features=_features(values["features"]),
            pooling=pooling_of(values),
            parts=_parts(artifact.path, values["members"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as err:
        raise _damaged(artifact.path, f"{type(err).__name__}: {err}") from err


def _values(artifact: Artifact) -> dict[str, Any]:
    """Read bundle.json."""
    try:
        values = read_json(artifact.file("bundle.json"))
    except ValueError as err:
        raise _damaged(artifact.path, "it is not JSON") from err
    if not isinstance(values, dict) or values.get("task") not in (
        "binary",
        "multiclass",
        "regression",
    ):
        raise _damaged(artifact.path, "it names no task")
    return values


def pooling_of(values: Mapping[str, Any]) -> Pooling:
    """Return how the predictions of a bundle are pooled; those of format 1 are averaged.

    Parameters
    ----------
    values : mapping
        What bundle.json holds.

    Raises
    ------
    ValueError, TypeError, KeyError
        It says what cannot be.
    """
    pooling = Pooling.from_dict(values["pooling"]) if "pooling" in values else LINEAR
    if pooling.bias and len(pooling.bias) != len(values["classes"]):
        raise ValueError(f"{len(pooling.bias)} biases for {len(values['classes'])} classes")
    if pooling.kind == "log" and not values["classes"]:
        raise ValueError("values of a regression have no logarithmic pool")
    return pooling


def _column(values: Mapping[str, Any]) -> Column:
    return Column(**values)


def _features(values: Mapping[str, Any]) -> Any:
    from regatta.features.rows import RowFeatures

    return RowFeatures.from_dict(values)


def _parts(folder: Path, members: list[Mapping[str, Any]]) -> tuple[Part, ...]:
    """Load every model, and every encoder once, in a fixed order."""
    from regatta.features import encoders
    from regatta.learners import LEARNERS, load_model

    total = math.fsum(float(member["weight"]) for member in members)
    if not members or not math.isclose(total, 1, abs_tol=1e-6):
        raise _damaged(folder, f"{len(members)} members have weights of {total:g}")
    models: dict[str, list[tuple[float, Model]]] = {}
    for member in members:
        if member["learner"] not in LEARNERS:
            why = f"it needs learner {member['learner']!r}, which this Regatta does not have"
            raise _damaged(folder, why)
        share = float(member["weight"]) / len(member["fits"]) if member["fits"] else 0.0
        for fit in member["fits"]:
            model = load_model(member["learner"], _inside(folder, fit["model"]))
            models.setdefault(fit["encoder"], []).append((share, model))
    return tuple(
        Part(encoders.load(_inside(folder, name)), tuple(found)) for name, found in models.items()
    )


def _inside(folder: Path, name: str) -> Path:
    """Return a folder of the bundle; refuse a path that leads out of it."""
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()) or not path.is_dir():
        raise _damaged(folder, f"it names {name!r}, which is no folder of the bundle")
    return path


def _damaged(folder: Path, why: str) -> ArtifactError:
    return ArtifactError(
        f"bundle.json of {str(folder)!r} cannot be used ({why})",
        expected="what `regatta.bundle.write` wrote",
        fix="make the bundle again or restore it from a backup",
    )
