"""Support vector machines with a radial kernel, for small tables (scikit-learn)."""

import time
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from regatta.artifacts.state import State
from regatta.errors import TrialSkipped
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
    check_target,
    scale_of,
)
from regatta.learners.threads import limit_blas

__all__ = ["SvmLearner", "SvmModel"]

Floats = npt.NDArray[np.float32]

MOST_ROWS = 5_000
MOST_COLUMNS = 2_000
CHUNK_CELLS = 4_000_000
CACHE_MB = 200
# Of one machine, per pair of rows; the second for each column. Measured, with some to spare.
SECONDS_PER_PAIR = 1e-7
SECONDS_PER_VALUE = 1e-9
NEWTON_STEPS = 50
STEEPEST = 100.0
FLOOR = 1e-6


class SvmModel(Model):
    """Support vectors, and what each says for each machine.

    Parameters
    ----------
    vectors : ndarray of shape (n_vectors, n_columns), float32
        Training rows that count for at least one machine.
    dual : ndarray of shape (n_vectors, n_machines), float64
        Dual coefficients: of one machine for two classes or values, else of one for each class.
    intercept : ndarray of shape (n_machines,), float64
        Intercepts.
    sigmoids : ndarray of shape (n_machines, 2), float64
        Slope and offset that turn a score into log-odds; of values 1 and 0.
    present : ndarray of shape (n_machines,), int64
        Class codes that the machines are for; 0 for values.
    gamma : ndarray of shape (1,), float64
        Width of the kernel, exp(-gamma d²).
    n_outputs : int
        Columns of a prediction.
    scale : ndarray of shape (2,), float64
        Mean and standard deviation of the target; 0 and 1 for classes.
    """

    def __init__(
        self,
        vectors: Floats,
        dual: Array,
        intercept: Array,
        sigmoids: Array,
        present: npt.NDArray[np.int64],
        gamma: Array,
        n_outputs: int,
        scale: Array,
    ) -> None:
        self.vectors, self.dual, self.intercept = vectors, dual, intercept
        self.sigmoids, self.present, self.gamma = sigmoids, present, gamma
        self.n_outputs, self.scale = n_outputs, scale
        # In float64, so that a row alone and the same row among others get the same answer.
        self._vectors = vectors.astype(np.float64)
        self._squares = (self._vectors**2).sum(axis=1)

    def scores(self, X: Matrix) -> Array:
        """Return the decision of each machine, of shape (n_rows, n_machines)."""
        if X.shape[1] != self.vectors.shape[1]:
            raise ValueError(f"{X.shape[1]} columns; fitted on {self.vectors.shape[1]}")
        out = np.empty((X.shape[0], len(self.intercept)))
        step = max(1, CHUNK_CELLS // max(len(self.vectors), 1))
        for start in range(0, len(out), step):
            rows = np.asarray(X[start : start + step], dtype=np.float64)
            squares = (rows**2).sum(axis=1)[:, None] + self._squares - 2 * rows @ self._vectors.T
            kernel = np.exp(-self.gamma * np.maximum(squares, 0))
            out[start : start + step] = kernel @ self.dual + self.intercept
        return out

    def predict(self, X: Matrix) -> Array:
        """Predict encoded rows (see `Model.predict`)."""
        scores = self.scores(X)
        if self.n_outputs == 1:
            value: Array = scores * self.scale[1] + self.scale[0]
            return value
        odds = np.clip(scores * self.sigmoids[:, 0] + self.sigmoids[:, 1], -500, 500)
        chances = 1 / (1 + np.exp(-odds))
        if self.n_outputs == 2:
            return as_probabilities(chances)
        found = np.zeros((len(scores), self.n_outputs))
        # No row is left without a probability where no machine wants it.
        found[:, self.present] = np.maximum(chances, FLOOR)
        return as_probabilities(found)

    def save(self, folder: Path) -> None:
        """Write ``model.json`` and ``model.npz``."""
        names = ("vectors", "dual", "intercept", "sigmoids", "present", "gamma", "scale")
        arrays = {name: getattr(self, name) for name in names}
        State({"n_outputs": self.n_outputs, **arrays}).save(folder, "model")

    @classmethod
    def load(cls, folder: Path) -> "SvmModel":
        """Read what `save` wrote (see `Model.load`)."""
        state = State.load(folder, "model")
        n_outputs = state.number("n_outputs")
        vectors = state.array("vectors", np.float32, (None, None))
        present = state.array("present", np.int64, (None,))
        n_machines = len(present)
        state.check("present", n_machines == 1 if n_outputs < 3 else n_machines > 1)
        state.check("present", bool(((present >= 0) & (present < max(n_outputs, 1))).all()))
        state.check("present", bool((np.diff(present) > 0).all()))
        dual = state.array("dual", np.float64, (len(vectors), n_machines))
        intercept = state.array("intercept", np.float64, (n_machines,))
        sigmoids = state.array("sigmoids", np.float64, (n_machines, 2))
        gamma = state.array("gamma", np.float64, (1,))
        state.check("gamma", bool(gamma[0] > 0))
        scale = state.array("scale", np.float64, (2,))
        return cls(vectors, dual, intercept, sigmoids, present, gamma, n_outputs, scale)


class SvmLearner(Learner):
    """Support vector machines: one for two classes or values, one for each of more classes.

    A fit cannot be stopped, and takes the square of the number of rows: it is not begun where it
    would hardly be ready in time. A sigmoid for each machine, fitted on the validation rows,
    turns scores into probabilities.

    References
    ----------
    .. [1] C. Cortes, V. Vapnik, Support-vector networks, Machine Learning 20 (1995).
    .. [2] J. Platt, Probabilistic outputs for support vector machines, 1999.
    """

    key: ClassVar[str] = "svm"
    encoding: ClassVar[Encoding] = "dense"
    model: ClassVar[type[Model]] = SvmModel

    def defaults(self, shape: Shape) -> dict[str, Any]:
        """Return the parameters of a good first try; `gamma` is in units of 1 / (columns)."""
        return {"C": 2.0, "gamma": 0.5 if shape.task == "regression" else 1.0, "epsilon": 0.1}

    def space(self, shape: Shape) -> Space:
        """Return what may be searched."""
        space = {
            "C": Param("float", 0.05, 100.0, log=True),
            "gamma": Param("float", 0.02, 5.0, log=True),
        }
        if shape.task == "regression":
            space["epsilon"] = Param("float", 0.01, 0.5, log=True)
        return space

    def memory_bytes(self, shape: Shape, params: Params) -> int:
        """Estimate the peak memory of `fit`: three copies of X, kernel rows, a chunk of it."""
        rows = min(shape.n_rows, MOST_ROWS)
        cells = rows * (shape.n_columns * 24 + shape.n_scores * 16)
        return int(cells + min(rows**2 * 8, CACHE_MB * 1_000_000) + 3 * CHUNK_CELLS * 8)

    def fit_seconds(self, shape: Shape, params: Params) -> float:
        """Estimate the time of `fit`: the kernel between all rows, for each machine."""
        rows = min(shape.n_rows, MOST_ROWS)
        return 0.03 + 3e-10 * rows**2 * shape.n_columns * shape.n_scores

    def fit(
        self, data: FitData, params: Params, *, seed: int, threads: int, deadline: float
    ) -> Model:
        """Fit one fold (see `Learner.fit`)."""
        check_target(data)
        _check_size(data, float(params["C"]), deadline)
        X = np.asarray(data.X, dtype=np.float64)
        gamma = float(params["gamma"]) / max(X.shape[1] * _variance(X, data.weights), 1e-12)
        options = {"C": float(params["C"]), "gamma": gamma, "cache_size": CACHE_MB}
        scale, present = np.array([0.0, 1.0]), np.zeros(1, dtype=np.int64)
        with limit_blas(threads):
            if data.task == "regression":
                scale = scale_of(data)
                options["epsilon"] = float(params["epsilon"])
                y = (data.y - scale[0]) / scale[1]
                machines = [_machine(X, y, data.weights, "SVR", options)]
            else:
                present = np.unique(data.y).astype(np.int64)
                if data.n_outputs == 2:
                    present = present[1:]
                machines = [
                    _machine(X, data.y == code, data.weights, "SVC", options) for code in present
                ]
            dual = np.stack([weights for weights, _ in machines], axis=1)
            there = np.flatnonzero((dual != 0).any(axis=1))
            model = SvmModel(
                np.ascontiguousarray(data.X[there], dtype=np.float32),
                dual[there],
                np.array([intercept for _, intercept in machines]),
                np.tile([1.0, 0.0], (len(present), 1)),
                present,
                np.array([gamma]),
                data.n_outputs,
                scale,
            )
            if data.task != "regression":
                scores = model.scores(data.X_valid)
                for place, code in enumerate(present):
                    model.sigmoids[place] = _sigmoid(
                        scores[:, place], data.y_valid == code, data.weights_valid
                    )
        return model


def _check_size(data: FitData, C: float, deadline: float) -> None:
    """Raise `TrialSkipped` for too much to fit, or too much for the time that is left."""
    n_rows, n_columns = data.X.shape
    if n_rows > MOST_ROWS or n_columns > MOST_COLUMNS:
        raise TrialSkipped(
            f"the matrix has {n_rows} rows and {n_columns} columns",
            expected=f"at most {MOST_ROWS} rows and {MOST_COLUMNS} columns",
            fix="use other learners",
        )
    n_machines = data.n_outputs if data.task == "multiclass" else 1
    one_pair = SECONDS_PER_PAIR + SECONDS_PER_VALUE * n_columns
    # The less is forgiven, the more steps it takes.
    steps = 1 + np.log10(max(C, 1.0))
    needed, left = n_machines * n_rows**2 * one_pair * steps, deadline - time.time()
    if needed > left:
        raise TrialSkipped(
            f"would take about {needed:.1f} s and cannot be interrupted; {max(left, 0):.1f} s left",
            expected="a fit that is ready in time",
            fix="raise the budget, or use other learners",
        )


def _variance(X: Array, weights: Array | None) -> float:
    """Return the variance of all values, each weighing what its row weighs."""
    if weights is None:
        return float(X.var())
    rows = weights / (weights.sum() * X.shape[1])
    return float(rows @ ((X - (rows @ X).sum()) ** 2).sum(axis=1))


def _machine(
    X: Array, y: Any, weights: Array | None, kind: str, options: dict[str, Any]
) -> tuple[Array, float]:
    """Return the dual coefficient of each row, and the intercept."""
    from sklearn import svm

    fitted = getattr(svm, kind)(kernel="rbf", **options).fit(X, y, sample_weight=weights)
    dual = np.zeros(len(X))
    dual[fitted.support_] = fitted.dual_coef_[0]
    return dual, float(fitted.intercept_[0])


def _sigmoid(
    scores: Array, positive: npt.NDArray[np.bool_], weights: Array | None = None
) -> tuple[float, float]:
    """Return slope and offset of the log-odds, by Newton's method on Platt's targets.

    The targets are not quite 0 and 1, so that it ends where scores separate the classes. Scores
    never speak for the other side, and rows of one class leave the slope as it is.
    """
    each = np.ones(len(scores)) if weights is None else weights
    n_positive = float(each[positive].sum())
    n_negative = float(each[~positive].sum())
    offset = float(np.log((n_positive + 0.5) / (n_negative + 0.5)))
    if not n_positive or not n_negative:
        return 1.0, offset
    target = np.where(positive, (n_positive + 1) / (n_positive + 2), 1 / (n_negative + 2))
    design = np.column_stack([scores, np.ones(len(scores))])
    best, best_loss, step = np.array([0.0, offset]), np.inf, np.zeros(2)
    found = best
    for _ in range(NEWTON_STEPS):
        odds = design @ found
        loss = float((each * (np.logaddexp(0, odds) - target * odds)).sum())
        if loss > best_loss:
            # Too far: half of the step.
            step = step / 2
            found = best + step
            continue
        if best_loss - loss < 1e-9:
            break
        best, best_loss = found, loss
        chance = 1 / (1 + np.exp(-np.clip(odds, -500, 500)))
        curve = (design * (each * chance * (1 - chance))[:, None]).T @ design + 1e-9 * np.eye(2)
        step = np.linalg.solve(curve, design.T @ (each * (target - chance)))
        found = best + step
    return float(np.clip(best[0], 0.0, STEEPEST)), float(best[1])
