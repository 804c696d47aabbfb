"""Extremely randomised trees: random thresholds, all rows (scikit-learn)."""

from typing import Any, ClassVar

from regatta.learners.base import Params, Shape
from regatta.learners.forest import visits
from regatta.learners.forest_learner import ForestLearner

__all__ = ["ExtraTreesLearner"]


class ExtraTreesLearner(ForestLearner):
    """Extremely randomised trees.

    Each tree sees all rows (of a large table a part) and compares columns with random thresholds.

    References
    ----------
    .. [1] P. Geurts et al., Extremely randomized trees, Machine Learning 63 (2006). We differ by
       half a row of the class prior in each leaf, which keeps log-loss finite.
    """

    key: ClassVar[str] = "extra_trees"
    value_share: ClassVar[float] = 0.8
    class_share: ClassVar[float] = 0.3
    bootstraps: ClassVar[bool] = False

    def forests(self) -> tuple[type[Any], type[Any]]:
        """Import and return the forest of classes and the one of values."""
        from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor

        return ExtraTreesClassifier, ExtraTreesRegressor

    def fit_seconds(self, shape: Shape, params: Params) -> float:
        """Estimate the time of `fit`: each row is sorted into each level of each tree."""
        each = 1.1e-8 * shape.n_columns * params["column_share"]
        return float(visits(shape, params) * each)
