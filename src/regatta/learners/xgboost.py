"""XGBoost: gradient-boosted trees, level by level, on histograms."""

from pathlib import Path
from threading import Lock
from typing import Any, ClassVar

import numpy as np

from regatta.artifacts.state import State
from regatta.errors import ArtifactError
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
from regatta.learners.categories import FEW, native_columns, native_space
from regatta.learners.stopping import LEAST_SECONDS, Stopping, at_pace, likely_rounds
from regatta.learners.threads import available_cores
from regatta.learners.xgboost_trees import check_trees

__all__ = ["XGBoostLearner", "XGBoostModel"]

FILE = "booster.json"
# Sets of many categories cost memory.
MOST_CATEGORIES = 200
MANY_ROWS = 2000
_OBJECTIVES = {
    "binary": ("binary:logistic", "logloss"),
    "multiclass": ("multi:softprob", "mlogloss"),
    "regression": ("reg:squarederror", "rmse"),
    "median": ("reg:absoluteerror", "mae"),
}


class XGBoostModel(Model):
    """A booster, up to its best round.

    Parameters
    ----------
    raw : bytes
        XGBoost's own format (JSON).
    n_outputs : int
        Columns of a prediction.
    scale : ndarray of shape (2,), float64
        Mean and standard deviation of the target; 0 and 1 for classes.
    threads : int, default 1
        Threads for many rows; few are predicted by one.
    """

    def __init__(self, raw: bytes, n_outputs: int, scale: Array, threads: int = 1) -> None:
        import xgboost

        self.raw, self.n_outputs, self.scale, self.threads = raw, n_outputs, scale, threads
        self.booster = xgboost.Booster({"verbosity": 0})
        self.booster.load_model(bytearray(raw))
        self._use(self.booster, 1)
        self._lock, self._wide = Lock(), None if threads > 1 else self.booster

    @staticmethod
    def _use(booster: Any, threads: int) -> None:
        """Set the threads of a booster, which must not be changed when it is in use.

        The first prediction configures it; that must be over before others can begin.
        """
        booster.set_param({"nthread": threads})
        booster.inplace_predict(np.zeros((1, booster.num_features()), np.float32))

    def _with_threads(self) -> Any:
        """Return the booster for many rows: a copy, which takes a tenth of reading it again."""
        with self._lock:
            if self._wide is None:
                wide = self.booster.copy()
                self._use(wide, self.threads)
                self._wide = wide
            return self._wide

    def predict(self, X: Matrix) -> Array:
        """Predict encoded rows (see `Model.predict`)."""
        # Waking threads for few rows costs more than the prediction.
        booster = self._with_threads() if X.shape[0] >= MANY_ROWS else self.booster
        found = np.asarray(booster.inplace_predict(X, validate_features=False))
        if self.n_outputs == 1:
            value: Array = found.astype(np.float64) * self.scale[1] + self.scale[0]
            return value.reshape(-1, 1)
        return as_probabilities(found)

    def save(self, folder: Path) -> None:
        """Write ``booster.json`` (XGBoost's own), ``model.json`` and ``model.npz``."""
        (folder / FILE).write_bytes(self.raw)
        State({"n_outputs": self.n_outputs, "scale": self.scale}).save(folder, "model")

    @classmethod
    def load(cls, folder: Path) -> "XGBoostModel":
        """Read what `save` wrote (see `Model.load`)."""
        import xgboost

        state = State.load(folder, "model")
        n_outputs = state.number("n_outputs")
        scale = state.array("scale", np.float64, (2,))
        try:
            raw = (folder / FILE).read_bytes()
            check_trees(raw, n_outputs)
            return cls(raw, n_outputs, scale, available_cores())
        except (
            *(OSError, ValueError, KeyError, TypeError, IndexError, OverflowError),
            *(RecursionError, xgboost.core.XGBoostError),
        ) as err:
            reason = str(err).strip().splitlines()[:1]
            raise ArtifactError(
                f"{FILE!r} of {folder.name!r} cannot be read ({type(err).__name__}: {reason})",
                expected="an XGBoost model",
                fix="make the artifact again or restore it from a backup",
            ) from err


