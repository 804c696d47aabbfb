"""Random forest: bootstrapped rows, best thresholds (scikit-learn)."""

from typing import Any, ClassVar

from regatta.learners.base import Encoding, FitData, Learner, Model, Param, Params, Shape, Space
from regatta.learners.forest import ForestModel, grow, visits

__all__ = ["RandomForestLearner"]

MOST_ROWS = 100_000
MOST_LEAVES = 5000


class RandomForestLearner(Learner):
    """Random forest.

    Each tree sees a bootstrap sample of the rows and compares the best of some columns.

    References
    ----------
    .. [1] L. Breiman, Random forests, Machine Learning 45 (2001). We differ by half a row of the
       class prior in each leaf, which keeps log-loss finite.
    """

    key: ClassVar[str] = "random_forest"
    encoding: ClassVar[Encoding] = "tree"
    model: ClassVar[type[Model]] = ForestModel

    def defaults(self, shape: Shape) -> dict[str, Any]:
        """Return the parameters of a good first try.

        Leaves hold at least a 5,000th of the rows: beyond that a forest grows in size, not in
        score.
        """
        least = 2
        return {
            "n_trees": 200,
            "min_rows": max(least, round(min(shape.n_rows, MOST_ROWS) / MOST_LEAVES)),
            "column_share": 0.5 if shape.task == "regression" else max(0.2, shape.n_columns**-0.5),
            "row_share": min(1.0, MOST_ROWS / max(shape.n_rows, 1)),
        }

    def space(self, shape: Shape) -> Space:
        """Return what may be searched."""
        least = max(1, round(min(shape.n_rows, MOST_ROWS) / MOST_LEAVES / 2))
        return {
            "min_rows": Param("int", least, max(20, 8 * least), log=True),
            "column_share": Param("float", 0.1, 1.0),
        }

    def memory_bytes(self, shape: Shape, params: Params) -> int:
        """Estimate the peak memory of `fit`: the nodes twice, and the rows of a tree per thread."""
        n_leaves = min(shape.n_rows, MOST_ROWS * 2) / max(params["min_rows"], 1)
        nodes = 2 * n_leaves * params["n_trees"]
        return int(nodes * (64 + 20 + 12 * shape.n_scores) + shape.n_rows * 60)

    def fit_seconds(self, shape: Shape, params: Params) -> float:
        """Estimate the time of `fit`: each row is sorted into each level of each tree."""
        each = 5e-8 + 1e-8 * shape.n_columns * params["column_share"]
        return float(visits(shape, params) * each)

    def fit(
        self, data: FitData, params: Params, *, seed: int, threads: int, deadline: float
    ) -> Model:
        """Fit one fold (see `Learner.fit`)."""
        from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

        forest = RandomForestRegressor if data.task == "regression" else RandomForestClassifier
        part = float(params["row_share"])
        return grow(
            forest(
                n_estimators=1,
                min_samples_leaf=int(params["min_rows"]),
                max_features=float(params["column_share"]),
                bootstrap=True,
                max_samples=part if part < 1 else None,
                warm_start=True,
                n_jobs=threads,
                random_state=seed,
            ),
            data,
            params,
            threads=threads,
            deadline=deadline,
        )
