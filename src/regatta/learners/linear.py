"""Linear and logistic regression along a path of penalties, ended by the validation rows."""

import time
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from regatta.artifacts.state import State
from regatta.features.glm import Family, Linear, fit_linear, softmax
from regatta.learners.base import (
    Array,
    Encoding,
    FitData,
    Learner,
    Matrix,
    Model,
    Param,
    Params,
    Shape,
    Space,
    as_probabilities,
    average,
    check_target,
    standardised,
)
from regatta.learners.threads import limit_blas

__all__ = ["LinearLearner", "LinearModel", "log_loss"]

STEPS_DOWN = (1e-4, 1e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0)
WORTH = 1e-4
DENSE_SHARE = 0.25
DENSE_BYTES = 500_000_000


class LinearModel(Model):
    """Coefficients, and the classes or the scale that they speak of.

    Parameters
    ----------
    linear : Linear
        Coefficients.
    family : {"logistic", "softmax", "squared"}
        Kind of score.
    n_outputs : int
        Columns of a prediction.
    present : ndarray of shape (n_scores,), int64
        Class codes that were in the training rows (of a ``softmax``).
    scale : ndarray of shape (2,), float64
        Mean and standard deviation of the target (of ``squared``).
    """

    def __init__(
        self, linear: Linear, family: Family, n_outputs: int, present: Any, scale: Array
    ) -> None:
        self.linear, self.family, self.n_outputs = linear, family, n_outputs
        self.present, self.scale = present, scale

    def predict(self, X: Matrix) -> Array:
        """Predict encoded rows (see `Model.predict`)."""
        scores = self.linear.scores(X)
        if self.family == "squared":
            value: Array = self.scale[0] + self.scale[1] * scores.astype(np.float64)
            return value
        if self.family == "logistic":
            margin = np.clip(scores[:, 0].astype(np.float64), -500, 500)
            return as_probabilities(1 / (1 + np.exp(-margin)))
        found = np.zeros((len(scores), self.n_outputs))
        found[:, self.present] = softmax(scores)
        return found

    def save(self, folder: Path) -> None:
        """Write ``model.json`` and ``model.npz``."""
        State(
            {
                "family": self.family,
                "n_outputs": self.n_outputs,
                "n_columns": len(self.linear.weights),
                "weights": self.linear.weights,
                "intercept": self.linear.intercept,
                "present": self.present,
                "scale": self.scale,
            }
        ).save(folder, "model")

    @classmethod
    def load(cls, folder: Path) -> "LinearModel":
        """Read what `save` wrote (see `Model.load`)."""
        state = State.load(folder, "model")
        family = state.word("family", ("logistic", "softmax", "squared"))
        n_outputs = state.number("n_outputs")
        intercept = state.array("intercept", np.float32, (None,))
        weights = state.array("weights", np.float32, (state.number("n_columns"), len(intercept)))
        present = state.array("present", np.int64, (None,))
        scale = state.array("scale", np.float64, (2,))
        state.check("present", bool(((present >= 0) & (present < n_outputs)).all()))
        state.check("intercept", len(intercept) == (len(present) if family == "softmax" else 1))
        state.check("n_outputs", n_outputs == {"logistic": 2, "squared": 1}.get(family, n_outputs))
        return cls(Linear(weights, intercept), family, n_outputs, present, scale)  # type: ignore[arg-type]


