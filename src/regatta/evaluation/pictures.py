"""The numbers behind the pictures of a report, chosen by task."""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from regatta.dataset.schema import Schema
from regatta.evaluation import curves
from regatta.evaluation.importance import Importance

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["draw"]

Array = npt.NDArray[np.float64]

CURVES = 5
PROFILES = 4


def draw(
    schema: Schema,
    frame: "pd.DataFrame",
    y: Array,
    predicted: Array,
    decisions: Array,
    importance: Importance,
    seed: int,
) -> dict[str, Any]:
    """Compute what the report draws.

    Parameters
    ----------
    schema : Schema
        Task and classes.
    frame : DataFrame of shape (n_rows, n_columns)
        Locked rows.
    y : ndarray of shape (n_rows,), float64
        Class codes or values.
    predicted : ndarray of shape (n_rows, n_outputs), float64
        Probabilities or values.
    decisions : ndarray of shape (n_rows, n_outputs), float64
        The same, weighed so that the highest is the label that the bundle gives.
    importance : Importance
        The columns to look along come from here.
    seed : int
        Seed of what is drawn for scatter plots.

    Returns
    -------
    dict
        ``profiles`` (list of ``column``, ``of`` and the result of `curves.profile`). For a
        regression also ``residuals``. For a classification ``roc`` and ``pr`` (lists of
        ``label``, ``curve``), ``calibration``, ``confusion``, and for two classes ``gains``.
    """
    if not schema.classes:
        return {
            "residuals": curves.residuals(y, predicted[:, 0], seed=seed),
            "profiles": _profiles(frame, importance, y, predicted[:, 0], ""),
        }
    codes = y.astype(np.intp)
    labels = decisions.argmax(axis=1)
    shown = [1] if schema.n_outputs == 2 else _frequent(codes, schema.n_outputs)
    looked_at = shown[0]
    truth, scores = codes == looked_at, predicted[:, looked_at]
    found: dict[str, Any] = {
        "roc": _each(curves.roc, schema, shown, codes, predicted),
        "pr": _each(curves.precision_recall, schema, shown, codes, predicted),
        "confusion": curves.confusion(codes, labels, schema.classes),
        "profiles": _profiles(
            frame, importance, truth.astype(np.float64), scores, schema.classes[looked_at]
        ),
    }
    if schema.n_outputs == 2:
        found["calibration"] = curves.calibration(truth, scores)
        found["gains"] = curves.gains(truth, scores)
    else:
        found["calibration"] = curves.calibration(codes == labels, _chosen(predicted, labels))
    return found


def _frequent(codes: npt.NDArray[np.intp], n_classes: int) -> list[int]:
    """Return the most frequent classes, most frequent first."""
    counts = np.bincount(codes, minlength=n_classes)
    return [int(code) for code in np.argsort(-counts, kind="stable")[:CURVES]]


def _each(
    curve: Any, schema: Schema, shown: list[int], codes: npt.NDArray[np.intp], predicted: Array
) -> list[dict[str, Any]]:
    """Draw one curve a class, each against the rest."""
    drawn = [
        {"label": schema.classes[code], "curve": curve(codes == code, predicted[:, code])}
        for code in shown
    ]
    return [one for one in drawn if one["curve"]] or [{"label": "", "curve": None}]


def _chosen(predicted: Array, labels: npt.NDArray[np.intp]) -> Array:
    """Return the probability of the label that was given."""
    return np.asarray(predicted[np.arange(len(labels)), labels])


def _profiles(
    frame: "pd.DataFrame", importance: Importance, actual: Array, predicted: Array, of: str
) -> list[dict[str, Any]]:
    """Average along the most important columns that have something to show."""
    found: list[dict[str, Any]] = []
    for name, loss, _ in importance.columns:
        if loss <= 0 or len(found) == PROFILES:
            break
        profile = curves.profile(frame[name], actual, predicted)
        if profile:
            found.append({"column": name, "of": of, **profile})
    return found