class XGBoostLearner(Learner):
    """Gradient-boosted trees of limited depth.

    References
    ----------
    .. [1] T. Chen, C. Guestrin, XGBoost: a scalable tree boosting system, KDD 2016.
    .. [2] D. Holzmüller et al., Better by default, NeurIPS 2024: defaults near its tuned ones.
    """

    key: ClassVar[str] = "xgboost"
    encoding: ClassVar[Encoding] = "tree"
    model: ClassVar[type[Model]] = XGBoostModel
    seconds_per_byte: ClassVar[float] = 5e-8
    medians: ClassVar[bool] = True

    def defaults(self, shape: Shape) -> dict[str, Any]:
        """Return the parameters of a good first try."""
        regression = shape.task == "regression"
        deep = 8 if regression else 6
        return {
            **dict.fromkeys(native_space(shape, MOST_CATEGORIES), FEW),
            "learning_rate": 0.05,
            "n_rounds": 5000,
            "patience": 60,
            "max_depth": deep if shape.n_rows > 2000 else 4,
            "min_weight": 2.0 if regression else 1.0,
            "row_share": 0.7,
            "column_share": 0.8 if shape.n_columns > 5 else 1.0,
            "l2": 1.0,
            "max_bins": 256,
        }

    def space(self, shape: Shape) -> Space:
        """Return what may be searched."""
        return {
            **native_space(shape, MOST_CATEGORIES),
            "learning_rate": Param("float", 0.01, 0.2, log=True),
            "max_depth": Param("int", 2, 10),
            "min_weight": Param("float", 0.01, 30.0, log=True),
            "row_share": Param("float", 0.5, 1.0),
            "column_share": Param("float", 0.3, 1.0),
            "l2": Param("float", 1e-3, 100.0, log=True),
        }

    def memory_bytes(self, shape: Shape, params: Params) -> int:
        """Estimate the peak memory of `fit`: bins twice, gradients and scores, histograms."""
        bins = shape.n_rows * shape.n_columns * (1 if params["max_bins"] <= 256 else 2)
        scores = shape.n_rows * (16 + 32 * shape.n_scores)
        nodes = min(2 ** int(params["max_depth"]), shape.n_rows)
        return int(2 * bins + scores + nodes * shape.n_columns * params["max_bins"] * 16)

    def fit_seconds(self, shape: Shape, params: Params) -> float:
        """Estimate the time of `fit`: rows and cells of each level."""
        level = shape.n_rows * (2e-8 + 3e-10 * shape.n_columns * params["column_share"])
        levels = likely_rounds(params) * params["max_depth"] * shape.n_scores
        return float(LEAST_SECONDS + levels * level)

    def fit(
        self, data: FitData, params: Params, *, seed: int, threads: int, deadline: float
    ) -> Model:
        """Fit one fold (see `Learner.fit`)."""
        import xgboost

        check_target(data)
        # XGBoost keeps targets in float32.
        y, y_valid, scale = standardised(data)
        common = {
            "feature_types": _types(data, params.get("native_categories", FEW)),
            "enable_categorical": True,
            "max_bin": int(params["max_bins"]),
            "nthread": threads,
        }
        train = xgboost.QuantileDMatrix(data.X, y, weight=data.weights, **common)
        valid = xgboost.QuantileDMatrix(
            data.X_valid, y_valid, weight=data.weights_valid, ref=train, **common
        )
        options = _options(data, params, seed, threads)

        def boost(rate: float, stopping: Stopping) -> Any:
            class Watch(xgboost.callback.TrainingCallback):  # type: ignore[misc]
                def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
                    return stopping.ends(epoch, evals_log["valid"][options["eval_metric"]][-1])

            return xgboost.train(
                {**options, "eta": rate},
                train,
                num_boost_round=int(params["n_rounds"]),
                evals=[(valid, "valid")],
                verbose_eval=False,
                callbacks=[Watch()],
            )

        booster, stopping = at_pace(
            boost, params["learning_rate"], int(params["patience"]), deadline
        )
        raw = bytes(booster[: stopping.best_round + 1].save_raw("json"))
        model = XGBoostModel(raw, data.n_outputs, scale, threads)
        model.truncated, model.learnt = stopping.truncated, stopping.learnt()
        return model


def _options(data: FitData, params: Params, seed: int, threads: int) -> dict[str, Any]:
    """Return XGBoost's own names."""
    objective, metric = _OBJECTIVES[data.loss]
    options = {
        "objective": objective,
        "eval_metric": metric,
        "tree_method": "hist",
        "max_depth": int(params["max_depth"]),
        "min_child_weight": params["min_weight"],
        "subsample": params["row_share"],
        "colsample_bynode": params["column_share"],
        "lambda": params["l2"],
        "max_bin": int(params["max_bins"]),
        "nthread": threads,
        "seed": seed,
        "verbosity": 0,
    }
    if data.task == "multiclass":
        options["num_class"] = data.n_outputs
    return options


def _types(data: FitData, most: int) -> list[str]:
    """Return ``c`` for columns of categories that are split by sets, ``q`` for others."""
    natives = native_columns(data, most)
    return ["c" if place in natives else "q" for place in range(data.X.shape[1])]
