"""What a score hides: curves, tables and errors, small enough for metadata and for a page."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "calibration",
    "confusion",
    "gains",
    "precision_recall",
    "profile",
    "residuals",
    "roc",
]

Array = npt.NDArray[np.float64]
Texts = Sequence[str]

POINTS = 100
CLASSES = 20


def _cumulated(truth: npt.NDArray[np.bool_], scores: Array) -> tuple[Array, Array, Array]:
    """Return distinct scores, highest first, with the true and false rows at or above each."""
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    ends = np.r_[np.flatnonzero(np.diff(ranked)), len(ranked) - 1]
    hits = np.cumsum(truth[order])[ends]
    return ranked[ends], hits.astype(np.float64), (ends + 1 - hits).astype(np.float64)


def _thinned(way: Array, points: int) -> npt.NDArray[np.intp]:
    """Choose points at even distances along a curve; the ends stay."""
    if len(way) <= points:
        return np.arange(len(way))
    wanted = np.linspace(way[0], way[-1], points)
    return np.unique(np.r_[0, np.searchsorted(way, wanted).clip(0, len(way) - 1), len(way) - 1])


def _floats(values: Array, digits: int = 6) -> list[float]:
    return [float(value) for value in np.round(values, digits)]


def roc(truth: npt.NDArray[np.bool_], scores: Array, points: int = POINTS) -> dict[str, Any] | None:
    """Compute a ROC curve of few, real points.

    Parameters
    ----------
    truth : ndarray of shape (n_rows,), bool
        Whether a row is of the class in question.
    scores : ndarray of shape (n_rows,), float64
        Its probability.
    points : int, default 100
        About as many points; the dashboard draws a spline through them, so fewer mislead.

    Returns
    -------
    dict or None
        ``fpr``, ``tpr`` and ``thresholds``, lists of finite floats, from (0, 0) to (1, 1). The
        first threshold, which scikit-learn puts at infinity, is 1. None with one class only.
    """
    if truth.all() or not truth.any():
        return None
    thresholds, hits, misses = _cumulated(truth, scores)
    tpr = np.r_[0.0, hits / hits[-1]]
    fpr = np.r_[0.0, misses / misses[-1]]
    keep = _thinned(tpr + fpr, points)
    levels = np.nan_to_num(np.r_[1.0, thresholds], nan=0.0, posinf=1.0, neginf=0.0)
    return {
        "fpr": _floats(fpr[keep]),
        "tpr": _floats(tpr[keep]),
        "thresholds": _floats(np.clip(levels[keep], 0.0, 1.0)),
    }


def precision_recall(
    truth: npt.NDArray[np.bool_], scores: Array, points: int = POINTS
) -> dict[str, Any] | None:
    """Compute a precision-recall curve of few, real points.

    Returns
    -------
    dict or None
        ``recall`` (rising), ``precision``, ``thresholds``, and ``prevalence``: the precision of
        guessing. None with one class only.
    """
    if truth.all() or not truth.any():
        return None
    thresholds, hits, misses = _cumulated(truth, scores)
    recall, precision = hits / hits[-1], hits / (hits + misses)
    keep = _thinned(recall, points)
    return {
        "recall": _floats(recall[keep]),
        "precision": _floats(precision[keep]),
        "thresholds": _floats(thresholds[keep]),
        "prevalence": round(float(truth.mean()), 6),
    }


def calibration(truth: npt.NDArray[np.bool_], scores: Array, bins: int = 10) -> dict[str, Any]:
    """Compare predicted probabilities with what happened.

    Parameters
    ----------
    truth : ndarray of shape (n_rows,), bool
        What happened.
    scores : ndarray of shape (n_rows,), float64
        Its predicted probability.
    bins : int, default 10
        Most bins. Each holds about the same number of rows, at least 20 where there are as many,
        so that no point is made of two rows.

    Returns
    -------
    dict
        ``predicted``, ``observed``, ``low``, ``high`` (Wilson 95 % interval of the observed
        share), ``count``, one entry a bin, and ``error``: the mean distance between the first
        two, weighted by rows (expected calibration error).
    """
    bins = max(1, min(bins, len(scores) // 20))
    edges = np.unique(np.quantile(scores, np.linspace(0, 1, bins + 1)[1:-1]))
    place = np.searchsorted(edges, scores, side="right")
    counts = np.bincount(place, minlength=len(edges) + 1).astype(np.float64)
    there = counts > 0
    n = counts[there]
    predicted = np.bincount(place, scores, len(counts))[there] / n
    observed = np.bincount(place, truth, len(counts))[there] / n
    z = 1.959964
    centre = (observed + z * z / (2 * n)) / (1 + z * z / n)
    reach = z / (1 + z * z / n) * np.sqrt(observed * (1 - observed) / n + z * z / (4 * n * n))
    return {
        "predicted": _floats(predicted),
        "observed": _floats(observed),
        "low": _floats(np.clip(centre - reach, 0, 1)),
        "high": _floats(np.clip(centre + reach, 0, 1)),
        "count": [int(count) for count in n],
        "error": round(float(np.sum(n * np.abs(predicted - observed)) / n.sum()), 6),
    }


def confusion(
    true: npt.NDArray[np.intp], predicted: npt.NDArray[np.intp], classes: Texts, most: int = CLASSES
) -> dict[str, Any]:
    """Count which class was taken for which.

    Parameters
    ----------
    true, predicted : ndarray of shape (n_rows,), intp
        Class codes.
    classes : sequence of str
        Labels by code.
    most : int, default 20
        Most classes shown; the rarest are folded into one last row and column.

    Returns
    -------
    dict
        ``labels`` and ``matrix`` (rows true, columns predicted), and ``folded``: how many classes
        the last label stands for, 0 if it is one itself.
    """
    k = len(classes)
    matrix = np.bincount(true * k + predicted, minlength=k * k).reshape(k, k)
    if k <= most:
        return {"labels": list(classes), "matrix": matrix.tolist(), "folded": 0}
    frequency = matrix.sum(axis=1) + matrix.sum(axis=0)
    shown = np.sort(np.argsort(-frequency, kind="stable")[: most - 1])
    place = np.full(k, most - 1)
    place[shown] = np.arange(most - 1)
    small = np.zeros((most, most), dtype=np.int64)
    np.add.at(small, (place[:, None], place[None, :]), matrix)
    folded = k - most + 1
    labels = [*(classes[code] for code in shown), f"{folded} other classes"]
    return {"labels": labels, "matrix": small.tolist(), "folded": folded}


def gains(
    truth: npt.NDArray[np.bool_],
    scores: Array,
    shares: Sequence[float] = (0.05, 0.1, 0.2, 0.3, 0.5),
) -> list[dict[str, float]]:
    """Say what is found among the rows with the highest probabilities.

    Parameters
    ----------
    truth : ndarray of shape (n_rows,), bool
        Whether a row is of the class that is looked for.
    scores : ndarray of shape (n_rows,), float64
        Its probability.
    shares : sequence of float
        Shares of the rows to look at.

    Returns
    -------
    list of dict
        ``share``, ``n_rows``, ``threshold`` (lowest probability in it), ``found`` (share of all
        true rows that are in it), ``precision``, ``lift`` (precision over prevalence).
    """
    if not truth.any():
        return []
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(truth[order])
    table = []
    for share in shares:
        n = max(1, round(share * len(scores)))
        precision = float(hits[n - 1] / n)
        table.append(
            {
                "share": share,
                "n_rows": n,
                "threshold": round(float(scores[order[n - 1]]), 6),
                "found": round(float(hits[n - 1] / hits[-1]), 6),
                "precision": round(precision, 6),
                "lift": round(precision / float(truth.mean()), 4),
            }
        )
    return table


def residuals(
    y_true: Array, predicted: Array, *, points: int = 400, seed: int = 0
) -> dict[str, Any]:
    """Summarise the errors of a regression.

    Parameters
    ----------
    y_true, predicted : ndarray of shape (n_rows,), float64
        Values, in the target's unit.
    points : int, default 400
        Rows drawn for the scatter plot.
    seed : int, default 0
        Seed of that draw.

    Returns
    -------
    dict
        ``actual`` and ``predicted`` of the drawn rows; ``edges`` and ``counts`` of a histogram of
        the errors (predicted minus actual; the outermost bins hold all beyond the 1st and 99th
        percentile); ``within``: half-widths that hold 50, 80 and 95 % of the rows; ``bias``: mean
        error; ``over``: share of rows predicted too high.
    """
    rng = np.random.default_rng(np.random.SeedSequence([seed, 17]))
    rows = np.sort(rng.permutation(len(y_true))[:points])
    error = predicted - y_true
    low, high = np.quantile(error, (0.01, 0.99))
    reach = max(abs(low), abs(high)) or 1.0
    counts, edges = np.histogram(np.clip(error, -reach, reach), bins=21, range=(-reach, reach))
    within = np.quantile(np.abs(error), (0.5, 0.8, 0.95))
    return {
        "actual": [float(value) for value in y_true[rows]],
        "predicted": [float(value) for value in predicted[rows]],
        "edges": [float(edge) for edge in edges],
        "counts": [int(count) for count in counts],
        "within": [float(value) for value in within],
        "bias": float(error.mean()),
        "over": round(float((error > 0).mean()), 6),
    }


def profile(values: Any, actual: Array, predicted: Array, bins: int = 8) -> dict[str, Any] | None:
    """Average the target and its prediction along one column.

    Parameters
    ----------
    values : Series of shape (n_rows,)
        The column as it is in the table.
    actual, predicted : ndarray of shape (n_rows,), float64
        What to average: whether the row is of the class, or the value.
    bins : int, default 8
        Most bins of a number, or most values of a category.

    Returns
    -------
    dict or None
        ``labels``, ``actual``, ``predicted``, ``count``, one entry a bin; ``ordered``: whether
        the labels are a range. None for a column with one value, or with a value of its own in
        nearly every row.
    """
    labels, place, ordered = _bins(values, bins)
    if len(labels) < 2:
        return None
    used = place >= 0
    place, actual, predicted = place[used], actual[used], predicted[used]
    count = np.bincount(place, minlength=len(labels))
    there = count > 0
    n = count[there]
    return {
        "labels": [label for label, kept in zip(labels, there, strict=True) if kept],
        "actual": _floats(np.bincount(place, actual, len(labels))[there] / n),
        "predicted": _floats(np.bincount(place, predicted, len(labels))[there] / n),
        "count": [int(value) for value in n],
        "ordered": ordered,
    }


def _bins(values: Any, bins: int) -> tuple[list[str], npt.NDArray[np.intp], bool]:
    """Return labels, the bin of each row (-1: in none), and whether the bins are a range."""
    import pandas as pd

    if pd.api.types.is_datetime64_any_dtype(values):
        seconds = values.to_numpy("datetime64[s]")
        numbers = np.where(np.isnat(seconds), np.nan, seconds.astype(np.int64))
        return _ranges(numbers, bins, lambda v: str(np.datetime64(int(v), "s").astype("M8[D]")))
    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
        return _ranges(values.to_numpy(np.float64, na_value=np.nan), bins, _short)
    texts = values.astype("string").fillna("(missing)")
    top = texts.value_counts().head(bins)
    if top.sum() < 0.5 * len(texts):  # free text or a key: its values say nothing by themselves
        return [], np.zeros(0, np.intp), False
    codes = {label: code for code, label in enumerate(top.index)}
    return list(codes), texts.map(codes).fillna(-1).to_numpy(np.intp), False


def _ranges(
    numbers: Array, bins: int, write: Callable[[float], str]
) -> tuple[list[str], npt.NDArray[np.intp], bool]:
    """Cut numbers into bins of about as many rows each."""
    known = np.isfinite(numbers)
    distinct = np.unique(numbers[known])
    if len(distinct) < 2:
        return [], np.zeros(0, np.intp), True
    single = len(distinct) <= bins
    levels = np.linspace(0, 1, bins + 1)[:-1]
    cuts = np.unique(np.quantile(numbers[known], levels, method="lower"))
    starts = distinct if single else cuts
    place = np.where(known, np.searchsorted(starts, np.nan_to_num(numbers), side="right") - 1, -1)
    labels = [write(float(start)) if single else f"from {write(float(start))}" for start in starts]
    return labels, place.astype(np.intp), True


def _short(value: float) -> str:
    """Write a number in few letters, without an exponent where it can be."""
    return f"{value:,.0f}" if 10_000 <= abs(value) < 1e12 else f"{value:.4g}"
