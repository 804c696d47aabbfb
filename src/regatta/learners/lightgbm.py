"""LightGBM: gradient-boosted trees, leaf by leaf, with native categories."""

import math
from pathlib import Path
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
from regatta.learners.categories import native_columns, native_space
from regatta.learners.lightgbm_text import check_text
from regatta.learners.stopping import LEAST_SECONDS, WORK, Stopping, at_pace, likely_rounds
from regatta.learners.threads import available_cores

__all__ = ["LightGBMLearner", "LightGBMModel"]

FILE = "model.txt"
FEW_ROWS = 500
WIDE = 60
# Columns whose values all have a code of their own, and those with one more for the rare ones.
MOST_CATEGORIES, EVERY_CATEGORY = 1000, 1001
# Linear leaves go on beyond the training values; predictions do so by this share of their range.
BEYOND = 0.1
_OBJECTIVES = {
    "binary": ("binary", "binary_logloss"),
    "multiclass": ("multiclass", "multi_logloss"),
    "regression": ("regression", "l2"),
    "median": ("regression_l1", "l1"),
}


class LightGBMModel(Model):
    """A booster, up to its best round.

    Parameters
    ----------
    text : str
        LightGBM's own format.
    n_outputs : int
        Columns of a prediction.
    scale : ndarray of shape (2,), float64
        Mean and standard deviation of the target; 0 and 1 for classes.
    threads : int, default 1
        Threads for many rows; few are predicted by one.
    bounds : ndarray of shape (2,), float64, optional
        Least and greatest standardised value that is believed, of trees with linear leaves.
    """

    def __init__(
        self,
        text: str,
        n_outputs: int,
        scale: Array,
        threads: int = 1,
        bounds: Array | None = None,
    ) -> None:
        import lightgbm

        self.text, self.n_outputs, self.scale, self.threads = text, n_outputs, scale, threads
        self.bounds = bounds
        self.booster = lightgbm.Booster(model_str=text)

    def predict(self, X: Matrix) -> Array:
        """Predict encoded rows (see `Model.predict`)."""
        threads = 1 if X.shape[0] < FEW_ROWS else self.threads
        found = np.asarray(self.booster.predict(X, num_threads=threads), dtype=np.float64)
        if self.bounds is not None:
            found = np.clip(found, *self.bounds)
        if self.n_outputs == 1:
            value: Array = found * self.scale[1] + self.scale[0]
            return value.reshape(-1, 1)
        return as_probabilities(found)

    def save(self, folder: Path) -> None:
        """Write ``model.txt`` (LightGBM's own), ``model.json`` and ``model.npz``."""
        (folder / FILE).write_text(self.text, encoding="utf-8")
        bounds = {} if self.bounds is None else {"bounds": self.bounds}
        State({"n_outputs": self.n_outputs, "scale": self.scale, **bounds}).save(folder, "model")

    @classmethod
    def load(cls, folder: Path) -> "LightGBMModel":
        """Read what `save` wrote (see `Model.load`)."""
        import lightgbm

        state = State.load(folder, "model")
        n_outputs = state.number("n_outputs")
        scale = state.array("scale", np.float64, (2,))
        bounds = state.array("bounds", np.float64, (2,)) if "bounds" in state.values else None
        try:
            text = (folder / FILE).read_text(encoding="utf-8")
            check_text(text, n_outputs, linear=bounds is not None)
            return cls(text, n_outputs, scale, available_cores(), bounds)
        except (OSError, ValueError, KeyError, lightgbm.basic.LightGBMError) as err:
            raise ArtifactError(
                f"{FILE!r} of {folder.name!r} cannot be read ({err})",
                expected="a LightGBM model",
                fix="make the artifact again or restore it from a backup",
            ) from err


