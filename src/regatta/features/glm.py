r"""Linear models by L-BFGS: logistic, softmax and least squares, on dense or sparse rows.

Minimises, with :math:`r` the share of the L1 penalty,

.. math:: \frac1n \sum_i \ell(y_i, x_i w + b)
          + \frac{1}{Cn} \left(\frac{1-r}{2} |w|_2^2 + r |w|_1\right),

so that `C` means what it means in scikit-learn; where rows have weights, n is their sum. Two
things differ from its solver: it can be stopped at a deadline with what there is, and it works in
the variables :math:`v_j = w_j \sqrt{h_j}`, with :math:`h_j` a bound of the Hessian's diagonal.
TF-IDF columns differ by orders of magnitude in that diagonal; on reviews, 10 steps reach what takes
100 without.
"""

import time
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import sparse

__all__ = ["Family", "Linear", "fit_linear", "softmax"]

Family = Literal["logistic", "softmax", "squared"]
Rows: TypeAlias = npt.NDArray[np.float32] | sparse.csr_matrix
Floats = npt.NDArray[np.float32]

_CURVATURE = {"logistic": 0.25, "softmax": 0.25, "squared": 1.0}
_TRANSPOSE_LIMIT = 50_000_000


@dataclass(frozen=True)
class Linear:
    """Coefficients of a linear model.

    Attributes
    ----------
    weights : ndarray of shape (n_columns, n_scores), float32
        One score for ``logistic`` and ``squared``, one a class for ``softmax``.
    intercept : ndarray of shape (n_scores,), float32
        Added to the scores.
    """

    weights: Floats
    intercept: Floats

    def scores(self, X: Rows) -> Floats:
        """Return ``X @ weights + intercept``, of shape (n_rows, n_scores), float32."""
        found: Floats = np.asarray(X @ self.weights) + self.intercept
        return found


