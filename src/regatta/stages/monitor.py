"""``monitor``: compare rows that were served with those of training, and say whether to retrain."""

import math
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from regatta.artifacts import write_json, writing
from regatta.dataset.source import named
from regatta.errors import SettingsError, nearest
from regatta.monitoring import (
    Counted,
    Drift,
    Reference,
    codes_of_groups,
    compare,
    decide,
    measure,
    predictions_of,
)
from regatta.registry import Found, find, registry_root
from regatta.settings import RunSettings
from regatta.stages.ingest import fetched
from regatta.stages.task import stage

if TYPE_CHECKING:
    import pandas as pd

    from regatta.bundle import Bundle

__all__ = ["run"]


def run(model: str, settings: str, drift: str, report: str, metrics: str) -> dict[str, Any]:
    """Compare rows with the reference of a version.

    Parameters
    ----------
    model : str
        ``name`` (its champion), ``name@3`` or ``name@champion`` in the registry, or the folder of a
        bundle or a run.
    settings : str
        `RunSettings` as JSON; ``data.source`` is the table of served rows, a path or
        ``s3://bucket/key``; ``deploy.registry`` the registry; ``monitor`` the thresholds.
    drift : str
        Folder of the artifact to write: drift.json.
    report, metrics : str
        Files to write: the report as HTML, the numbers as JSON.

    Returns
    -------
    dict
        ``verdict``: ``steady``, ``drifted`` or ``retrain``; ``metrics``: scalars by name.

    Raises
    ------
    ArtifactError
        There is no such model or version, or it was registered before versions had a reference.
    UsageError
        The table is none, lacks a column, or has a value that does not fit its column.
    StoreError
        The object store refuses or does not answer.
    """
    from regatta import bundle as bundles
    from regatta.monitoring.page import render

    with stage("monitor") as numbers:
        began = time.perf_counter()
        chosen = RunSettings.from_json(settings)
        source = named(chosen.data)
        found = find(model, registry_root(chosen.deploy.registry))
        # Before the bundle is loaded: an old version is refused at once.
        reference = Reference.open(found.bundle)
        loaded = bundles.load(found.bundle)
        _check_ignored(chosen.monitor.ignore, reference)
        with tempfile.TemporaryDirectory(prefix="regatta-monitor-") as spill:
            frame, n_rows = _read(fetched(source, Path(spill)), loaded, reference, chosen)
        values = {
            **_about(found, loaded, source, n_rows, len(frame)),
            **_compared(loaded, reference, frame, chosen),
            "settings": chosen.monitor.model_dump(mode="json"),
        }
        values["seconds"] = round(time.perf_counter() - began, 3)
        scalars = _scalars(values)
        with writing(drift, "drift", name=values["name"], version=found.version) as folder:
            write_json(folder / "drift.json", values)
        for path in (report, metrics):
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        write_json(Path(metrics), scalars)
        Path(report).write_text(render(values), encoding="utf-8", errors="replace")
        decision = values["verdict"]["decision"]
        numbers.update(verdict=decision, rows=len(frame), drifted=int(scalars["drifted_columns"]))
    return {"verdict": decision, "metrics": scalars, "values": values}


def _check_ignored(names: Sequence[str], reference: Reference) -> None:
    """Refuse to leave out a column that is not there."""
    known = [column.bins.name for column in reference.columns]
    for name in names:
        if name not in known:
            raise SettingsError(
                f"monitor.ignore names {name!r}{nearest(name, known)}",
                expected="columns that the model reads",
                fix="correct the name or leave it out",
            )


