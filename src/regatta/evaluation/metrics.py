"""Metrics by name, each with its direction, the tasks it suits and what it reads.

Definitions are scikit-learn's, computed by `regatta.evaluation.weighted`: one form serves the score
and its interval, and a task that only measures need not import scikit-learn, which takes two
seconds. Scores are in the metric's natural units; `Metric.loss` turns them so that less is always
better.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from regatta.errors import SettingsError, nearest
from regatta.evaluation.weighted import WEIGHTED

__all__ = ["METRICS", "Metric", "default_metric", "get_metric", "metrics_for"]

Array = npt.NDArray[np.float64]
CLASSIFICATION = frozenset({"binary", "multiclass"})


@dataclass(frozen=True)
class Metric:
    """One way to score predictions.

    Attributes
    ----------
    key : str
        Name in settings and records, as scikit-learn spells it.
    label : str
        Name for people.
    tasks : frozenset of str
        Tasks it suits.
    greater_is_better : bool
        Its direction.
    """

    key: str
    label: str
    tasks: frozenset[str]
    greater_is_better: bool

    def score(self, y_true: Array, predicted: Array, weights: Array | None = None) -> float:
        """Score predictions.

        Parameters
        ----------
        y_true : ndarray of shape (n_rows,), float64
            Class codes, or values of a regression.
        predicted : ndarray of shape (n_rows, n_outputs), float64
            Probability of each class, or the value in one column.
        weights : ndarray of shape (n_rows,), float64, or None
            What each row counts, as ``sample_weight`` of scikit-learn; None: all the same.

        Returns
        -------
        float
            The score in the metric's own units; NaN where it is undefined (one class only).
        """
        each = np.ones(len(y_true)) if weights is None else weights
        return float(WEIGHTED[self.key](y_true, predicted)(each[None])[0])

    def check(self, y_true: Array) -> None:
        """Refuse values that it is defined for no prediction of.

        Parameters
        ----------
        y_true : ndarray of shape (n_rows,), float64
            Class codes, or values of a regression.

        Raises
        ------
        SettingsError
            It takes logarithms, and a value has none.
        """
        if self.of_logarithms and y_true.min() <= -1:
            raise SettingsError(
                f"the least value of the target is {y_true.min():g}, and the metric is 'rmsle'",
                expected="values above -1, for their logarithms are compared",
                fix="use --metric rmse or --metric mae",
            )

    def loss(self, score: float) -> float:
        """Return the score turned so that less is better."""
        return -score if self.greater_is_better else score

    @property
    def of_medians(self) -> bool:
        """Whether the median of what may happen is the best prediction of a value."""
        return self.key == "mae"

    @property
    def of_logarithms(self) -> bool:
        """Whether errors of log(1 + value) are compared."""
        return self.key == "rmsle"

    @property
    def by_label(self) -> bool:
        """Whether it reads the label only: the column of the highest number in each row."""
        return self.key in ("accuracy", "balanced_accuracy", "f1", "f1_macro")


_REGRESSION = frozenset({"regression"})
_BINARY = frozenset({"binary"})

METRICS: dict[str, Metric] = {
    metric.key: metric
    for metric in (
        Metric("roc_auc", "ROC AUC", CLASSIFICATION, True),
        Metric("log_loss", "log-loss", CLASSIFICATION, False),
        Metric("accuracy", "accuracy", CLASSIFICATION, True),
        Metric("balanced_accuracy", "balanced accuracy", CLASSIFICATION, True),
        Metric("f1", "F1", _BINARY, True),
        Metric("f1_macro", "macro F1", CLASSIFICATION, True),
        Metric("average_precision", "average precision", CLASSIFICATION, True),
        Metric("brier", "Brier score", CLASSIFICATION, False),
        Metric("rmse", "RMSE", _REGRESSION, False),
        Metric("mae", "MAE", _REGRESSION, False),
        Metric("r2", "R²", _REGRESSION, True),
        Metric("rmsle", "RMSLE", _REGRESSION, False),
    )
}

_DEFAULTS = {"binary": "roc_auc", "multiclass": "log_loss", "regression": "rmse"}


def default_metric(task: str) -> Metric:
    """Return the metric that a task is optimised for unless the user says otherwise."""
    return METRICS[_DEFAULTS[task]]


def metrics_for(task: str) -> list[Metric]:
    """Return all metrics that suit a task, in the order of the report."""
    return [metric for metric in METRICS.values() if task in metric.tasks]


def get_metric(name: str, task: str) -> Metric:
    """Return a metric by name.

    Parameters
    ----------
    name : str
        A key of `METRICS`, or ``auto``.
    task : {"binary", "multiclass", "regression"}
        What it shall score.

    Raises
    ------
    SettingsError
        There is no such metric, or it does not fit the task.

    Examples
    --------
    >>> get_metric("auto", "regression").label
    'RMSE'
    """
    if name == "auto":
        return default_metric(task)
    fitting = ", ".join(metric.key for metric in metrics_for(task))
    if name not in METRICS:
        raise SettingsError(
            f"there is no metric {name!r}{nearest(name, METRICS)}",
            expected=f"for a {task} task one of {fitting}",
            fix="choose one of them with --metric, or leave it out",
        )
    metric = METRICS[name]
    if task not in metric.tasks:
        raise SettingsError(
            f"metric {name!r} does not fit a {task} task",
            expected=f"one of {fitting}",
            fix="choose one of them with --metric, or another --task",
        )
    return metric
