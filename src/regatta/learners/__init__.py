"""Learners: one file a family, each with its search space and its estimates.

The native libraries are imported when a learner first fits or loads, not before.
"""

from pathlib import Path

from regatta.errors import SettingsError, nearest
from regatta.learners.base import (
    FitData,
    Learner,
    Model,
    Param,
    Shape,
)
from regatta.learners.catboost import CatBoostLearner
from regatta.learners.extra_trees import ExtraTreesLearner
from regatta.learners.hist_gradient_boosting import HistGradientBoostingLearner
from regatta.learners.lightgbm import LightGBMLearner
from regatta.learners.linear import LinearLearner
from regatta.learners.logarithm import FILE as IN_LOGARITHMS
from regatta.learners.logarithm import LogModel
from regatta.learners.mlp import MlpLearner
from regatta.learners.naive_bayes import NaiveBayesLearner
from regatta.learners.nearest_neighbors import NearestNeighborsLearner
from regatta.learners.normed_mlp import NormedMlpLearner
from regatta.learners.random_forest import RandomForestLearner
from regatta.learners.svm import SvmLearner
from regatta.learners.tabm import TabMLearner
from regatta.learners.xgboost import XGBoostLearner

__all__ = [
    "LEARNERS",
    "FitData",
    "Learner",
    "Model",
    "Param",
    "Shape",
    "get_learner",
    "learners_for",
    "load_model",
]

LEARNERS: dict[str, type[Learner]] = {
    learner.key: learner
    for learner in (
        LightGBMLearner,
        LinearLearner,
        XGBoostLearner,
        CatBoostLearner,
        ExtraTreesLearner,
        MlpLearner,
        NormedMlpLearner,
        TabMLearner,
        RandomForestLearner,
        HistGradientBoostingLearner,
        NearestNeighborsLearner,
        SvmLearner,
        NaiveBayesLearner,
    )
}
"""Every learner by its key, the most promising first."""


def get_learner(key: str) -> Learner:
    """Return a learner by its key.

    Parameters
    ----------
    key : str
        A key of `LEARNERS`.

    Raises
    ------
    SettingsError
        There is no such learner.

    Examples
    --------
    >>> get_learner("lightgmb")
    Traceback (most recent call last):
    regatta.errors.SettingsError: there is no learner 'lightgmb' (did you mean 'lightgbm'?); ...
    """
    if key not in LEARNERS:
        raise SettingsError(
            f"there is no learner {key!r}{nearest(key, LEARNERS)}",
            expected="one of " + ", ".join(sorted(LEARNERS)),
            fix="correct search.learners",
        )
    return LEARNERS[key]()


def load_model(key: str, folder: Path) -> Model:
    """Load a model that a trial saved.

    Parameters
    ----------
    key : str
        Key of its learner.
    folder : Path
        Where it was saved.

    Raises
    ------
    SettingsError
        There is no such learner.
    ArtifactError
        A file is missing or does not hold what it should.
    """
    if (folder / f"{IN_LOGARITHMS}.json").is_file():
        return LogModel.load(folder)
    return get_learner(key).model.load(folder)


def learners_for(task: str) -> list[str]:
    """Return the keys of the learners that can learn a task and are installed.

    Examples
    --------
    >>> learners_for("regression")[:2]
    ['lightgbm', 'linear']
    """
    able = (key for key, learner in LEARNERS.items() if task in learner.tasks)
    return [key for key in able if LEARNERS[key].installed()]
