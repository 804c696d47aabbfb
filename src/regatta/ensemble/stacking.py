r"""Stacking: the weights of the members, the slope and the biases of their pool, learnt.

With the logarithm :math:`\ell_{jic}` of the probability that member :math:`j` gives class
:math:`c` of row :math:`i`, this is a logistic regression with one weight a member and one bias a
class,

.. math:: \min_{w \ge 0,\, b} \frac1n \sum_i -\log \mathrm{softmax}
          \Big(b + \textstyle\sum_j w_j \ell_{ji}\Big)_{y_i}
          + \frac{P}{2n} \big(|w - w^0|^2 + |b|^2\big),

drawn towards the weights :math:`w^0` of the greedy selection as if by :math:`P` rows.

The predictions of a row come from models that have learnt the targets of all other folds, and so
does what is learnt from them: it may find in them what no new row has (stack leakage), or learn the
noise of few rows. Therefore it is accepted only if it is better on each fold's rows when it was
learnt on those of the other folds.

References
----------
D. Wolpert, Stacked generalization, Neural Networks 5, 1992; L. Breiman, Stacked regressions,
Machine Learning 24, 1996, for the weights that are not negative.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from regatta.features.glm import softmax

__all__ = ["Stack", "is_sure", "stack_if_better"]

Array = npt.NDArray[np.float64]
Loss = Callable[[npt.NDArray[np.intp], Array], float]

PRIOR_ROWS = 50.0
LEAST_ROWS = 50
STEPS, STEPS_AGAIN = 60, 25
# A gain on the other folds by so many standard errors of its mean is no chance.
SURE = 1.0


@dataclass(frozen=True)
class Stack:
    """What was learnt.

    Attributes
    ----------
    weights : ndarray of shape (n_members,), float64
        None of them negative, at least one positive.
    bias : ndarray of shape (n_classes,), float64
        What is added to each class.
    """

    weights: Array
    bias: Array

    def predict(self, logs: npt.NDArray[np.floating]) -> Array:
        """Return probabilities of shape (n_rows, n_classes).

        Parameters
        ----------
        logs : ndarray of shape (n_members, n_rows, n_classes), float
            Logarithms of the members' probabilities.
        """
        return softmax(np.tensordot(self.weights, logs, 1) + self.bias)


def stack_if_better(
    logs: npt.NDArray[np.floating],
    y: Array,
    prior: Array,
    folds: npt.NDArray[np.integer],
    loss: Loss,
    *,
    n_repeats: int = 1,
    seconds: float = np.inf,
    weights: Array | None = None,
) -> Stack | None:
    """Learn a stack; return None unless it is better on folds that it has not seen.

    Parameters
    ----------
    logs : ndarray of shape (n_members, n_rows, n_classes), float
        Logarithms of the members' out-of-fold probabilities.
    y : ndarray of shape (n_rows,), float64
        Class codes.
    prior : ndarray of shape (n_members,), float64
        Weights of the greedy selection.
    folds : ndarray of shape (n_rows,), int
        Which rows are judged together by a stack that was learnt on the others.
    loss : callable
        ``loss(rows, probabilities of these rows) -> float``, less is better.
    n_repeats : int, default 1
        How often each row is among them; more predictions of a row say no more of its class.
    seconds : float, default inf
        Time after which there is none.
    weights : ndarray of shape (n_rows,), float64, or None
        What each row counts, of mean 1; None: all the same.

    Returns
    -------
    Stack or None
        Learnt on all rows; none from fewer than 50. It is better if the mean of its gain over the
        folds is more than one standard error, and there is one in most of them.
    """
    deadline = time.perf_counter() + seconds
    parts = np.unique(folds)
    if len(y) < LEAST_ROWS * n_repeats or len(parts) < 2:
        return None
    prior_rows = PRIOR_ROWS * n_repeats
    each = np.ones(len(y)) if weights is None else weights
    stack = _fit(logs, y, each, prior, prior_rows, STEPS)
    greedy = Stack(prior, np.zeros(logs.shape[2]))
    gains = []
    for fold in parts:
        if time.perf_counter() > deadline:
            return None
        others, rows = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        known = logs[:, others], y[others], each[others]
        learnt = _fit(*known, prior, prior_rows, STEPS_AGAIN)
        before, after = (loss(rows, one.predict(logs[:, rows])) for one in (greedy, learnt))
        gains.append(before - after)
    return stack if is_sure(np.array(gains)) else None


def is_sure(gains: Array) -> bool:
    """Return whether gains on folds that were not learnt from are no chance.

    Parameters
    ----------
    gains : ndarray of shape (n_folds,), float64
        By how much the loss of each fold is lower.

    Returns
    -------
    bool
        Whether their mean is more than one standard error, and there is a gain in most.

    Examples
    --------
    >>> is_sure(np.array([0.3, 0.2, 0.25])), is_sure(np.array([0.9, -0.3, -0.1]))
    (True, False)
    """
    if len(gains) < 2 or not np.isfinite(gains).all():
        return False
    error = gains.std(ddof=1) / len(gains) ** 0.5
    return bool(gains.mean() > SURE * error and np.mean(gains > 0) > 0.5)


def _fit(
    logs: npt.NDArray[np.floating],
    y: Array,
    each: Array,
    prior: Array,
    prior_rows: float,
    steps: int,
) -> Stack:
    """Learn weights and biases.

    Parameters
    ----------
    logs, y, prior
        As `stack_if_better`.
    each : ndarray of shape (n_rows,), float64
        What each row counts.
    prior_rows : float
        How many rows the prior counts as.
    steps : int
        Most iterations of L-BFGS-B.
    """
    from scipy.optimize import minimize

    n_members, n_rows, n_classes = logs.shape
    codes, every, total = y.astype(np.intp), np.arange(n_rows), float(each.sum())
    strength = prior_rows / total

    def objective(v: Array) -> tuple[float, Array]:
        weights, bias = v[:n_members], v[n_members:]
        slope = softmax(np.tensordot(weights, logs, 1) + bias)
        loss = -float(np.sum(each * np.log(np.maximum(slope[every, codes], 1e-300)))) / total
        slope[every, codes] -= 1
        slope *= each[:, None]
        slope /= total
        drawn = weights - prior
        gradient = np.concatenate(
            [
                [float(np.vdot(one, slope)) for one in logs] + strength * drawn,
                slope.sum(axis=0) + strength * bias,
            ]
        )
        return loss + strength / 2 * float(drawn @ drawn + bias @ bias), gradient

    bounds: list[Any] = [(0, None)] * n_members + [(None, None)] * n_classes
    start = np.concatenate([prior, np.zeros(n_classes)])
    found = minimize(
        objective, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": steps}
    )
    weights, bias = found.x[:n_members], found.x[n_members:]
    if not weights.sum() > 0:
        # A pool needs a member, and nothing is known against those of the prior.
        return Stack(prior, np.zeros(n_classes))
    return Stack(weights, bias - bias.mean())
