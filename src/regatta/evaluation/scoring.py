"""All metrics of one model on the same rows: score, interval, and what the baseline gets."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from regatta.errors import SplitError
from regatta.evaluation.intervals import Interval, Resamples, credible, interval
from regatta.evaluation.metrics import Metric

__all__ = ["decided", "difference", "row_of", "score_all"]

Array = npt.NDArray[np.float64]


def decided(predicted: Array, thresholds: Sequence[float]) -> Array:
    """Weigh probabilities so that the highest in each row is the label that the bundle gives.

    Parameters
    ----------
    predicted : ndarray of shape (n_rows, n_outputs), float64
        Probabilities, or values.
    thresholds : sequence of float
        One a class, as a bundle has them; empty for none.
    """
    return predicted / np.asarray(thresholds) if len(thresholds) else predicted


def score_all(
    metrics: Sequence[Metric],
    y_true: Array,
    predicted: Array,
    baseline: Array,
    *,
    resamples: Resamples,
    confidence: float,
    thresholds: Sequence[float] = (),
) -> list[dict[str, Any]]:
    """Score predictions by several metrics.

    Parameters
    ----------
    metrics : sequence of Metric
        What to compute, in this order.
    y_true : ndarray of shape (n_rows,), float64
        Class codes or values.
    predicted, baseline : ndarray of shape (n_rows, n_outputs), float64
        Predictions of the model, and the baseline's answer for each row.
    resamples : Resamples
        For the intervals; the rows have its weights, here and in the scores.
    confidence : float
        Their level.
    thresholds : sequence of float, default ()
        Of the bundle; metrics that read labels respect them.

    Returns
    -------
    list of dict
        ``key``, ``label``, ``greater_is_better``, ``score``, ``low``, ``high``, ``baseline``.
        Numbers are None where a metric is undefined; metrics undefined on all rows are left out.
    """
    label_view = decided(predicted, thresholds)
    by_label = [metric for metric in metrics if metric.by_label]
    by_value = [metric for metric in metrics if not metric.by_label]
    spread = resamples.scores(by_value, y_true, [predicted])[0]
    spread |= resamples.scores(by_label, y_true, [label_view])[0] if by_label else {}
    rows = []
    for metric in metrics:
        view = label_view if metric.by_label else predicted
        score = metric.score(y_true, view, resamples.row_weights)
        found = interval(score, spread[metric.key], confidence=confidence, method=resamples.method)
        if found.score is None:
            continue
        best = 1.0 if metric.greater_is_better else None
        found = credible(found, resamples, best=best, confidence=confidence)
        rows.append(
            {
                "key": metric.key,
                "label": metric.label,
                "greater_is_better": metric.greater_is_better,
                **found.to_dict(),
                "baseline": _finite(metric.score(y_true, baseline, resamples.row_weights)),
            }
        )
    return rows


def row_of(
    metric: Metric, rows: Sequence[dict[str, Any]], y_true: Array, classes: Sequence[str]
) -> dict[str, Any]:
    """Find the scores by one metric: no other can take its place.

    Parameters
    ----------
    metric : Metric
        Which one.
    rows : sequence of dict
        What `score_all` returned.
    y_true : ndarray of shape (n_rows,), float64
        Class codes or values of the locked rows.
    classes : sequence of str
        Class labels; none in a regression.

    Raises
    ------
    SplitError
        The metric is undefined on these rows.
    """
    for row in rows:
        if row["key"] == metric.key:
            return row
    found = np.unique(y_true)
    is_one = bool(classes) and len(found) == 1
    raise SplitError(
        f"{metric.key} is undefined on the {len(y_true):,} locked rows"
        + (f", which all are of class {classes[int(found[0])]!r}" if is_one else ""),
        expected="rows of at least two classes" if is_one else "rows on which it has a value",
        fix="lock more with a larger --set split.locked_share, add rows, or choose another"
        " --metric",
    )


def difference(
    metric: Metric,
    y_true: Array,
    first: Array,
    second: Array,
    *,
    resamples: Resamples,
    confidence: float,
) -> Interval:
    """Say how much better the first prediction is than the second, on the same resamples.

    Returns
    -------
    Interval
        In the metric's unit, positive where the first is better whatever the metric's direction.
    """
    scores = resamples.scores([metric], y_true, [first, second])
    gains = [
        np.asarray([metric.loss(float(score)) for score in part[metric.key]]) for part in scores
    ]
    losses = [
        metric.loss(metric.score(y_true, predicted, resamples.row_weights))
        for predicted in (first, second)
    ]
    gain = losses[1] - losses[0]
    found = interval(gain, gains[1] - gains[0], confidence=confidence, method=resamples.method)
    return credible(found, resamples, best=None, confidence=confidence)


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