class LightGBMLearner(Learner):
    """Gradient-boosted trees that grow where they gain most.

    Those of ``dart`` learn without some of the trees before them, drawn anew each round.

    References
    ----------
    .. [1] G. Ke et al., LightGBM: a highly efficient gradient boosting decision tree, NeurIPS 2017.
    .. [2] D. Holzmüller et al., Better by default, NeurIPS 2024: defaults near its tuned ones,
       with fewer leaves for small tables.
    .. [3] Y. Shi et al., Gradient boosting with piece-wise linear regression trees, IJCAI 2019:
       the linear leaves, for regressions only.
    .. [4] K. V. Rashmi, R. Gilad-Bachrach, DART: dropouts meet multiple additive regression trees,
       AISTATS 2015.
    """

    key: ClassVar[str] = "lightgbm"
    encoding: ClassVar[Encoding] = "tree"
    model: ClassVar[type[Model]] = LightGBMModel
    seconds_per_byte: ClassVar[float] = 5e-8
    medians: ClassVar[bool] = True

    def defaults(self, shape: Shape) -> dict[str, Any]:
        """Return the parameters of a good first try."""
        regression = shape.task == "regression"
        linear = {"linear_leaves": False, "linear_l2": 10.0} if regression else {}
        natives = native_space(shape, MOST_CATEGORIES, EVERY_CATEGORY)
        return {
            **linear,
            **dict.fromkeys(natives, MOST_CATEGORIES),
            "learning_rate": 0.05,
            "n_rounds": 5000,
            "patience": 60,
            "num_leaves": int(np.clip(shape.n_rows // 60, 7, 63 if regression else 31)),
            "min_rows": int(np.clip(shape.n_rows // 100, 3, 20)),
            "row_share": 0.8,
            "column_share": 0.8 if shape.n_columns > 5 else 1.0,
            "l2": 1.0,
            "category_smoothing": 10.0,
            # LightGBM's own 100 makes it blind to the categories of a small table.
            "category_min_rows": int(np.clip(shape.n_rows // 100, 3, 100)),
            "max_bins": 255,
            "extra_trees": False,
            "dart": False,
        }

    def space(self, shape: Shape) -> Space:
        """Return what may be searched."""
        leaves = int(np.clip(shape.n_rows // 10, 8, 256))
        linear = {
            "linear_leaves": Param("choice", choices=(False, True)),
            "linear_l2": Param("float", 0.1, 100.0, log=True),
        }
        return {
            **(linear if shape.task == "regression" else {}),
            **native_space(shape, MOST_CATEGORIES, EVERY_CATEGORY),
            "learning_rate": Param("float", 0.01, 0.2, log=True),
            "num_leaves": Param("int", 4, leaves, log=True),
            "min_rows": Param("int", 2, int(np.clip(shape.n_rows // 20, 3, 100)), log=True),
            "row_share": Param("float", 0.5, 1.0),
            "column_share": Param("float", 0.3, 1.0),
            "l2": Param("float", 1e-3, 100.0, log=True),
            "category_smoothing": Param("float", 1.0, 100.0, log=True),
            "extra_trees": Param("choice", choices=(False, True)),
        }

    def memory_bytes(self, shape: Shape, params: Params) -> int:
        """Estimate the peak memory of `fit`: bins, scores and gradients, histograms."""
        bins = shape.n_rows * shape.n_columns * (1 if params["max_bins"] < 256 else 2)
        scores = shape.n_rows * (16 + 24 * shape.n_scores)
        histograms = params["num_leaves"] * shape.n_columns * params["max_bins"] * 16
        return int(2 * bins + scores + histograms)

    def fit_seconds(self, shape: Shape, params: Params) -> float:
        """Estimate the time of `fit`: rows, cells and leaves of each tree."""
        share = params["column_share"]
        tree = shape.n_rows * (1e-7 + 1e-9 * shape.n_columns * share)
        tree += 2e-8 * params["num_leaves"] * shape.n_columns
        return float(LEAST_SECONDS + likely_rounds(params) * shape.n_scores * tree)

    def fit(
        self, data: FitData, params: Params, *, seed: int, threads: int, deadline: float
    ) -> Model:
        """Fit one fold (see `Learner.fit`)."""
        import lightgbm

        check_target(data)
        # LightGBM keeps targets in float32.
        y, y_valid, scale = standardised(data)
        # LightGBM fits the lines to dense columns, by least squares.
        fits_lines = isinstance(data.X, np.ndarray) and not data.median
        linear = bool(params.get("linear_leaves")) and fits_lines
        options = {**_options(data, params, seed, threads), "linear_tree": linear}
        # Rounds change the trees of those before them: there is no best round to go back to.
        dart = bool(params.get("dart"))
        if linear:
            options["linear_lambda"] = params["linear_l2"]
        natives = native_columns(data, params.get("native_categories", MOST_CATEGORIES))
        train = lightgbm.Dataset(
            data.X, y, weight=data.weights, categorical_feature=list(natives), params=options
        )
        valid = lightgbm.Dataset(
            data.X_valid, y_valid, reference=train, weight=data.weights_valid, params=options
        )

        def boost(rate: float, stopping: Stopping) -> Any:
            def watch(env: Any) -> None:
                if stopping.ends(env.iteration, env.evaluation_result_list[0][2]):
                    raise lightgbm.callback.EarlyStopException(
                        stopping.best_round, env.evaluation_result_list
                    )

            most = min(params["n_rounds"], WORK / rate if dart else math.inf)
            return lightgbm.train(
                {**options, "learning_rate": rate},
                train,
                num_boost_round=math.ceil(most),
                valid_sets=[valid],
                callbacks=[watch],
            )

        patience = int(params["n_rounds"] if dart else params["patience"])
        booster, stopping = at_pace(boost, params["learning_rate"], patience, deadline)
        rounds = booster.current_iteration() if dart else stopping.best_round + 1
        text = booster.model_to_string(num_iteration=rounds)
        bounds = _bounds(y) if linear else None
        model = LightGBMModel(text, data.n_outputs, scale, threads, bounds)
        model.truncated, model.learnt = stopping.truncated, stopping.learnt(rounds)
        return model


def _bounds(y: Array) -> Array:
    """Return what predictions of linear leaves may be, in standardised units."""
    beyond = BEYOND * np.ptp(y)
    return np.array([y.min() - beyond, y.max() + beyond], dtype=np.float64)


def _options(data: FitData, params: Params, seed: int, threads: int) -> dict[str, Any]:
    """Return LightGBM's own names."""
    objective, metric = _OBJECTIVES[data.loss]
    options = {
        "objective": objective,
        "metric": metric,
        "num_leaves": int(params["num_leaves"]),
        "min_data_in_leaf": int(params["min_rows"]),
        "bagging_fraction": params["row_share"],
        "bagging_freq": 1 if params["row_share"] < 1 else 0,
        "feature_fraction": params["column_share"],
        "lambda_l2": params["l2"],
        "cat_smooth": params["category_smoothing"],
        "min_data_per_group": int(params["category_min_rows"]),
        "max_bin": int(params["max_bins"]),
        "extra_trees": bool(params["extra_trees"]),
        "boosting": "dart" if params.get("dart") else "gbdt",
        "num_threads": threads,
        "seed": seed,
        "deterministic": True,
        # One of the two, always the same: else LightGBM tries which is faster, and results differ.
        "force_col_wise" if data.X.shape[1] > WIDE else "force_row_wise": True,
        "verbosity": -1,
    }
    if data.task == "multiclass":
        options["num_class"] = data.n_outputs
    return options
