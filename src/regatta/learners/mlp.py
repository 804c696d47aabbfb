"""A neural network in NumPy: a few layers, Adam, the best epoch by the validation rows."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from regatta.artifacts.state import State
from regatta.errors import TrialSkipped
from regatta.features.glm import softmax
from regatta.learners.base import (
    Array,
    Encoding,
    FitData,
    Learner,
    Loss,
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
from regatta.learners.epochs import Pace, Schedule, best_epoch, follow, products_seconds
from regatta.learners.network import Floats, Layers, Network, forward
from regatta.learners.threads import limit_blas

__all__ = ["MlpLearner", "MlpModel"]

MOST_COLUMNS = 3000
MOST_CELLS = 1_500_000_000
CHUNK_ROWS = 8192


class MlpModel(Model):
    """Weights of the layers.

    Parameters
    ----------
    layers : list of (ndarray of shape (n_in, n_out), ndarray of shape (n_out,)), float32
        Weights and biases.
    task : {"binary", "multiclass", "regression"}
        Kind of prediction.
    scale : ndarray of shape (2,), float64
        Mean and standard deviation of the target; 0 and 1 for classes.
    """

    def __init__(self, layers: Layers, task: str, scale: Array) -> None:
        self.layers, self.task, self.scale = layers, task, scale
        # In float64, so that a row alone and the same row among others get the same answer.
        self._exact = [(w.astype(np.float64), b.astype(np.float64)) for w, b in layers]

    def predict(self, X: Matrix) -> Array:
        """Predict encoded rows (see `Model.predict`)."""
        parts = [
            forward(self._exact, X[start : start + CHUNK_ROWS].astype(np.float64))
            for start in range(0, max(len(X), 1), CHUNK_ROWS)
        ]
        scores = np.concatenate(parts)
        if self.task == "regression":
            value: Array = scores * self.scale[1] + self.scale[0]
            return value
        if self.task == "multiclass":
            return softmax(scores)
        return as_probabilities(1 / (1 + np.exp(-np.clip(scores[:, 0], -500, 500))))

    def save(self, folder: Path) -> None:
        """Write ``model.json`` and ``model.npz``."""
        arrays = {
            f"{name}{place}": array
            for place, layer in enumerate(self.layers)
            for name, array in zip(("weights", "bias"), layer, strict=True)
        }
        State(
            {"task": self.task, "n_layers": len(self.layers), "scale": self.scale, **arrays}
        ).save(folder, "model")

    @classmethod
    def load(cls, folder: Path) -> "MlpModel":
        """Read what `save` wrote (see `Model.load`)."""
        state = State.load(folder, "model")
        task = state.word("task", ("binary", "multiclass", "regression"))
        scale = state.array("scale", np.float64, (2,))
        layers: Layers = []
        width: int | None = None
        for place in range(state.number("n_layers")):
            weights = state.array(f"weights{place}", np.float32, (width, None))
            width = weights.shape[1]
            layers.append((weights, state.array(f"bias{place}", np.float32, (width,))))
        state.check("n_layers", bool(layers) and (task == "multiclass" or width == 1))
        return cls(layers, task, scale)


class MlpLearner(Learner):
    """A multi-layer perceptron.

    Rectified linear units, dropout, Adam with decoupled weight decay, batch normalisation if it is
    asked for. The learning rate is divided by 4 when the validation loss has not fallen for
    `patience` epochs; after the third time the best epoch's weights are taken. A fit of all rows
    follows the schedule that the folds have found so. The target of a regression is standardised.

    References
    ----------
    .. [1] D. Kingma, J. Ba, Adam: a method for stochastic optimization, ICLR 2015.
    .. [2] I. Loshchilov, F. Hutter, Decoupled weight decay regularization, ICLR 2019.
    .. [3] S. Ioffe, C. Szegedy, Batch normalization, ICML 2015.
    """

    key: ClassVar[str] = "mlp"
    encoding: ClassVar[Encoding] = "dense"
    model: ClassVar[type[Model]] = MlpModel
    medians: ClassVar[bool] = True
    # Of the products of all epochs, beside those of pieces.
    share_of_work: ClassVar[float] = 1.0

    def defaults(self, shape: Shape) -> dict[str, Any]:
        """Return the parameters of a good first try."""
        return {
            "width": 128,
            "depth": 2,
            "learning_rate": 2e-3 if shape.task == "regression" else 4e-3,
            "weight_decay": 0.02,
            "dropout": 0.1,
            "batch_norm": False,
            "batch": int(np.clip(2 ** round(np.log2(max(shape.n_rows, 1) / 100)), 32, 256)),
            "epochs": 200,
            "patience": 6,
        }

    def space(self, shape: Shape) -> Space:
        """Return what may be searched."""
        return {
            "width": Param("choice", choices=(64, 128, 256, 512)),
            "depth": Param("int", 1, 4),
            "learning_rate": Param("float", 3e-4, 1e-2, log=True),
            "weight_decay": Param("float", 1e-4, 0.3, log=True),
            "dropout": Param("float", 0.0, 0.5),
            "batch_norm": Param("choice", choices=(False, True)),
        }

    def memory_bytes(self, shape: Shape, params: Params) -> int:
        """Estimate the peak memory of `fit`: weights six times, the activations of one batch."""
        width, depth = params["width"], params["depth"]
        weights = shape.n_columns * width + depth * width * width + width * shape.n_outputs
        return int(weights * 24 + CHUNK_ROWS * (shape.n_columns + 2 * depth * width) * 4)

    def fit_seconds(self, shape: Shape, params: Params) -> float:
        """Estimate the time of `fit`: the products of all epochs."""
        return 0.03 + self.share_of_work * products_seconds(shape, params)

    def fit(
        self, data: FitData, params: Params, *, seed: int, threads: int, deadline: float
    ) -> Model:
        """Fit one fold (see `Learner.fit`)."""
        check_target(data)
        n_rows, n_columns = data.X.shape
        if n_columns > MOST_COLUMNS or n_rows * n_columns > MOST_CELLS:
            raise TrialSkipped(
                f"the matrix has {n_rows} rows and {n_columns} columns",
                expected=f"at most {MOST_COLUMNS} columns and {MOST_CELLS:.0e} values",
                fix="leave columns out, or use other learners",
            )
        rng = np.random.default_rng(seed)
        y, y_valid, scale = _targets(data)
        known = Schedule.among(params)
        weights = _mean_one(data.weights)
        layers = _initial(n_columns, y if weights is None else y * weights, params, data.task, rng)
        weights_valid = _mean_one(data.weights_valid)
        pace = Pace(deadline, known.planned if known else 0)
        network = Network(layers, params, rng, pace)

        def epoch() -> bool:
            return network.epoch(data.X, y, data.loss, weights)

        def loss() -> float:
            return _loss(network.now.folded(), data.X_valid, y_valid, data.loss, weights_valid)

        with limit_blas(threads):
            if known:
                best, truncated = follow(network, epoch, known)
            else:
                best, truncated, known = best_epoch(network, epoch, loss, params)
        model = MlpModel(best.folded(), data.task, scale)
        model.truncated, model.learnt = truncated, known.learnt()
        return model


def _targets(data: FitData) -> tuple[Floats, Floats, Array]:
    """Return targets of the shape of the scores, and the scale of a regression."""
    if data.task == "regression":
        scale = scale_of(data)
        both = [((y - scale[0]) / scale[1]).astype(np.float32) for y in (data.y, data.y_valid)]
        return both[0].reshape(-1, 1), both[1].reshape(-1, 1), scale
    if data.task == "binary":
        both = [y.astype(np.float32).reshape(-1, 1) for y in (data.y, data.y_valid)]
    else:
        eye = np.eye(data.n_outputs, dtype=np.float32)
        both = [eye[y.astype(np.intp)] for y in (data.y, data.y_valid)]
    return both[0], both[1], np.array([0.0, 1.0])


def _mean_one(weights: Array | None) -> Floats | None:
    """Return weights of mean 1 and shape (n_rows, 1), so that batches take steps of one size."""
    return None if weights is None else (weights / weights.mean()).astype(np.float32)[:, None]


def _initial(
    n_columns: int, y: Floats, params: Params, task: str, rng: np.random.Generator
) -> Layers:
    """Draw weights (He et al., 2015); the last layer predicts the mean and little else."""
    widths = [n_columns, *[int(params["width"])] * int(params["depth"]), y.shape[1]]
    layers = []
    for n_in, n_out in pairwise(widths):
        spread = np.sqrt(2 / max(n_in, 1))
        weights = rng.normal(0, spread, (n_in, n_out)).astype(np.float32)
        layers.append((weights, np.zeros(n_out, dtype=np.float32)))
    weights, bias = layers[-1]
    weights *= np.float32(0.1)
    if task != "regression":
        share = (y.sum(axis=0) + 0.5) / (len(y) + 1)
        bias[:] = np.log(share / (1 - share)) if task == "binary" else np.log(share)
    return layers


def _batches(X: Matrix) -> Iterator[slice]:
    """Yield slices of rows."""
    for start in range(0, X.shape[0], CHUNK_ROWS):
        yield slice(start, start + CHUNK_ROWS)


def _loss(layers: Layers, X: Matrix, y: Floats, loss: Loss, weights: Floats | None = None) -> float:
    """Return mean squared or absolute error or log-loss, the rows weighted if they have weights."""
    total = 0.0
    for rows in _batches(X):
        scores = forward(layers, X[rows]).astype(np.float64)
        if loss == "median":
            losses = np.abs(scores - y[rows])
        elif loss == "regression":
            losses = (scores - y[rows]) ** 2
        elif loss == "binary":
            losses = np.logaddexp(0, np.where(y[rows] > 0.5, -scores, scores))
        else:
            chosen = (softmax(scores) * y[rows]).sum(axis=1, keepdims=True)
            losses = -np.log(np.clip(chosen, 1e-15, 1))
        total += float((losses if weights is None else losses * weights[rows]).sum())
    return float(total / max(X.shape[0], 1))
