"""CatBoost: gradient-boosted oblivious trees. An optional extra; prediction does not need it."""

import json
import tempfile
import time
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

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
    standardised,
)
from regatta.learners.oblivious import ObliviousTrees
from regatta.learners.stopping import LEAST_SECONDS, Stopping, at_pace, likely_rounds

__all__ = ["CatBoostLearner", "CatBoostModel"]

Floats = npt.NDArray[np.float32]

# Columns of so many category codes get an indicator for each, up to so many in all.
CODES = 3, 10
MOST_INDICATORS = 500
# Of the time there is, what shrinking and reading the model takes after the last round.
READING_SHARE = 0.1
_LOSSES = {
    "binary": "Logloss",
    "multiclass": "MultiClass",
    "regression": "RMSE",
    "median": "MAE",
}


class CatBoostModel(Model):
    """Oblivious trees, up to the best round.

    Parameters
    ----------
    trees : ObliviousTrees
        What was fitted, on the columns of X and the indicators after them.
    hot_columns : ndarray of shape (n_indicators,), int32
        Column of category codes that an indicator looks at.
    hot_codes : ndarray of shape (n_indicators,), float32
        The code for which it is 1.
    n_outputs : int
        Columns of a prediction.
    present : ndarray of shape (n_scores,), int64
        Class codes that were in the training rows (of more than two classes); else 0.
    scale : ndarray of shape (2,), float64
        Mean and standard deviation of the target; 0 and 1 for classes.
    """

    def __init__(
        self,
        trees: ObliviousTrees,
        hot_columns: npt.NDArray[np.int32],
        hot_codes: Floats,
        n_outputs: int,
        present: npt.NDArray[np.int64],
        scale: Array,
    ) -> None:
        self.trees, self.hot_columns, self.hot_codes = trees, hot_columns, hot_codes
        self.n_outputs, self.present, self.scale = n_outputs, present, scale
        self.n_columns = len(trees.missing_high) - len(hot_columns)

    def predict(self, X: Matrix) -> Array:
        """Predict encoded rows (see `Model.predict`)."""
        if X.shape[1] != self.n_columns:
            raise ValueError(f"{X.shape[1]} columns; fitted on {self.n_columns}")
        scores = self.trees.scores(_with_indicators(X, self.hot_columns, self.hot_codes))
        if self.n_outputs == 1:
            value: Array = scores * self.scale[1] + self.scale[0]
            return value
        if self.n_outputs == 2:
            return as_probabilities(1 / (1 + np.exp(-np.clip(scores[:, 0], -500, 500))))
        found = np.zeros((len(scores), self.n_outputs))
        found[:, self.present] = softmax(scores)
        return found

    def save(self, folder: Path) -> None:
        """Write ``model.json`` and ``model.npz``."""
        State(
            {
                "n_outputs": self.n_outputs,
                "n_columns": self.n_columns,
                "hot_columns": self.hot_columns,
                "hot_codes": self.hot_codes,
                "present": self.present,
                "scale": self.scale,
                **self.trees.state(),
            }
        ).save(folder, "model")

    @classmethod
    def load(cls, folder: Path) -> "CatBoostModel":
        """Read what `save` wrote (see `Model.load`)."""
        state = State.load(folder, "model")
        n_outputs, n_columns = state.number("n_outputs"), state.number("n_columns")
        present = state.array("present", np.int64, (None,))
        state.check("present", bool(((present >= 0) & (present < max(n_outputs, 1))).all()))
        state.check("present", len(present) == 1 if n_outputs < 3 else len(present) > 1)
        state.check("present", bool((np.diff(present) > 0).all()))
        scale = state.array("scale", np.float64, (2,))
        hot = state.array("hot_columns", np.int32, (None,))
        state.check("hot_columns", bool(((hot >= 0) & (hot < n_columns)).all()))
        codes = state.array("hot_codes", np.float32, (len(hot),))
        trees = ObliviousTrees.from_state(state, n_columns + len(hot), len(present))
        return cls(trees, hot, codes, n_outputs, present, scale)


