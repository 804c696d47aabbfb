"""TabM: many small networks that share most of their weights. An optional extra to fit only."""

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
    Matrix,
    Model,
    Param,
    Params,
    Shape,
    Space,
    as_probabilities,
    check_target,
    class_shares,
    standardised,
)
from regatta.learners.epochs import products_seconds
from regatta.learners.tabm_network import Block, Weights, train

__all__ = ["TabMLearner", "TabMModel"]

MOST_COLUMNS = 3000
MOST_CELLS = 1_500_000_000
# Numbers of one layer that a prediction holds at a time.
CHUNK_CELLS = 1_000_000
# What PyTorch takes to be imported, of the build for graphics cards, too.
PACKAGE_BYTES = 600_000_000


class TabMModel(Model):
    """Weights of all submodels.

    Parameters
    ----------
    weights : Weights
        What was fitted.
    task : {"binary", "multiclass", "regression"}
        Kind of prediction.
    scale : ndarray of shape (2,), float64
        Mean and standard deviation of the target; 0 and 1 for classes.
    """

    def __init__(self, weights: Weights, task: str, scale: Array) -> None:
        self.weights, self.task, self.scale = weights, task, scale
        # In float64, so that a row alone and the same row among others get the same answer.
        self._exact = Weights.of([part.astype(np.float64) for part in weights.parts()])
        self.n_columns = len(weights.blocks[0].weights)
        widest = max(self.n_columns, *weights.head.shape[1:])
        self._chunk_rows = max(1, CHUNK_CELLS // (len(weights.head) * widest))

    def predict(self, X: Matrix) -> Array:
        """Predict encoded rows (see `Model.predict`)."""
        if X.shape[1] != self.n_columns:
            raise ValueError(f"{X.shape[1]} columns; fitted on {self.n_columns}")
        starts = range(0, max(X.shape[0], 1), self._chunk_rows)
        return np.concatenate([self._mean(X[start : start + self._chunk_rows]) for start in starts])

    def _mean(self, X: Matrix) -> Array:
        """Return the mean of the submodels' predictions."""
        scores = self._scores(X.astype(np.float64))
        if self.task == "regression":
            value: Array = scores.mean(axis=0) * self.scale[1] + self.scale[0]
            return value
        if self.task == "binary":
            chances = 1 / (1 + np.exp(-np.clip(scores[:, :, 0], -500, 500)))
            return as_probabilities(chances.mean(axis=0))
        k, n_rows, n_outputs = scores.shape
        each = softmax(scores.reshape(k * n_rows, n_outputs))
        mean: Array = each.reshape(scores.shape).mean(axis=0)
        return mean

    def _scores(self, X: Array) -> Array:
        """Return scores of shape (n_submodels, n_rows, n_scores)."""
        values = X[None]
        for block in self._exact.blocks:
            values = (values * block.inward[:, None]) @ block.weights
            values *= block.outward[:, None]
            values += block.bias[:, None]
            np.maximum(values, 0, out=values)
        scores: Array = values @ self._exact.head + self._exact.bias[:, None]
        return scores

    def save(self, folder: Path) -> None:
        """Write ``model.json`` and ``model.npz``."""
        named = {
            f"{name}{place}": part
            for place, block in enumerate(self.weights.blocks)
            for name, part in zip(_PARTS, block.parts(), strict=True)
        }
        State(
            {
                "task": self.task,
                "n_blocks": len(self.weights.blocks),
                "scale": self.scale,
                "head": self.weights.head,
                "head_bias": self.weights.bias,
                **named,
            }
        ).save(folder, "model")

    @classmethod
    def load(cls, folder: Path) -> "TabMModel":
        """Read what `save` wrote (see `Model.load`)."""
        state = State.load(folder, "model")
        task = state.word("task", ("binary", "multiclass", "regression"))
        scale = state.array("scale", np.float64, (2,))
        head = state.array("head", np.float32, (None, None, None))
        k, last, n_scores = head.shape
        state.check("head", k > 0 and (n_scores > 1 if task == "multiclass" else n_scores == 1))
        bias = state.array("head_bias", np.float32, (k, n_scores))
        blocks = []
        width: int | None = None
        for place in range(state.number("n_blocks")):
            weights = state.array(f"weights{place}", np.float32, (width, None))
            n_in, width = weights.shape
            wanted = ((k, n_in), (k, width), (k, width))
            own = [
                state.array(f"{name}{place}", np.float32, shape)
                for name, shape in zip(_PARTS[1:], wanted, strict=True)
            ]
            blocks.append(Block(weights, *own))
        state.check("n_blocks", bool(blocks) and width == last)
        state.check("n_blocks", f"weights{len(blocks)}" not in state.values)
        return cls(Weights(blocks, head, bias), task, scale)


class TabMLearner(Learner):
    """A network that is many: submodels share the matrices, and scale what goes in and out.

    Each submodel learns from its own loss; their predictions are averaged, and the weights are
    kept whose average is best on the validation rows. The learning rate falls as that of `mlp`.

    References
    ----------
    .. [1] Y. Gorishniy, A. Kotelnikov, A. Babenko, TabM: advancing tabular deep learning with
       parameter-efficient ensembling, ICLR 2025. We differ by a learning rate that falls, and by
       fewer and narrower submodels, for processors.
    .. [2] Y. Gorishniy, I. Rubachev, A. Babenko, On embeddings for numerical features in tabular
       deep learning, NeurIPS 2022.
    """

    key: ClassVar[str] = "tabm"
    encoding: ClassVar[Encoding] = "dense"
    model: ClassVar[type[Model]] = TabMModel
    medians: ClassVar[bool] = True
    package: ClassVar[str] = "torch"

    def defaults(self, shape: Shape) -> dict[str, Any]:
        """Return the parameters of a good first try."""
        n_rows = max(shape.n_rows, 1)
        return {
            "submodels": 16 if n_rows < 20_000 else 8,
            "width": 128,
            "depth": 2,
            "learning_rate": 2e-3,
            "weight_decay": 0.02,
            "dropout": 0.1,
            # A step takes little less time for fewer rows: it is the submodels' matrices that cost.
            "batch": int(np.clip(2 ** round(np.log2(3 * n_rows**0.5)), 16, 256)),
            "epochs": 200,
            "patience": 8,
        }

    def space(self, shape: Shape) -> Space:
        """Return what may be searched."""
        return {
            "submodels": Param("choice", choices=(8, 16, 32)),
            "width": Param("choice", choices=(64, 128, 256, 512)),
            "depth": Param("int", 1, 4),
            "learning_rate": Param("float", 3e-4, 1e-2, log=True),
            "weight_decay": Param("float", 1e-4, 0.3, log=True),
            "dropout": Param("float", 0.0, 0.5),
        }

    def memory_bytes(self, shape: Shape, params: Params) -> int:
        """Estimate the peak memory of `fit`: PyTorch, weights six times, activations of rows."""
        k, width, depth = (int(params[name]) for name in ("submodels", "width", "depth"))
        shared = (shape.n_columns + depth * width) * width
        head = k * width * shape.n_outputs
        # The matrices of all submodels, and their gradients.
        each = 5 * k * shared
        rows = (
            int(params["batch"]) * k * (shape.n_columns + 4 * depth * width + 4 * shape.n_outputs)
        )
        return int(PACKAGE_BYTES + 4 * (6 * (shared + head) + each + rows) + 12 * 4_000_000)

    def fit_seconds(self, shape: Shape, params: Params) -> float:
        """Estimate the time of `fit`: the products of all epochs, for each submodel."""
        return float(1.0 + params["submodels"] * products_seconds(shape, params))

    def fit(
        self, data: FitData, params: Params, *, seed: int, threads: int, deadline: float
    ) -> Model:
        """Fit one fold (see `Learner.fit`)."""
        check_target(data)
        n_rows, n_columns = data.X.shape
        if not 0 < n_columns <= MOST_COLUMNS or n_rows * n_columns > MOST_CELLS:
            raise TrialSkipped(
                f"the matrix has {n_rows} rows and {n_columns} columns",
                expected=f"1 to {MOST_COLUMNS} columns and at most {MOST_CELLS:.0e} values",
                fix="leave columns out, or use other learners",
            )
        y, y_valid, scale = standardised(data)
        rng = np.random.default_rng(seed)
        start = Weights.drawn(n_columns, _prior(data), params, rng)
        weights, truncated, schedule = train(
            start, data, (y, y_valid), params, rng, threads=threads, deadline=deadline
        )
        model = TabMModel(weights, data.task, scale)
        model.truncated, model.learnt = truncated, schedule.learnt()
        return model


_PARTS = ("weights", "inward", "outward", "bias")


def _prior(data: FitData) -> Array:
    """Return the scores that predict the shares of the classes, or the mean."""
    if data.task == "regression":
        return np.zeros(1)
    share = class_shares(data, 0.5)
    scores: Array = np.log(share[1:] / share[0]) if data.task == "binary" else np.log(share)
    return scores
