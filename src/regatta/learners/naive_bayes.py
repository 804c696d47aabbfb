"""Naive Bayes on words and indicators: within a fraction of a second, a fair reader of texts."""

import time
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from scipy import sparse

from regatta.features.glm import Linear
from regatta.learners.base import (
    Array,
    Encoding,
    FitData,
    Learner,
    Model,
    Param,
    Params,
    Shape,
    Space,
    check_target,
)
from regatta.learners.linear import LinearModel, log_loss
from regatta.settings import Task

__all__ = ["NaiveBayesLearner"]

LEAST_VARIANCE = 1e-6
# Words that come together are counted as if they did by chance, so that the odds are too long by a
# factor; the validation rows choose one.
SHARPNESS = (1.0, 0.7, 0.5, 0.35, 0.25, 0.18, 0.12, 0.08, 0.05, 0.03)


class NaiveBayesLearner(Learner):
    """Multinomial naive Bayes with its odds drawn together.

    It reads the columns that are never negative, words and indicators above all, as counts, and
    others as normally distributed with one variance. The log-odds of all classes, but for their
    shares, are multiplied by `sharpness`, where it is known, or by what the validation rows like
    best.

    References
    ----------
    .. [1] A. McCallum, K. Nigam, A comparison of event models for naive Bayes text classification,
       AAAI-98 workshop.
    .. [2] J. Rennie et al., Tackling the poor assumptions of naive Bayes text classifiers, ICML
       2003: why the odds are too long.
    """

    key: ClassVar[str] = "naive_bayes"
    tasks: ClassVar[frozenset[Task]] = frozenset({"binary", "multiclass"})
    encoding: ClassVar[Encoding] = "linear"
    model: ClassVar[type[Model]] = LinearModel

    def defaults(self, shape: Shape) -> dict[str, Any]:
        """Return the parameters of a good first try."""
        return {"smoothing": 0.5}

    def space(self, shape: Shape) -> Space:
        """Return what may be searched."""
        return {"smoothing": Param("float", 1e-3, 10.0, log=True)}

    def memory_bytes(self, shape: Shape, params: Params) -> int:
        """Estimate the peak memory of `fit`: a copy of the entries, sums and scores of classes."""
        entries = shape.n_rows * min(shape.n_columns, 300)
        return int(entries * 12 + shape.n_columns * shape.n_outputs * 32 + shape.n_rows * 40)

    def fit_seconds(self, shape: Shape, params: Params) -> float:
        """Estimate the time of `fit`: counts of the cells."""
        return 0.02 + 3e-8 * shape.n_rows * shape.n_columns

    def fit(
        self, data: FitData, params: Params, *, seed: int, threads: int, deadline: float
    ) -> Model:
        """Fit one fold (see `Learner.fit`)."""
        check_target(data)
        present = np.unique(data.y).astype(np.int64)
        weights, offset, prior = _log_odds(data, present, float(params["smoothing"]))
        known = params.get("sharpness")
        tried: list[tuple[float, LinearModel]] = []
        for sharpness in SHARPNESS if known is None else (known,):
            intercept = prior + sharpness * offset
            found = _model(weights * sharpness, intercept, data.n_outputs, present)
            found.learnt = {"sharpness": sharpness}
            tried.append((_loss(found, data), found))
            if time.time() >= deadline:
                break
        return min(tried, key=lambda pair: pair[0])[1]


def _loss(model: LinearModel, data: FitData) -> float:
    """Return the log-loss of the rows to validate."""
    return log_loss(model.predict(data.X_valid), data.y_valid, data.weights_valid)


def _log_odds(
    data: FitData, present: npt.NDArray[np.int64], smoothing: float
) -> tuple[Array, Array, Array]:
    """Return what a unit of each column, the rest, and the classes say, as logarithms.

    Returns
    -------
    weights : ndarray of shape (n_columns, n_classes), float64
        Of counts, the logarithm of the column's share in the class; of columns that have negative
        values, what normal distributions of one variance say.
    offset, prior : ndarray of shape (n_classes,), float64
        What those distributions say of 0, and the shares of the classes.
    """
    X: Any = data.X if isinstance(data.X, np.ndarray) else sparse.csr_matrix(data.X)
    counted = _flat(X.min(axis=0)) >= 0
    codes = np.searchsorted(present, data.y)
    n_rows = np.bincount(codes, data.weights, minlength=len(present)).astype(np.float64)
    in_all_rows = n_rows.sum()
    each = np.ones(len(codes)) if data.weights is None else data.weights
    places = codes, np.arange(len(codes))
    sums = sparse.csr_matrix((each, places), shape=(len(n_rows), len(codes))) @ X
    sums = np.asarray(sums.toarray() if sparse.issparse(sums) else sums, dtype=np.float64)
    counts = np.where(counted, sums + smoothing, 0.0)
    # Where no column counts, the prior is all there is.
    in_all = np.maximum(counts.sum(axis=1), 1e-300)[:, None]
    shares = np.log(np.where(counted, counts, 1.0) / in_all)
    means = np.where(counted, 0.0, sums / n_rows[:, None])
    squared = X.multiply(X) if sparse.issparse(X) else X * X
    # A sum, not a product with ones, where all weigh the same: it is faster, and rounds less.
    summed = squared.sum(axis=0) if data.weights is None else each @ squared
    squares = _flat(summed) / in_all_rows
    spread = np.maximum(squares - n_rows @ means**2 / in_all_rows, LEAST_VARIANCE)
    said = np.where(counted, shares, means / spread)
    offset = -(means**2 / (2 * spread)).sum(axis=1)
    # What all classes have in common says nothing, and would be lost in float32.
    weights = np.ascontiguousarray((said - said.mean(axis=0)).T)
    return weights, offset - offset.mean(), np.log(n_rows / n_rows.sum())


def _flat(row: Any) -> Array:
    """Return one row of a matrix as an array."""
    found: Array = np.asarray(row.toarray() if sparse.issparse(row) else row, np.float64).ravel()
    return found


def _model(
    weights: Array, intercept: Array, n_outputs: int, present: npt.NDArray[np.int64]
) -> LinearModel:
    """Return the model of log-odds."""
    scale = np.array([0.0, 1.0])
    if n_outputs == 2:
        odds = (weights[:, 1:] - weights[:, :1]).astype(np.float32)
        linear = Linear(odds, (intercept[1:] - intercept[:1]).astype(np.float32))
        return LinearModel(linear, "logistic", 2, present, scale)
    linear = Linear(weights.astype(np.float32), intercept.astype(np.float32))
    return LinearModel(linear, "softmax", n_outputs, present, scale)