class CatBoostLearner(Learner):
    """Gradient-boosted trees whose levels ask one question each.

    Category codes are numbers to it: columns of few values are coded in the order of their
    target, others have target means beside them. Columns of up to 10 values have indicators, too.
    So the fitted trees compare numbers only.

    References
    ----------
    .. [1] L. Prokhorenkova et al., CatBoost: unbiased boosting with categorical features,
       NeurIPS 2018. We differ by plain boosting on columns that are encoded before.
    .. [2] D. Holzmüller et al., Better by default, NeurIPS 2024.
    """

    key: ClassVar[str] = "catboost"
    encoding: ClassVar[Encoding] = "tree"
    model: ClassVar[type[Model]] = CatBoostModel
    seconds_per_byte: ClassVar[float] = 5e-8
    medians: ClassVar[bool] = True
    package: ClassVar[str] = "catboost"

    def defaults(self, shape: Shape) -> dict[str, Any]:
        """Return the parameters of a good first try."""
        return {
            "learning_rate": 0.06 if shape.n_rows < 10_000 else 0.09,
            "n_rounds": 4000,
            "patience": 60,
            "depth": 6,
            "l2": 3.0,
            "random_strength": 1.0,
            "column_share": 0.7 if shape.n_columns > 5 else 1.0,
            "row_share": 0.8,
            "max_bins": 128,
        }

    def space(self, shape: Shape) -> Space:
        """Return what may be searched."""
        return {
            "learning_rate": Param("float", 0.02, 0.2, log=True),
            "depth": Param("int", 3, 9),
            "l2": Param("float", 0.1, 30.0, log=True),
            "random_strength": Param("float", 0.0, 4.0),
            "column_share": Param("float", 0.3, 1.0),
            "row_share": Param("float", 0.5, 1.0),
        }

    def memory_bytes(self, shape: Shape, params: Params) -> int:
        """Estimate the peak memory of `fit`: two copies of X, bins, scores, histograms, trees."""
        cells = shape.n_rows * shape.n_columns * (8 + 1)
        scores = shape.n_rows * (40 + 40 * shape.n_scores)
        leaves = 2 ** int(params["depth"])
        histograms = leaves * shape.n_columns * params["max_bins"] * 16 * shape.n_scores
        # JSON takes 20 bytes a number, and Python's own copy of it 32.
        trees = min(params["n_rounds"], 1000) * leaves * shape.n_scores * (20 + 32)
        return int(cells + scores + histograms + trees)

    def fit_seconds(self, shape: Shape, params: Params) -> float:
        """Estimate the time of `fit`: rows and cells of each level."""
        level = shape.n_rows * (3e-8 + 5e-10 * shape.n_columns * params["column_share"])
        levels = likely_rounds(params) * params["depth"] * shape.n_scores
        return float(LEAST_SECONDS + levels * level)

    def fit(
        self, data: FitData, params: Params, *, seed: int, threads: int, deadline: float
    ) -> Model:
        """Fit one fold (see `Learner.fit`)."""
        import catboost

        check_target(data)
        y, (X_valid, y_valid, weights_valid), scale, present = _targets(data)
        hot = _indicators(data)
        X = _with_indicators(data.X, *hot)
        train = catboost.Pool(X, y, weight=data.weights)
        valid = catboost.Pool(_with_indicators(X_valid, *hot), y_valid, weight=weights_valid)
        options = _options(data, params, seed, threads)

        def boost(rate: float, stopping: Stopping) -> Any:
            booster = catboost.CatBoost({**options, "learning_rate": rate})
            booster.fit(train, eval_set=valid, callbacks=[_Watch(stopping)])
            return booster

        last = deadline - READING_SHARE * max(deadline - time.time(), 0.0)
        try:
            booster, stopping = at_pace(
                boost, params["learning_rate"], int(params["patience"]), last
            )
        except catboost.CatBoostError as err:
            if "are either constant or ignored" not in str(err):
                raise
            raise TrialSkipped(
                "no column varies in the rows that this fold fits",
                expected="at least one column to split by",
                fix="leave catboost out",
            ) from err
        booster.shrink(stopping.best_round + 1)
        trees = ObliviousTrees.from_catboost(_saved(booster), X.shape[1])
        model = CatBoostModel(trees, *hot, data.n_outputs, present, scale)
        model.truncated, model.learnt = stopping.truncated, stopping.learnt()
        return model


