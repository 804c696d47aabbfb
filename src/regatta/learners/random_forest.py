"""Random forest: bootstrapped rows, best thresholds (scikit-learn)."""

from typing import Any, ClassVar

from regatta.learners.base import Params, Shape
from regatta.learners.forest import visits
from regatta.learners.forest_learner import ForestLearner

__all__ = ["RandomForestLearner"]


class RandomForestLearner(ForestLearner):
    """Random forest.

    Each tree sees a bootstrap sample of the rows and compares the best of some columns.

    References
    ----------
    .. [1] L. Breiman, Random forests, Machine Learning 45 (2001). We differ by half a row of the
       class prior in each leaf, which keeps log-loss finite.
    """

    key: ClassVar[str] = "random_forest"
    value_share: ClassVar[float] = 0.5
    class_share: ClassVar[float] = 0.2
    bootstraps: ClassVar[bool] = True

    def forests(self) -> tuple[type[Any], type[Any]]:
        """Import and return the forest of classes and the one of values."""
        from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

        return RandomForestClassifier, RandomForestRegressor

    def fit_seconds(self, shape: Shape, params: Params) -> float:
        """Estimate the time of `fit`: each row is sorted into each level of each tree."""
        each = 5e-8 + 1e-8 * shape.n_columns * params["column_share"]
        return float(visits(shape, params) * each)