def _read(
    path: Path, model: "Bundle", reference: Reference, settings: RunSettings
) -> "tuple[pd.DataFrame, int]":
    """Read the table, typed, with what judges the predictions where it is there; and its length.

    Of many rows a random part is returned.
    """
    from regatta.dataset import conform, read_frame

    read = {column.name for column in model.signature}
    truth = [column for column in reference.truth.columns if column.name not in read]
    raw = read_frame(path, model.signature, settings.data, optional=truth)
    n_rows, most = len(raw), settings.monitor.max_rows
    if n_rows > most:
        rng = np.random.default_rng(np.random.SeedSequence([settings.seed, 29]))
        raw = raw.iloc[np.sort(rng.permutation(n_rows)[:most])].reset_index(drop=True)
    there = [column for column in truth if column.name in raw]
    return conform(raw, [*model.signature, *there]), n_rows


def _about(
    found: Found, model: "Bundle", source: str, n_rows: int, compared: int
) -> dict[str, Any]:
    """Say what was compared with what."""
    return {
        "name": found.name or model.name,
        "version": found.version,
        "task": model.task,
        "target": model.target,
        "classes": list(model.classes),
        "source": source.rpartition("/")[2],
        "n_rows": n_rows,
        "compared": compared,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _compared(
    model: "Bundle", reference: Reference, frame: "pd.DataFrame", settings: RunSettings
) -> dict[str, Any]:
    """Compare columns, predictions and score, and decide."""
    chosen, shares = settings.monitor, reference.shares()
    signature = {column.name: column for column in model.signature}
    known = [one for one in reference.columns if one.bins.name not in chosen.ignore]
    tests = _count_tests(known, reference, frame)
    level = chosen.false_alarms / tests
    codes = codes_of_groups(reference.truth, frame)
    groups = 0 if codes is None else len(np.unique(codes))
    columns = [
        compare(
            one,
            frame[one.bins.name],
            signature[one.bins.name],
            chosen,
            level=level,
            importance=shares.get(one.bins.name),
            groups=groups,
        )
        for one in known
    ]
    predicted = model.predict_array(frame)
    said = predictions_of(predicted, model.labels(predicted), model.classes)
    predictions = compare(reference.predictions, said, None, chosen, level=level, groups=groups)
    score = measure(
        reference.truth,
        frame,
        predicted,
        reference.metric,
        settings,
        model.thresholds,
        level=level,
    )
    verdict = decide(columns, predictions, score, chosen)
    return {
        "n_reference": int(reference.columns[0].counts.sum()),
        "group": reference.truth.group,
        "n_groups": groups,
        "tests": tests,
        "columns": [column.to_dict() for column in sorted(columns, key=_rank)],
        "predictions": predictions.to_dict(),
        "score": score.to_dict(),
        "verdict": verdict.to_dict(),
    }


def _count_tests(columns: Sequence[Counted], reference: Reference, frame: "pd.DataFrame") -> int:
    """Count what can raise an alarm: each index, new categories, the score where it is known."""
    target = reference.truth.target
    scored = target in frame and bool(frame[target].notna().any())
    return sum(2 if one.bins.kind == "categorical" else 1 for one in columns) + 1 + scored


def _rank(column: Drift) -> tuple[bool, float, float]:
    """Sort the drifted columns first, then by what they are worth, then by how far they moved."""
    return not column.drifted, -(column.importance or 0.0), -column.psi


def _scalars(values: dict[str, Any]) -> dict[str, float]:
    """Choose what the KFP dashboard shows: finite scalars."""
    score, columns = values["score"], values["columns"]
    now = score["now"] or {}
    key = score["then"]["key"]
    drifted = [column for column in columns if column["drifted"]]
    scalars = {
        "rows": values["n_rows"],
        "drifted_columns": len(drifted),
        "drifted_importance": sum(column["importance"] or 0.0 for column in drifted),
        "highest_psi": max((column["psi"] for column in columns), default=0.0),
        "predictions_psi": values["predictions"]["psi"],
        key: now.get("score"),
        f"{key}_low": now.get("low"),
        f"{key}_high": now.get("high"),
        f"{key}_at_release": score["then"]["score"],
    }
    return {name: v for name, v in scalars.items() if v is not None and math.isfinite(v)}