class _Watch:
    """Tells CatBoost whether to go on."""

    def __init__(self, stopping: Stopping) -> None:
        self.stopping = stopping

    def after_iteration(self, info: Any) -> bool:
        """Take note of a round, counted from 1."""
        ((losses),) = info.metrics["validation"].values()
        return not self.stopping.ends(info.iteration - 1, losses[-1])


def _indicators(data: FitData) -> tuple[npt.NDArray[np.int32], Floats]:
    """Return the column and the code of each indicator.

    A level of an oblivious tree asks all rows the same, so that to single out one category takes
    it two levels by the order of the codes, and one by an indicator.
    """
    found: list[tuple[int, float]] = []
    least, most = CODES
    for column in data.categorical:
        codes = np.unique(data.X[:, column])
        codes = codes[~np.isnan(codes)]
        if least <= len(codes) <= most and len(found) + len(codes) <= MOST_INDICATORS:
            found += [(column, float(code)) for code in codes]
    columns = np.array([column for column, _ in found], dtype=np.int32)
    return columns, np.array([code for _, code in found], dtype=np.float32)


def _with_indicators(X: Matrix, columns: npt.NDArray[np.int32], codes: Floats) -> Matrix:
    """Return a matrix with its indicators beside it; of a missing code all are 0."""
    if not len(columns):
        return X
    return np.hstack([X, (X[:, columns] == codes).astype(np.float32)])


def _targets(
    data: FitData,
) -> tuple[Array, tuple[Matrix, Array, Array | None], Array, npt.NDArray[np.int64]]:
    """Return targets, validation rows with theirs and their weights, scale, and classes there are.

    A class without rows is left out, because CatBoost would warn of it on the terminal.
    """
    # CatBoost keeps targets in float32.
    y, y_valid, scale = standardised(data)
    X_valid, weights, present = data.X_valid, data.weights_valid, np.zeros(1, dtype=np.int64)
    if data.n_outputs > 2:
        present = np.unique(y).astype(np.int64)
        known = np.isin(y_valid, present)
        if not known.all():
            X_valid, y_valid = X_valid[known], y_valid[known]
            weights = None if weights is None else weights[known]
        y, y_valid = (np.searchsorted(present, part).astype(np.float64) for part in (y, y_valid))
    return y, (X_valid, y_valid, weights), scale, present


def _options(data: FitData, params: Params, seed: int, threads: int) -> dict[str, Any]:
    """Return CatBoost's own names."""
    loss = _LOSSES[data.loss]
    share = float(params["row_share"])
    options = {
        "loss_function": loss,
        # The loss of the training rows is of no use, and takes time.
        "eval_metric": f"{loss}:hints=skip_train~true",
        "iterations": int(params["n_rounds"]),
        "depth": int(params["depth"]),
        "l2_leaf_reg": params["l2"],
        "random_strength": params["random_strength"],
        "rsm": params["column_share"],
        "border_count": int(params["max_bins"]),
        "boosting_type": "Plain",
        "bootstrap_type": "Bernoulli" if share < 1 else "No",
        "use_best_model": False,
        "random_seed": seed,
        "thread_count": threads,
        "allow_writing_files": False,
        "logging_level": "Silent",
    }
    if share < 1:
        options["subsample"] = share
    if data.task == "multiclass":
        options["classes_count"] = len(np.unique(data.y))
    return options


def _saved(booster: Any) -> Any:
    """Return a model in CatBoost's JSON format, which it writes to files only."""
    with tempfile.TemporaryDirectory(prefix="regatta-catboost-") as folder:
        path = Path(folder) / "model.json"
        booster.save_model(str(path), format="json")
        return json.loads(path.read_text(encoding="utf-8"))
