r"""Greedy selection with replacement on out-of-fold predictions.

With predictions :math:`p_j` of candidate :math:`j` and a multiset :math:`S` of those chosen so
far, each step adds the candidate that makes

.. math:: L\Big(y, \tfrac{1}{|S| + 1} \big(\textstyle\sum_{s \in S} p_s + p_j\big)\Big)

least. The weight of a candidate is its share of the multiset at the step with the least loss.

References
----------
R. Caruana et al., Ensemble selection from libraries of models, ICML 2004. We differ in that the
selection begins with the single best candidate and not with a sorted few, that the number of
distinct members and what they cost together are bounded, and that a time limit may end it.
"""

import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

__all__ = ["greedy_weights"]

Array = npt.NDArray[np.float64]
Loss = Callable[[npt.NDArray[np.floating]], float]

# Steps without a lower loss after which the selection ends.
PATIENCE = 10
# A lower loss than the best so far, by more than rounding.
GAIN = 1e-9


def greedy_weights(
    predictions: npt.NDArray[np.floating],
    loss: Loss,
    *,
    iterations: int,
    max_members: int,
    seconds: float = np.inf,
    shares: Array | None = None,
) -> Array:
    """Select candidates and their weights.

    Parameters
    ----------
    predictions : ndarray of shape (n_candidates, n_rows, n_outputs), float
        Out-of-fold predictions of each candidate.
    loss : callable
        ``loss(blend of shape (n_rows, n_outputs)) -> float``, less is better. NaN is the worst.
    iterations : int
        Most steps.
    max_members : int
        Most distinct candidates.
    seconds : float, default inf
        Time after which the best selection so far is returned.
    shares : ndarray of shape (n_candidates, n_limits), float64, optional
        Which share of each limit a candidate uses up; those of all members add up to 1 at most. At
        least one candidate fits by itself.

    Returns
    -------
    ndarray of shape (n_candidates,), float64
        Weights that add up to 1. Ties go to the earlier candidate.

    Notes
    -----
    Takes O(iterations x n_candidates) evaluations of the loss on n_rows rows. Deterministic unless
    the time limit strikes.
    """
    deadline = time.perf_counter() + seconds
    n_candidates = len(predictions)
    fits = np.ones(n_candidates, bool) if shares is None else (shares <= 1).all(axis=1)
    alone = _losses(predictions, None, loss, np.flatnonzero(fits).tolist(), np.inf)
    first = int(np.argmin(alone))
    counts = np.zeros(n_candidates)
    counts[first] = 1
    best_counts, best, since = counts.copy(), alone[first], 0
    total = predictions[first].astype(np.float64)
    for _ in range(1, iterations):
        columns = _allowed(counts, max_members, shares)
        tried = _losses(predictions, (total, counts.sum()), loss, columns, deadline)
        step = int(np.argmin(tried))
        if not np.isfinite(tried[step]):
            break
        counts[step] += 1
        total += predictions[step]
        since += 1
        if tried[step] < best - GAIN * max(abs(best), 1e-12):
            best_counts, best, since = counts.copy(), tried[step], 0
        if since >= PATIENCE or time.perf_counter() > deadline:
            break
    return np.asarray(best_counts / best_counts.sum())


def _allowed(counts: Array, max_members: int, shares: Array | None) -> list[int]:
    """Return the candidates that may be chosen next: members, and others that there is room for."""
    members = counts > 0
    if np.count_nonzero(members) >= max_members:
        return np.flatnonzero(members).tolist()
    if shares is None:
        return list(range(len(counts)))
    room = 1 - shares[members].sum(axis=0)
    return np.flatnonzero(members | (shares <= room + 1e-12).all(axis=1)).tolist()


def _losses(
    predictions: npt.NDArray[np.floating],
    chosen: tuple[Array, float] | None,
    loss: Loss,
    columns: list[int],
    deadline: float,
) -> Array:
    """Return the loss with each candidate added; infinite for those not looked at."""
    losses = np.full(len(predictions), np.inf)
    for column in columns:
        if time.perf_counter() > deadline:
            # A step that has not seen every candidate would favour the early ones.
            return np.full(len(predictions), np.inf)
        blend = predictions[column]
        if chosen is not None:
            total, count = chosen
            blend = (total + blend) / (count + 1)
        value = loss(blend)
        losses[column] = value if np.isfinite(value) else np.inf
    return losses
