"""Metrics by name, each with its direction, the tasks it suits and what it reads.

scikit-learn computes them; this table only says which one fits which task. Scores are in the
metric's natural units; `Metric.loss` turns them so that less is always better.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from regatta.errors import SettingsError, nearest

__all__ = ["METRICS", "Metric", "default_metric", "get_metric", "metrics_for"]

Array = npt.NDArray[np.float64]
CLASSIFICATION = frozenset({"binary", "multiclass"})
CLIP = 1e-15


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
    function : callable
        ``function(y_true, predicted) -> float``, both as `score` takes them.
    """

    key: str
    label: str
    tasks: frozenset[str]
    greater_is_better: bool
    function: Callable[[Array, Array], float]

    def score(self, y_true: Array, predicted: Array) -> float:
        """Score predictions.

        Parameters
        ----------
        y_true : ndarray of shape (n_rows,), float64
            Class codes, or values of a regression.
        predicted : ndarray of shape (n_rows, n_outputs), float64
            Probability of each class, or the value in one column.

        Returns
        -------
        float
            The score in the metric's own units; NaN where it is undefined (one class only).
        """
        return float(self.function(y_true, predicted))

    def loss(self, score: float) -> float:
        """Return the score turned so that less is better."""
        return -score if self.greater_is_better else score

    @property
    def by_label(self) -> bool:
        """Whether it reads the label only: the column of the highest number in each row."""
        return self.key in ("accuracy", "balanced_accuracy", "f1", "f1_macro")


def _labels(predicted: Array) -> npt.NDArray[np.intp]:
    return np.asarray(predicted.argmax(axis=1))


def _sk(name: str) -> Any:
    """Fetch a function of `sklearn.metrics` when it is first needed: the import takes a second."""
    from sklearn import metrics

    return getattr(metrics, name)


def _roc_auc(y: Array, p: Array) -> float:
    present = np.unique(y)
    if len(present) < 2:
        return float("nan")
    if p.shape[1] == 2:
        return float(_sk("roc_auc_score")(y, p[:, 1]))
    # One against the rest, over the classes that are there.
    scores = [_sk("roc_auc_score")(y == code, p[:, int(code)]) for code in present]
    return float(np.mean(scores))


def _log_loss(y: Array, p: Array) -> float:
    chosen = np.clip(p[np.arange(len(y)), y.astype(np.intp)], CLIP, 1.0)
    return float(-np.mean(np.log(chosen)))


def _brier(y: Array, p: Array) -> float:
    truth = np.eye(p.shape[1])[y.astype(np.intp)]
    # Half of the multiclass definition: for two classes this is the usual Brier score.
    return float(np.mean(np.sum((p - truth) ** 2, axis=1)) / 2)


def _average_precision(y: Array, p: Array) -> float:
    present = np.unique(y)
    if len(present) < 2:
        return float("nan")
    codes = [1.0] if p.shape[1] == 2 else present
    return float(np.mean([_sk("average_precision_score")(y == c, p[:, int(c)]) for c in codes]))


def _by_label(name: str, **options: Any) -> Callable[[Array, Array], float]:
    return lambda y, p: float(_sk(name)(y.astype(np.intp), _labels(p), **options))


def _by_value(name: str) -> Callable[[Array, Array], float]:
    return lambda y, p: float(_sk(name)(y, p[:, 0]))


def _rmsle(y: Array, p: Array) -> float:
    if y.min() <= -1:
        return float("nan")
    return float(np.sqrt(np.mean((np.log1p(y) - np.log1p(np.clip(p[:, 0], 0, None))) ** 2)))


_REGRESSION = frozenset({"regression"})
_BINARY = frozenset({"binary"})

METRICS: dict[str, Metric] = {
    metric.key: metric
    for metric in (
        Metric("roc_auc", "ROC AUC", CLASSIFICATION, True, _roc_auc),
        Metric("log_loss", "log-loss", CLASSIFICATION, False, _log_loss),
        Metric("accuracy", "accuracy", CLASSIFICATION, True, _by_label("accuracy_score")),
        Metric(
            "balanced_accuracy",
            "balanced accuracy",
            CLASSIFICATION,
            True,
            _by_label("balanced_accuracy_score"),
        ),
        Metric("f1", "F1", _BINARY, True, _by_label("f1_score", zero_division=0.0)),
        Metric(
            "f1_macro",
            "macro F1",
            CLASSIFICATION,
            True,
            _by_label("f1_score", average="macro", zero_division=0.0),
        ),
        Metric("average_precision", "average precision", CLASSIFICATION, True, _average_precision),
        Metric("brier", "Brier score", CLASSIFICATION, False, _brier),
        Metric("rmse", "RMSE", _REGRESSION, False, _by_value("root_mean_squared_error")),
        Metric("mae", "MAE", _REGRESSION, False, _by_value("mean_absolute_error")),
        Metric("r2", "R²", _REGRESSION, True, _by_value("r2_score")),
        Metric("rmsle", "RMSLE", _REGRESSION, False, _rmsle),
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
