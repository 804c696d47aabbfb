"""Every metric, for one table of rows or for many resamples of it at once.

A bootstrap resample is a row of weights: how often each row was drawn. Written with weights, a
thousand resamples are a few passes over one array; scikit-learn would be called a thousand times
(20 s instead of 0.5 s on 2,000 rows). The score itself has weights of one, or those that the table
gives its rows; a resample then has their product. Tests hold these equal
to scikit-learn's metrics, and weights to rows that are repeated.

Each function takes ``y``, of shape (n_rows,), and ``p``, of shape (n_rows, n_outputs), as
`Metric.score` does, does once what no weight changes (sorting, above all), and returns a function
of ``W``, an ndarray of shape (n_resamples, n_rows), float64, that gives one score a resample.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

__all__ = ["WEIGHTED"]

Array = npt.NDArray[np.float64]
Scores = Callable[[Array], Array]
CLIP = float(np.finfo(np.float64).eps)  # scikit-learn's own


def _mean(losses: Array) -> Scores:
    """Mean of a value of each row."""
    return lambda W: np.asarray(W @ losses / W.sum(axis=1))


def _ratio(top: Array, bottom: Array, otherwise: float = 0.0) -> Array:
    """Divide where there is something to divide by."""
    return np.divide(top, bottom, out=np.full_like(top, otherwise), where=bottom > 0)


def _log_loss(y: Array, p: Array) -> Scores:
    chosen = p[np.arange(len(y)), y.astype(np.intp)]
    return _mean(-np.log(np.clip(chosen, CLIP, 1.0)))


def _brier(y: Array, p: Array) -> Scores:
    truth = np.eye(p.shape[1])[y.astype(np.intp)]
    return _mean(np.sum((p - truth) ** 2, axis=1) / 2)


def _accuracy(y: Array, p: Array) -> Scores:
    return _mean((p.argmax(axis=1) == y).astype(np.float64))


def _confusion(y: Array, p: Array) -> Scores:
    """Count (n_resamples, true class, predicted class)."""
    k = p.shape[1]
    cells = y.astype(np.intp) * k + p.argmax(axis=1)
    return lambda W: np.stack([np.bincount(cells, row, k * k).reshape(k, k) for row in W])


def _balanced_accuracy(y: Array, p: Array) -> Scores:
    count = _confusion(y, p)

    def scores(W: Array) -> Array:
        matrix = count(W)
        support = matrix.sum(axis=2)
        recall = _ratio(np.einsum("bkk->bk", matrix), support)
        return np.asarray(recall.sum(axis=1) / (support > 0).sum(axis=1))

    return scores


def _f1_by_class(matrix: Array) -> tuple[Array, npt.NDArray[np.bool_]]:
    """Return F1 of each class, and which classes occur at all, true or predicted."""
    occurrences = matrix.sum(axis=2) + matrix.sum(axis=1)
    return _ratio(2 * np.einsum("bkk->bk", matrix), occurrences), occurrences > 0


def _f1(y: Array, p: Array) -> Scores:
    count = _confusion(y, p)
    return lambda W: _f1_by_class(count(W))[0][:, 1]


def _f1_macro(y: Array, p: Array) -> Scores:
    count = _confusion(y, p)

    def scores(W: Array) -> Array:
        by_class, there = _f1_by_class(count(W))
        return np.asarray(by_class.sum(axis=1) / there.sum(axis=1))

    return scores


def _cumulated(
    truth: npt.NDArray[np.bool_], score: Array
) -> Callable[[Array], tuple[Array, Array]]:
    """Sum the weights of true and of false rows above each distinct score, highest first."""
    # Those with the same score are summed up before anything is read: their order is the same.
    order = np.argsort(-score).astype(np.int32)
    ranked = score[order]
    ends = np.r_[np.flatnonzero(np.diff(ranked)), len(ranked) - 1]
    hit = truth[order]

    def sums(W: Array) -> tuple[Array, Array]:
        weights = W[:, order]
        hits = np.cumsum(weights * hit, axis=1)[:, ends]
        return hits, np.cumsum(weights, axis=1)[:, ends] - hits

    return sums


def _auc(hits: Array, misses: Array) -> Array:
    """Area under the ROC curve by trapezoids, which count ties as a half."""
    steps = np.diff(misses, axis=1, prepend=0.0)
    heights = hits - np.diff(hits, axis=1, prepend=0.0) / 2
    return _ratio(np.sum(steps * heights, axis=1), hits[:, -1] * misses[:, -1], np.nan)


def _ap(hits: Array, misses: Array) -> Array:
    """Average precision: precision at each distinct score, weighted by the recall gained."""
    precision = _ratio(hits, hits + misses)
    gained = np.diff(hits, axis=1, prepend=0.0)
    return _ratio(np.sum(precision * gained, axis=1), hits[:, -1], np.nan)


def _ranking(one: Callable[[Array, Array], Array]) -> Callable[[Array, Array], Scores]:
    """Make a metric of two classes one of many: the mean over the classes that are there."""

    def prepare(y: Array, p: Array) -> Scores:
        present = np.unique(y).astype(np.intp)
        if len(present) < 2:
            return lambda W: np.full(len(W), np.nan)
        codes = [1] if p.shape[1] == 2 else present
        sums = [_cumulated(y == code, p[:, code]) for code in codes]
        return lambda W: np.asarray(np.mean([one(*part(W)) for part in sums], axis=0))

    return prepare


def _rmse(y: Array, p: Array) -> Scores:
    mean = _mean((y - p[:, 0]) ** 2)
    return lambda W: np.sqrt(mean(W))


def _mae(y: Array, p: Array) -> Scores:
    return _mean(np.abs(y - p[:, 0]))


def _r2(y: Array, p: Array) -> Scores:
    centred = y - y.mean()  # keeps the digits that a large mean would take
    first, second, missed = _mean(centred), _mean(centred**2), _mean((y - p[:, 0]) ** 2)
    return lambda W: 1.0 - _ratio(missed(W), second(W) - first(W) ** 2, np.nan)


def _rmsle(y: Array, p: Array) -> Scores:
    if y.min() <= -1:
        return lambda W: np.full(len(W), np.nan)
    mean = _mean((np.log1p(y) - np.log1p(np.clip(p[:, 0], 0, None))) ** 2)
    return lambda W: np.sqrt(mean(W))


WEIGHTED: dict[str, Callable[[Array, Array], Scores]] = {
    "roc_auc": _ranking(_auc),
    "log_loss": _log_loss,
    "accuracy": _accuracy,
    "balanced_accuracy": _balanced_accuracy,
    "f1": _f1,
    "f1_macro": _f1_macro,
    "average_precision": _ranking(_ap),
    "brier": _brier,
    "rmse": _rmse,
    "mae": _mae,
    "r2": _r2,
    "rmsle": _rmsle,
}
"""``WEIGHTED[key](y, p)(W)`` is the metric of each resample, shape (n_resamples,)."""
