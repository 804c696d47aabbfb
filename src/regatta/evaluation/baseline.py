"""What any model has to beat: the best answer that looks at no column."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from regatta.settings import Task

__all__ = ["Baseline"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Baseline:
    """One answer for all rows, learnt from the training rows.

    Attributes
    ----------
    answer : ndarray of shape (n_outputs,), float64
        Share of each class, or the mean (or median) of the target.
    kind : {"shares", "mean", "median"}
        What the answer is.
    """

    answer: Array
    kind: Literal["shares", "mean", "median"]

    @classmethod
    def fit(cls, y_train: Array, task: Task, n_outputs: int, metric: str = "") -> "Baseline":
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

        Examples
        --------
        >>> Baseline.fit(np.array([0.0, 0.0, 0.0, 1.0]), "binary", 2).predict(1)
        array([[0.75, 0.25]])
        """
        if task != "regression":
            counts = np.bincount(y_train.astype(np.intp), minlength=n_outputs)
            return cls(counts / counts.sum(), "shares")
        if metric == "mae":
            return cls(np.array([np.median(y_train)]), "median")
        return cls(np.array([np.mean(y_train)]), "mean")

    def predict(self, n_rows: int) -> Array:
        """Return the answer for each row, shape (n_rows, n_outputs)."""
        return np.tile(self.answer, (n_rows, 1))
