"""Gradient boosting on histograms by scikit-learn, kept as plain arrays."""

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from regatta.artifacts.state import State
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
    average,
    check_target,
    standardised,
)
from regatta.learners.forest import CHUNK_ROWS, ForestModel, round_down
from regatta.learners.stopping import LEAST_SECONDS, Stopping, at_pace, likely_rounds

__all__ = ["HistGradientBoostingLearner", "HistGradientBoostingModel"]

STEM = "boosting"
FIRST_ROUNDS = 8
BATCH_SECONDS = 2.0


class HistGradientBoostingModel(Model):
    """Boosted trees, up to the best round.

    Parameters
    ----------
    forest : ForestModel
        The trees, of one value a leaf; those of a round follow each other.
    n_outputs : int
        Columns of a prediction.
    present : ndarray of shape (n_present,), int64
        Class codes that were in the training rows; 0 for a regression.
    baseline : ndarray of shape (n_scores,), float64
        Scores before the first round: one for two classes, else one for each.
    scale : ndarray of shape (2,), float64
        Mean and standard deviation of the target; 0 and 1 for classes.
    """

    def __init__(
        self,
        forest: ForestModel,
        n_outputs: int,
        present: npt.NDArray[np.int64],
        baseline: Array,
        scale: Array,
    ) -> None:
        self.forest, self.n_outputs, self.present = forest, n_outputs, present
        self.baseline, self.scale = baseline, scale

    def predict(self, X: Matrix) -> Array:
        """Predict encoded rows (see `Model.predict`)."""
        X = np.ascontiguousarray(X, dtype=np.float32)
        if X.shape[1] != self.forest.n_columns:
            raise ValueError(f"{X.shape[1]} columns; fitted on {self.forest.n_columns}")
        scores = self._scores(X)
        if self.n_outputs == 1:
            value: Array = scores * self.scale[1] + self.scale[0]
            return value
        found = np.zeros((len(X), self.n_outputs))
        if len(self.present) == 2:
            positive = 1 / (1 + np.exp(-np.clip(scores[:, 0], -500, 500)))
            found[:, self.present] = as_probabilities(positive)
        else:
            found[:, self.present] = softmax(scores)
        return found

    def _scores(self, X: npt.NDArray[np.float32]) -> Array:
        """Return the sums of the leaves, of shape (n_rows, n_scores)."""
        values, n_scores = self.forest.values[:, 0].astype(np.float64), len(self.baseline)
        if self.forest.few(len(X)):
            found = values[self.forest.walk(X)]
            sums: Array = found.reshape(len(X), -1, n_scores).sum(axis=1) + self.baseline
            return sums
        scores = np.tile(self.baseline, (len(X), 1))
        for start in range(0, len(X), CHUNK_ROWS):
            rows = slice(start, start + CHUNK_ROWS)
            for number, leaves in enumerate(self.forest.leaves(X[rows])):
                scores[rows, number % n_scores] += values[leaves]
        return scores

    def save(self, folder: Path) -> None:
        """Write the trees as a forest does, ``boosting.json`` and ``boosting.npz``."""
        self.forest.save(folder)
        State(
            {
                "n_outputs": self.n_outputs,
                "present": self.present,
                "baseline": self.baseline,
                "scale": self.scale,
            }
        ).save(folder, STEM)

    @classmethod
    def load(cls, folder: Path) -> "HistGradientBoostingModel":
        """Read what `save` wrote (see `Model.load`)."""
        forest, state = ForestModel.load(folder), State.load(folder, STEM)
        n_outputs = state.number("n_outputs")
        present = state.array("present", np.int64, (None,))
        state.check("present", bool(((present >= 0) & (present < max(n_outputs, 1))).all()))
        state.check("present", bool((np.diff(present) > 0).all()))
        state.check("present", len(present) == 1 if n_outputs == 1 else len(present) > 1)
        n_scores = len(present) if len(present) > 2 else 1
        baseline = state.array("baseline", np.float64, (n_scores,))
        state.check("baseline", forest.n_outputs == 1)
        state.check("baseline", (len(forest.starts) - 1) % n_scores == 0)
        scale = state.array("scale", np.float64, (2,))
        return cls(forest, n_outputs, present, baseline, scale)


