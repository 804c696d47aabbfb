"""What any model has to beat: the best answer that looks at no column."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from regatta.settings import Task

__all__ = ["Baseline"]

Array = npt.NDArray[np.float64]

# Sums of weights that differ by less are the same.
ROUNDING = 1e-12


@dataclass(frozen=True)
class Baseline:
    """One answer for all rows, learnt from the training rows.

    Attributes
    ----------
    answer : ndarray of shape (n_outputs,), float64
        Share of each class, or the mean (or median) of the target, of rows as they weigh.
    kind : {"shares", "mean", "median"}
        What the answer is.
    """

    answer: Array
    kind: Literal["shares", "mean", "median"]

    @classmethod
    def fit(
        cls,
        y_train: Array,
        task: Task,
        n_outputs: int,
        metric: str = "",
        weights: Array | None = None,
    ) -> "Baseline":
        """Learn the answer.

        Parameters
        ----------
        y_train : ndarray of shape (n_rows,), float64
            Class codes or values of the training rows.
        task : {"binary", "multiclass", "regression"}
            Kind of prediction.
        n_outputs : int
            Number of classes, or 1.
        metric : str, default ""
            Metric that decides: the median is the best constant for ``mae``, the mean for others.
        weights : ndarray of shape (n_rows,), float64, or None
            What each row counts, above 0; None: all the same.

        Examples
        --------
        >>> Baseline.fit(np.array([0.0, 0.0, 0.0, 1.0]), "binary", 2).predict(1)
        array([[0.75, 0.25]])
        """
        if task != "regression":
            counts = np.bincount(y_train.astype(np.intp), weights, minlength=n_outputs)
            return cls(counts / counts.sum(), "shares")
        if metric == "mae":
            return cls(np.array([_median(y_train, weights)]), "median")
        return cls(np.array([np.average(y_train, weights=weights)]), "mean")

    def predict(self, n_rows: int) -> Array:
        """Return the answer for each row, shape (n_rows, n_outputs)."""
        return np.tile(self.answer, (n_rows, 1))


def _median(values: Array, weights: Array | None) -> float:
    """Return a value with half of the weight on either side; between two of them, their middle."""
    if weights is None:
        return float(np.median(values))
    order = np.argsort(values, kind="stable")
    ranked, below = values[order], np.cumsum(weights[order])
    half = below[-1] / 2
    first = int(np.searchsorted(below, half * (1 - ROUNDING)))
    after = int(np.searchsorted(below, half * (1 + ROUNDING), side="right"))
    return float((ranked[first] + ranked[min(after, len(ranked) - 1)]) / 2)