class LinearLearner(Learner):
    """Logistic, softmax or least-squares regression with an elastic-net penalty.

    The penalty is lowered from 10,000 times the parameter's to the parameter's, each fit starting
    from the one before, until the loss of the validation rows no longer falls. So one trial finds
    the strength that a search would, at little more than the price of one fit; a fit of all rows
    then goes down to that strength.
    """

    key: ClassVar[str] = "linear"
    encoding: ClassVar[Encoding] = "linear"
    model: ClassVar[type[Model]] = LinearModel

    def defaults(self, shape: Shape) -> dict[str, Any]:
        """Return the parameters of a good first try."""
        return {"C": 10.0, "l1_ratio": 0.0, "max_iter": 40}

    def space(self, shape: Shape) -> Space:
        """Return what may be searched."""
        return {
            "C": Param("float", 1e-2, 1e3, log=True),
            "l1_ratio": Param("choice", choices=(0.0, 0.1, 0.5, 0.9)),
        }

    def memory_bytes(self, shape: Shape, params: Params) -> int:
        """Estimate the peak memory of `fit`: 20 vectors of coefficients, scores, a copy of X."""
        coefficients = shape.n_columns * shape.n_scores * (2 if params.get("l1_ratio") else 1)
        entries = shape.n_rows * min(shape.n_columns, 300)
        return int(coefficients * 160 + shape.n_rows * shape.n_scores * 24 + entries * 8)

    def fit_seconds(self, shape: Shape, params: Params) -> float:
        """Estimate the time of `fit`: a few dozen passes over the cells for each score."""
        return 0.03 + 5e-7 * shape.n_rows * shape.n_columns * shape.n_scores

    def fit(
        self, data: FitData, params: Params, *, seed: int, threads: int, deadline: float
    ) -> Model:
        """Fit one fold (see `Learner.fit`)."""
        check_target(data)
        family: Family = _FAMILY[data.task]
        present = (
            np.unique(data.y).astype(np.int64) if data.n_outputs > 1 else np.zeros(1, np.int64)
        )
        y, _, scale = standardised(data)
        if family == "softmax":
            y = np.searchsorted(present, y).astype(np.float64)
        n_scores = len(present) if family == "softmax" else 1
        X, X_valid = _fast(data.X), data.X_valid
        best_loss, linear, truncated = np.inf, None, False
        with limit_blas(threads):
            for step in STEPS_DOWN:
                linear = fit_linear(
                    X,
                    y,
                    family,
                    n_scores,
                    C=params["C"] * step,
                    l1_ratio=params["l1_ratio"],
                    start=linear,
                    max_iter=int(params["max_iter"]),
                    deadline=deadline,
                    weights=data.weights,
                )
                found = LinearModel(linear, family, data.n_outputs, present, scale)
                loss = _loss(found, X_valid, data)
                truncated = time.time() >= deadline
                if step == STEPS_DOWN[0] or loss < best_loss - WORTH * abs(best_loss):
                    best, best_loss = found, loss
                    # On rows that it has learnt from the loss falls to the end of the path.
                    best.learnt = {"C": params["C"] * step}
                elif loss > best_loss:
                    break
                if truncated:
                    break
        best.truncated = truncated
        return best


_FAMILY: dict[str, Family] = {
    "binary": "logistic",
    "multiclass": "softmax",
    "regression": "squared",
}


def _fast(X: Matrix) -> Matrix:
    """Return a sparse matrix as a dense one where that is faster and fits."""
    if isinstance(X, np.ndarray):
        return X
    n_cells = X.shape[0] * X.shape[1]
    if X.nnz > DENSE_SHARE * n_cells and 4 * n_cells < DENSE_BYTES:
        return np.ascontiguousarray(X.toarray())
    return X


def _loss(model: LinearModel, X: Matrix, data: FitData) -> float:
    """Return log-loss or mean squared error of the rows to validate."""
    predicted = model.predict(X)
    if data.task == "regression":
        return average((predicted[:, 0] - data.y_valid) ** 2, data.weights_valid)
    return log_loss(predicted, data.y_valid, data.weights_valid)


def log_loss(predicted: Array, y: Array, weights: Array | None = None) -> float:
    """Return the mean of the negative logarithms that the right classes were given."""
    chosen = predicted[np.arange(len(y)), y.astype(np.intp)]
    return -average(np.log(np.clip(chosen, 1e-15, 1)), weights)
