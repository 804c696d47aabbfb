r"""Thresholds of classes, for metrics that read the label only.

The label of a row is the class with the greatest :math:`p_c / t_c`. Where a metric cares for rare
classes, the most probable one is seldom the best answer. Of two classes the threshold :math:`t` of
the second is searched, :math:`(1 - t, t)`; of more, how far thresholds follow the shares of the
classes, :math:`t_c = s_c^a`: with :math:`a = 1` each counts the same, as in balanced accuracy.

References
----------
.. [1] O. Koyejo et al., Consistent binary classification with generalized performance metrics,
   NIPS 2014: for F1 and its like the best rule is a threshold on the probability.
"""

import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from regatta.ensemble.stacking import is_sure
from regatta.evaluation.scoring import decided

__all__ = ["thresholds_if_better"]

Array = npt.NDArray[np.float64]
Loss = Callable[[npt.NDArray[np.intp], Array], float]

QUANTILES = np.linspace(0.01, 0.99, 50)
FARTHEST = 0.01
EXPONENTS = (0.25, 0.5, 0.75, 1.0)


def thresholds_if_better(
    predicted: Array,
    y: Array,
    folds: npt.NDArray[np.integer],
    loss: Loss,
    *,
    seconds: float = np.inf,
    weights: Array | None = None,
) -> tuple[float, ...]:
    """Choose thresholds; return none unless they are better on folds that did not choose them.

    Parameters
    ----------
    predicted : ndarray of shape (n_rows, n_classes), float64
        Out-of-fold probabilities.
    y : ndarray of shape (n_rows,), float64
        Class codes.
    folds : ndarray of shape (n_rows,), int
        Which rows are judged together by thresholds that were chosen on the others.
    loss : callable
        ``loss(rows, weighted probabilities of these rows) -> float``, less is better.
    seconds : float, default inf
        Time after which there are none.
    weights : ndarray of shape (n_rows,), float64, or None
        What each row counts; None: all the same. `loss` knows them, too.

    Returns
    -------
    tuple of float
        One a class, as a bundle has them; empty for none, as where there is one fold only.
    """
    deadline = time.perf_counter() + seconds
    every = np.arange(len(y))
    parts = [
        (np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)) for fold in np.unique(folds)
    ]
    if len(parts) < 2:
        return ()
    choices = [(), *_choices(predicted, y, weights)]
    inside = np.empty((len(choices), len(parts)))
    outside, on_all = np.empty_like(inside), np.empty(len(choices))
    for number, thresholds in enumerate(choices):
        if time.perf_counter() > deadline:
            return ()
        weighed = decided(predicted, thresholds)
        on_all[number] = loss(every, weighed)
        for place, (rows, others) in enumerate(parts):
            inside[number, place] = loss(rows, weighed[rows])
            outside[number, place] = loss(others, weighed[others])
    chosen = np.argmin(outside, axis=0)
    gains = inside[0] - inside[chosen, np.arange(len(parts))]
    return choices[int(np.argmin(on_all))] if is_sure(gains) else ()


def _choices(predicted: Array, y: Array, weights: Array | None) -> list[tuple[float, ...]]:
    """Return the thresholds that are tried."""
    if predicted.shape[1] == 2:
        levels = np.unique(np.quantile(predicted[:, 1], QUANTILES))
        levels = levels[(levels > FARTHEST) & (levels < 1 - FARTHEST)]
        return [(1 - float(level), float(level)) for level in levels]
    counts = np.bincount(y.astype(np.intp), weights, minlength=predicted.shape[1])
    # A class that is not there counts as a row of it would.
    share = np.where(counts > 0, counts / counts.sum(), 1 / len(y))
    return [tuple((share**exponent).tolist()) for exponent in EXPONENTS]