class HistGradientBoostingLearner(Learner):
    """Gradient-boosted trees that grow where they gain most, in scikit-learn's own words.

    Category codes are numbers to it: columns of few values are coded in the order of their
    target, others have target means beside them. Where other boosted families see a part of the
    rows in each round, it sees all; each split sees a part of the columns.
    """

    key: ClassVar[str] = "hist_gradient_boosting"
    encoding: ClassVar[Encoding] = "tree"
    model: ClassVar[type[Model]] = HistGradientBoostingModel
    medians: ClassVar[bool] = True

    def defaults(self, shape: Shape) -> dict[str, Any]:
        """Return the parameters of a good first try."""
        return {
            # A round takes scikit-learn longer than others, and most of all where it is a tree
            # for each of many classes: fewer rounds of larger steps.
            "learning_rate": 0.15 if shape.n_outputs > 3 else 0.1,
            "n_rounds": 2000,
            "patience": 25,
            "num_leaves": int(np.clip(shape.n_rows // 60, 7, 31)),
            "min_rows": int(np.clip(shape.n_rows // 100, 3, 20)),
            "column_share": 0.5 if shape.n_columns > 5 else 1.0,
            "l2": 1.0,
            "max_bins": 255,
        }

    def space(self, shape: Shape) -> Space:
        """Return what may be searched."""
        leaves = int(np.clip(shape.n_rows // 10, 8, 256))
        return {
            "learning_rate": Param("float", 0.01, 0.2, log=True),
            "num_leaves": Param("int", 4, leaves, log=True),
            "min_rows": Param("int", 2, int(np.clip(shape.n_rows // 20, 3, 100)), log=True),
            "column_share": Param("float", 0.2, 1.0),
            "l2": Param("float", 1e-3, 100.0, log=True),
        }

    def memory_bytes(self, shape: Shape, params: Params) -> int:
        """Estimate the peak memory of `fit`: X in float64, bins, gradients, histograms."""
        cells = shape.n_rows * shape.n_columns * (8 + 2)
        scores = shape.n_rows * (24 + 32 * shape.n_scores)
        histograms = params["num_leaves"] * shape.n_columns * params["max_bins"] * 20
        return int(cells + scores + histograms)

    def fit_seconds(self, shape: Shape, params: Params) -> float:
        """Estimate the time of `fit`: rows of each tree, and its leaves."""
        tree = 2e-7 * shape.n_rows + 4.5e-6 * params["num_leaves"] * shape.n_columns
        return float(LEAST_SECONDS + likely_rounds(params) * shape.n_scores * tree)

    def fit(
        self, data: FitData, params: Params, *, seed: int, threads: int, deadline: float
    ) -> Model:
        """Fit one fold (see `Learner.fit`)."""
        from sklearn.ensemble import (
            HistGradientBoostingClassifier,
            HistGradientBoostingRegressor,
        )
        from threadpoolctl import threadpool_limits

        check_target(data)
        regression = data.task == "regression"
        boosting = HistGradientBoostingRegressor if regression else HistGradientBoostingClassifier

        loss = {"loss": "absolute_error"} if data.median else {}

        def boost(rate: float, stopping: Stopping) -> HistGradientBoostingModel:
            booster = boosting(
                **loss,
                learning_rate=rate,
                max_leaf_nodes=int(params["num_leaves"]),
                min_samples_leaf=int(params["min_rows"]),
                max_features=float(params["column_share"]),
                l2_regularization=float(params["l2"]),
                max_bins=int(params["max_bins"]),
                early_stopping=False,
                warm_start=True,
                random_state=seed,
            )
            return _grow(booster, data, int(params["n_rounds"]), stopping)

        with threadpool_limits(threads, user_api="openmp"):
            model, stopping = at_pace(
                boost, float(params["learning_rate"]), int(params["patience"]), deadline
            )
        model.truncated, model.learnt = stopping.truncated, stopping.learnt()
        return model


def _grow(
    booster: Any, data: FitData, wanted: int, stopping: Stopping
) -> HistGradientBoostingModel:
    """Fit in batches of rounds, until the loss of the validation rows falls no more.

    Each batch reads the rows again, so that they grow with what there is; none is expected to
    last beyond the deadline.
    """
    # Gradients are kept in float32.
    y, y_valid, scale = standardised(data)
    X_valid, present = np.ascontiguousarray(data.X_valid, dtype=np.float32), np.zeros(1, np.int64)
    weights = data.weights_valid
    if data.task != "regression":
        present = np.unique(y).astype(np.int64)
        known = np.isin(y_valid, present)
        X_valid, y_valid = X_valid[known], np.searchsorted(present, y_valid[known]).astype(float)
        weights = None if weights is None else weights[known]
    done, began, ended = 0, time.time(), False
    scores: Any = None
    while done < wanted and not ended:
        more = FIRST_ROUNDS if done else 1
        if done:
            seconds_each = (time.time() - began) / done
            room = min(BATCH_SECONDS, (stopping.deadline - time.time()) * 0.8)
            more = max(min(more + done // 4, int(room / max(seconds_each, 1e-9))), 1)
        before, done = done, min(done + more, wanted)
        booster.max_iter = done
        booster.fit(data.X, y, sample_weight=data.weights)
        forest = _flatten(booster._predictors[before:], data.X.shape[1])
        if scores is None:
            scores = np.tile(booster._baseline_prediction.reshape(1, -1), (len(X_valid), 1))
        n_scores = scores.shape[1]
        for number, leaves in enumerate(forest.leaves(X_valid)):
            scores[:, number % n_scores] += forest.values[leaves, 0]
            if (number + 1) % n_scores == 0 and not ended:
                loss = _loss(scores, y_valid, data.loss, weights)
                ended = stopping.ends(before + number // n_scores, loss)
    forest = _flatten(booster._predictors[: stopping.best_round + 1], data.X.shape[1])
    baseline = booster._baseline_prediction.reshape(-1).astype(np.float64)
    return HistGradientBoostingModel(forest, data.n_outputs, present, baseline, scale)


def _flatten(rounds: Iterable[Iterable[Any]], n_columns: int) -> ForestModel:
    """Copy fitted trees into flat arrays."""
    parts: list[tuple[Any, ...]] = []
    n_leaves = 0
    for predictor in (predictor for trees in rounds for predictor in trees):
        nodes = predictor.nodes
        leaf = nodes["is_leaf"].astype(bool)
        left = np.where(leaf, -1, nodes["left"].astype(np.int64)).astype(np.int32)
        right = nodes["right"].astype(np.int32)
        right[leaf] = n_leaves + np.arange(leaf.sum())
        n_leaves += int(leaf.sum())
        parts.append(
            (
                left,
                right,
                np.where(leaf, 0, nodes["feature_idx"]).astype(np.int32),
                round_down(np.where(leaf, 0, nodes["num_threshold"])),
                nodes["missing_go_to_left"].astype(bool),
                nodes["value"][leaf].astype(np.float32).reshape(-1, 1),
            )
        )
    starts = np.cumsum([0, *(len(part[0]) for part in parts)]).astype(np.int64)
    arrays: list[Any] = [np.concatenate(pieces) for pieces in zip(*parts, strict=True)]
    return ForestModel(starts, *arrays, n_columns, 1, np.array([0.0, 1.0]))  # type: ignore[call-arg]


def _loss(scores: Array, y: Array, loss: Loss, weights: Array | None) -> float:
    """Return mean squared or absolute error, or log-loss."""
    if loss == "median":
        return average(np.abs(scores[:, 0] - y), weights)
    if loss == "regression":
        return average((scores[:, 0] - y) ** 2, weights)
    if scores.shape[1] == 1:
        return average(np.logaddexp(0, np.where(y > 0, -scores[:, 0], scores[:, 0])), weights)
    chosen = scores[np.arange(len(y)), y.astype(np.intp)]
    highest = scores.max(axis=1)
    total = np.log(np.exp(scores - highest[:, None]).sum(axis=1)) + highest
    return average(total - chosen, weights)
