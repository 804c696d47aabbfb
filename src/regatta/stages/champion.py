"""The model in service: which one it is, and whether the new one is better."""

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from regatta.artifacts import read_json
from regatta.dataset.schema import Schema
from regatta.errors import ArtifactError
from regatta.evaluation import champion as champions
from regatta.evaluation.champion import Verdict
from regatta.evaluation.intervals import Resamples
from regatta.evaluation.metrics import Metric
from regatta.registry import Registry, registry_root
from regatta.settings import RunSettings
from regatta.splits import Lock

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FEWEST_ROWS", "challenge", "champion_of"]

Array = npt.NDArray[np.float64]

FEWEST_ROWS = 20
"""Fewer rows that neither model was trained on decide nothing."""


def champion_of(name: str, registry: str) -> str:
    """Return the folder of the bundle that a new model has to beat.

    Parameters
    ----------
    name : str
        Name of the model.
    registry : str
        Folder or URI of the registry; empty for the default.

    Returns
    -------
    str
        Path of the champion's bundle, downloaded if it lies in an object store; empty where there
        is no champion yet.
    """
    known = Registry(registry_root(registry))
    number = known.aliases(name).get("champion")
    return str(known.version(name, number).bundle) if number else ""


def challenge(
    champion: str,
    schema: Schema,
    metric: Metric,
    frame: "pd.DataFrame",
    y_true: Array,
    predicted: Array,
    keys: npt.NDArray[np.uint64],
    lock: Lock,
    settings: RunSettings,
    *,
    thresholds: Sequence[float] = (),
    weights: Array | None = None,
    together: npt.NDArray[np.uint64] | None = None,
) -> Verdict:
    """Compare a new model with the champion, if there is one and it can be compared.

    Parameters
    ----------
    champion : str
        Folder of the bundle in service; empty for none.
    schema : Schema
        What the new model was trained on.
    metric : Metric
        What decides.
    frame : DataFrame of shape (n_rows, n_columns)
        Locked rows.
    y_true : ndarray of shape (n_rows,), float64
        Their class codes or values.
    predicted : ndarray of shape (n_rows, n_outputs), float64
        What the new model says of them.
    keys : ndarray of shape (n_rows,), uint64
        Their keys.
    lock : Lock
        Which rows were locked.
    settings : RunSettings
        Of the run.
    thresholds : sequence of float, default ()
        Of the new model.
    weights : ndarray of shape (n_rows,), float64, or None
        What the rows count; None: all the same.
    together : ndarray of shape (n_rows,), uint64, or None
        Keys of the rows' groups or times, where these were drawn; None: each row by itself.
    """
    from regatta import bundle as bundles

    if not champion:
        return champions.first()
    try:
        old = bundles.load(champion)
    except ArtifactError as err:
        return champions.unfair(f"it cannot be loaded: {err.found}")
    verdict = champions.incomparable(
        old,
        task=schema.task,
        target=schema.target,
        classes=schema.classes,
        columns=[column.name for column in schema.columns],
    )
    if verdict:
        return verdict
    before = _lock_of(Path(champion))
    if before is None:
        return champions.unfair("it is not known which rows it was trained on")
    if before.columns != lock.columns:
        return champions.unfair(
            "the table's columns changed since, so nobody can tell which of these rows it was "
            "trained on"
        )
    if before.seed != lock.seed:
        return champions.unfair(
            f"other rows were locked for it (seed {before.seed}, now {lock.seed}), so it may have "
            "been trained on these"
        )
    if (before.group, before.time) != (lock.group, lock.time):
        return champions.unfair(
            f"other rows were locked for it ({before.by}, now {lock.by}), so it may have been "
            "trained on these"
        )
    codes = y_true.astype(np.int64) if schema.classes else np.zeros(len(y_true), np.int64)
    drawn = keys if together is None else together
    fair = before.covers(drawn, codes, schema.classes or ("",))
    # A refitted champion knows these rows by now: what counts is what it said before.
    known = bundles.measured(champion)
    if known is not None:
        fair &= known.is_fair(keys, drawn)
    if fair.sum() < FEWEST_ROWS or (schema.classes and len(np.unique(codes[fair])) < 2):
        return champions.unfair(
            f"it was trained on all but {int(fair.sum())} of the locked rows, too few to decide"
        )
    truth, answers = y_true[fair], old.predict_array(frame[fair])
    if known is not None:
        answers = known.instead(keys[fair], answers)
    return champions.compare(
        metric,
        truth,
        predicted[fair],
        old,
        answers,
        classes=schema.classes,
        resamples=Resamples.plan(
            truth,
            schema.task,
            wanted=settings.evaluate.resamples,
            n_outputs=schema.n_outputs,
            seed=settings.seed,
            row_weights=None if weights is None else weights[fair],
            groups=drawn[fair] if lock.group else None,
        ),
        confidence=settings.evaluate.confidence,
        thresholds=thresholds,
    )


def _lock_of(champion: Path) -> Lock | None:
    """Return which rows were locked for a champion: what lies beside its bundle says so."""
    for file in (
        champion.parent / "evaluation" / "evaluation.json",
        champion.parent / "version.json",
    ):
        if file.is_file():
            found = read_json(file)
            values = found.get("locked") or found.get("metadata", {}).get("locked") or {}
            with contextlib.suppress(KeyError, TypeError, ValueError):
                return Lock.from_dict(values["lock"])
    return None
