"""What random forests and extremely randomised trees have in common as learners."""

from abc import abstractmethod
from typing import Any, ClassVar

from regatta.learners.base import Encoding, FitData, Learner, Model, Param, Params, Shape, Space
from regatta.learners.forest import ForestModel, grow

__all__ = ["ForestLearner"]

MOST_ROWS = 100_000
MOST_LEAVES = 5000
N_TREES = 200
LEAST_LEAF = 2


class ForestLearner(Learner):
    """A forest of scikit-learn.

    Attributes
    ----------
    value_share, class_share : float
        Share of the columns that a split compares: of a regression; of classes at least.
    bootstraps : bool
        Whether each tree draws its rows with replacement; of a large table it always does.
    """

    encoding: ClassVar[Encoding] = "tree"
    model: ClassVar[type[Model]] = ForestModel
    value_share: ClassVar[float]
    class_share: ClassVar[float]
    bootstraps: ClassVar[bool]

    @abstractmethod
    def forests(self) -> tuple[type[Any], type[Any]]:
        """Import and return the forest of classes and the one of values."""

    def defaults(self, shape: Shape) -> dict[str, Any]:
        """Return the parameters of a good first try.

        Leaves hold at least a 5,000th of the rows: beyond that a forest grows in size, not in
        score.
        """
        of_classes = max(self.class_share, shape.n_columns**-0.5)
        return {
            "n_trees": N_TREES,
            "min_rows": max(LEAST_LEAF, round(min(shape.n_rows, MOST_ROWS) / MOST_LEAVES)),
            "column_share": self.value_share if shape.task == "regression" else of_classes,
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

    def fit(
        self, data: FitData, params: Params, *, seed: int, threads: int, deadline: float
    ) -> Model:
        """Fit one fold (see `Learner.fit`)."""
        forest = self.forests()[data.task == "regression"]
        part = float(params["row_share"])
        return grow(
            forest(
                n_estimators=1,
                min_samples_leaf=int(params["min_rows"]),
                max_features=float(params["column_share"]),
                bootstrap=self.bootstraps or part < 1,
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