def softmax(scores: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Turn scores of shape (n_rows, n_classes) into probabilities."""
    scores = scores.astype(np.float64)
    if scores.shape[1] == 2:
        # Sums over rows of two numbers take several times as long.
        odds = scores[:, 1] - scores[:, 0]
        ratio = np.exp(-np.abs(odds))
        likely = 1 / (1 + ratio)
        other, second = ratio * likely, odds > 0
        return np.column_stack([np.where(second, other, likely), np.where(second, likely, other)])
    scores -= scores.max(axis=1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=1, keepdims=True)
    return scores


def fit_linear(
    X: Rows,
    y: npt.NDArray[np.float64],
    family: Family,
    n_scores: int,
    *,
    C: float = 1.0,
    l1_ratio: float = 0.0,
    start: Linear | None = None,
    max_iter: int = 100,
    tol: float = 1e-5,
    deadline: float = float("inf"),
    weights: npt.NDArray[np.float64] | None = None,
) -> Linear:
    """Fit a linear model.

    Parameters
    ----------
    X : ndarray or CSR matrix of shape (n_rows, n_columns), float32
        Rows, without NaN.
    y : ndarray of shape (n_rows,), float64
        0 or 1, class codes, or values (best of mean 0).
    family : {"logistic", "softmax", "squared"}
        Loss.
    n_scores : int
        Number of classes of a ``softmax``, else 1.
    C : float, default 1.0
        Inverse strength of the penalty.
    l1_ratio : float, default 0.0
        Share of the L1 penalty.
    start : Linear or None
        Coefficients to start from; None: zero, and the intercept of the mean.
    max_iter : int, default 100
        Most steps.
    tol : float, default 1e-5
        Relative fall of the loss in one step at which it stops.
    deadline : float, default inf
        Time since the epoch, in seconds, at which it stops with what there is.
    weights : ndarray of shape (n_rows,), float64, or None
        What each row counts: the losses are multiplied by it, and n is their sum; None: 1.

    Returns
    -------
    Linear
        The coefficients.

    Notes
    -----
    Memory: 16 vectors of float64 of the size of the coefficients, and a transposed copy of a
    sparse X of up to 50,000,000 values. Deterministic.
    """
    from scipy.optimize import minimize

    problem = _Problem(X, y, family, n_scores, C, l1_ratio, weights)

    def stop(_: npt.NDArray[np.float64]) -> None:
        if time.time() >= deadline:
            raise StopIteration

    result = minimize(
        problem.value,
        problem.pack(start or problem.origin()),
        jac=True,
        method="L-BFGS-B",
        bounds=problem.bounds(),
        callback=stop,
        options={"maxiter": max_iter, "gtol": 1e-5, "ftol": tol, "maxcor": 6},
    )
    return problem.unpack(result.x)


class _Problem:
    """Loss and gradient in scaled variables; with an L1 part, as a difference of two positives."""

    def __init__(
        self,
        X: Rows,
        y: npt.NDArray[np.float64],
        family: Family,
        n_scores: int,
        C: float,
        l1_ratio: float,
        weights: npt.NDArray[np.float64] | None = None,
    ) -> None:
        self.X, self.family, self.n_scores = X, family, n_scores
        n_rows, self.n_columns = X.shape
        self.XT: Any = X.T
        # Of each row the share of the loss, times the number of rows; None: 1.
        self.shares: Floats | None = None
        total = float(n_rows)
        if weights is not None:
            total = float(weights.sum())
            self.shares = (weights * (n_rows / total)).astype(np.float32)[:, None]
        self.l2 = (1 - l1_ratio) / (C * total)
        self.l1 = l1_ratio / (C * total)
        if isinstance(X, np.ndarray):
            squares = np.einsum("ij,ij->j", X, X)
        else:
            squares = X.multiply(X).sum(axis=0)
            if X.nnz < _TRANSPOSE_LIMIT:
                self.XT = X.T.tocsr()
        curvature = np.asarray(squares, dtype=np.float64).ravel() / n_rows * _CURVATURE[family]
        # A column of zeros has neither loss nor curvature: any scale will do.
        floor = max(self.l2 + self.l1, 1e-8)
        self.scale = (1 / np.sqrt(curvature + floor)).astype(np.float32)[:, None]
        self.y = y
        self.truth: Floats
        if family == "softmax":
            self.truth = np.zeros((n_rows, n_scores), dtype=np.float32)
            self.truth[np.arange(n_rows), y.astype(np.intp)] = 1
        else:
            self.truth = y.astype(np.float32)[:, None]

    def origin(self) -> Linear:
        """Return zero weights and the intercept that fits the mean."""
        truth = self.truth if self.shares is None else self.truth * self.shares
        mean = truth.mean(axis=0, dtype=np.float64)
        n_rows = len(self.y)
        if self.family == "logistic":
            mean = np.clip(mean, 1 / (n_rows + 1), n_rows / (n_rows + 1))
            mean = np.log(mean / (1 - mean))
        elif self.family == "softmax":
            mean = np.log((mean * n_rows + 0.5) / (n_rows + 0.5 * self.n_scores))
        weights = np.zeros((self.n_columns, self.n_scores), dtype=np.float32)
        return Linear(weights, mean.astype(np.float32))

    def pack(self, coefficients: Linear) -> npt.NDArray[np.float64]:
        """Return the optimiser's variables."""
        scaled = coefficients.weights / self.scale
        parts = [np.maximum(scaled, 0), np.maximum(-scaled, 0)] if self.l1 else [scaled]
        return np.concatenate([*(part.ravel() for part in parts), coefficients.intercept]).astype(
            np.float64
        )

    def unpack(self, variables: npt.NDArray[np.float64]) -> Linear:
        """Return coefficients."""
        size = self.n_columns * self.n_scores
        weights = variables[:size]
        if self.l1:
            weights = weights - variables[size : 2 * size]
        scaled = weights.astype(np.float32).reshape(self.n_columns, self.n_scores)
        return Linear(scaled * self.scale, variables[-self.n_scores :].astype(np.float32))

    def bounds(self) -> Any:
        """Return bounds of the variables, or None."""
        if not self.l1:
            return None
        from scipy.optimize import Bounds

        low = np.zeros(2 * self.n_columns * self.n_scores + self.n_scores)
        low[-self.n_scores :] = -np.inf
        return Bounds(low, np.inf)

    def value(self, variables: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        """Return the penalised loss and its gradient."""
        found = self.unpack(variables)
        loss, residual = self._loss(found.scores(self.X))
        loss += self.l2 / 2 * float(np.vdot(found.weights, found.weights))
        gradient = np.asarray(self.XT @ residual) + np.float32(self.l2) * found.weights
        gradient *= self.scale
        parts = [gradient.ravel()]
        if self.l1:
            size = self.n_columns * self.n_scores
            price = np.broadcast_to(self.l1 * self.scale, gradient.shape).ravel()
            loss += float(price @ variables[:size] + price @ variables[size : 2 * size])
            parts = [gradient.ravel() + price, price - gradient.ravel()]
        parts.append(residual.sum(axis=0))
        return loss, np.concatenate(parts).astype(np.float64)

    def _loss(self, scores: Floats) -> tuple[float, Floats]:
        """Return the mean loss and its derivative by the scores."""
        n_rows = np.float32(len(scores))
        if self.family == "squared":
            residual = scores - self.truth
            loss = self._mean(residual**2) / 2
            return loss, self._weighed(residual / n_rows)
        if self.family == "logistic":
            signed = np.where(self.truth > 0.5, -scores, scores)
            loss = self._mean(np.logaddexp(0, signed))
            chance = 1 / (1 + np.exp(-np.clip(scores, -60, 60)))
            return loss, self._weighed(((chance - self.truth) / n_rows).astype(np.float32))
        scores = scores - scores.max(axis=1, keepdims=True)
        chosen = scores[np.arange(len(scores)), self.y.astype(np.intp)]
        np.exp(scores, out=scores)
        total = scores.sum(axis=1, keepdims=True)
        loss = self._mean(np.log(total[:, 0]) - chosen)
        scores /= total
        return loss, self._weighed((scores - self.truth) / n_rows)

    def _mean(self, losses: Floats) -> float:
        """Return the mean loss of the rows, weighted if they have weights."""
        if self.shares is not None:
            losses = losses * self.shares.reshape(losses.shape)
        return float(np.mean(losses, dtype=np.float64))

    def _weighed(self, residual: Floats) -> Floats:
        """Return the derivative by the scores, of each row by its weight."""
        return residual if self.shares is None else residual * self.shares
