"""What a learner is: a family of models with a space, an estimate of its needs, fit and predict.

Each learner is one file beside this one, registered in `regatta.learners`. The class `Learner`
fits; the `Model` that comes out predicts, and is written without pickle, so that loading one
cannot run code.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import sparse

from regatta.errors import TrialSkipped
from regatta.settings import Task

__all__ = [
    "MEDIAN",
    "STATISTICS",
    "Encoding",
    "FitData",
    "Learner",
    "Loss",
    "Matrix",
    "Model",
    "Param",
    "Params",
    "Shape",
    "Space",
    "as_probabilities",
    "average",
    "check_target",
    "class_shares",
    "out_of_time",
    "scale_of",
    "standardised",
]

Encoding = Literal["tree", "linear", "dense", "scaled"]
Loss = Literal["binary", "multiclass", "regression", "median"]
Matrix: TypeAlias = npt.NDArray[np.float32] | sparse.csr_matrix
Params = Mapping[str, Any]
Array = npt.NDArray[np.float64]


MEDIAN = {"statistic": "median"}
"""What a recipe has among its parameters to learn medians of values."""
STATISTICS = ("mean", "median")
"""What the parameter may be, for learners that can."""


@dataclass(frozen=True)
class Param:
    """One dimension of a search space.

    Attributes
    ----------
    kind : {"int", "float", "choice"}
        What values it takes.
    low, high : float
        Bounds, both included; of ``int`` and ``float``.
    log : bool
        Whether to draw on a logarithmic scale.
    choices : tuple
        Values of a ``choice``.
    """

    kind: Literal["int", "float", "choice"]
    low: float = 0.0
    high: float = 1.0
    log: bool = False
    choices: tuple[Any, ...] = ()


Space = Mapping[str, Param]


@dataclass(frozen=True)
class Shape:
    """Size of what is learnt from.

    Attributes
    ----------
    task : {"binary", "multiclass", "regression"}
        Kind of prediction.
    n_rows, n_columns : int
        Training rows, and columns after encoding.
    n_outputs : int
        Number of classes; 1 for a regression.
    n_categories : int, default 0
        Values of the categorical column that has most; 0 if there is none.
    """

    task: Task
    n_rows: int
    n_columns: int
    n_outputs: int
    n_categories: int = 0

    @property
    def n_scores(self) -> int:
        """Scores that a model gives a row: one a class, one for two classes and for values."""
        return self.n_outputs if self.task == "multiclass" else 1


@dataclass(frozen=True)
class FitData:
    """The encoded rows of one fold.

    Attributes
    ----------
    task : {"binary", "multiclass", "regression"}
        Kind of prediction.
    n_outputs : int
        Number of classes; 1 for a regression.
    X, X_valid : ndarray or CSR matrix of shape (n_rows, n_columns), float32
        Rows to fit, and rows for early stopping and for the out-of-fold score.
    y, y_valid : ndarray of shape (n_rows,), float64
        Class codes or values.
    categorical : tuple of int
        Columns of X that hold category codes (encoding ``tree``); missing or unseen is NaN.
    weights, weights_valid : ndarray of shape (n_rows,), float64, or None
        What the rows count, above 0, of mean 1 in a race; None: all the same. A row of weight 2
        counts as two rows do, as far as the learner can tell them apart.
    median : bool
        Whether values to predict are medians, whose absolute errors are least, and not means. A
        learner that has no such loss predicts means.
    """

    task: Task
    n_outputs: int
    X: Matrix
    y: Array
    X_valid: Matrix
    y_valid: Array
    categorical: tuple[int, ...] = ()
    weights: Array | None = None
    weights_valid: Array | None = None
    median: bool = False

    @property
    def loss(self) -> Loss:
        """What a fit makes least: that of the task, or absolute errors."""
        return "median" if self.median else self.task


class Model(ABC):
    """A fitted learner that predicts.

    Attributes
    ----------
    truncated : bool
        Whether the deadline stopped the fit early. Not saved.
    learnt : mapping of str to float, or None
        Parameters that were found out by the validation rows, such as the number of rounds: with
        them the learner needs none, and can learn from all rows. None: it always needs some. Not
        saved.
    """

    truncated: bool = False
    learnt: Mapping[str, float] | None = None

    @abstractmethod
    def predict(self, X: Matrix) -> Array:
        """Predict encoded rows.

        Parameters
        ----------
        X : ndarray or CSR matrix of shape (n_rows, n_columns), float32
            Rows in the encoding of the learner.

        Returns
        -------
        ndarray of shape (n_rows, n_outputs), float64
            Probability of each class (rows add up to 1), or the value.
        """

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write the model's files into an existing folder, without pickle."""

    @classmethod
    @abstractmethod
    def load(cls, folder: Path) -> "Model":
        """Read what `save` wrote.

        Raises
        ------
        ArtifactError
            A file is missing or does not hold what it should.
        """


class Learner(ABC):
    """A family of models.

    Attributes
    ----------
    key : str
        Name in settings, records and folders.
    tasks : frozenset of str
        The tasks it can learn.
    encoding : {"tree", "linear", "dense", "scaled"}
        The matrix it takes (see `regatta.features.encoders`).
    model : type of Model
        What `fit` returns.
    package : str
        Extra of Regatta, and module of the same name, that `fit` needs; empty: none. Without it
        the learner does not race.
    medians : bool
        Whether `fit` can learn medians (`FitData.median`).
    weighted : bool
        Whether `fit` heeds weights. Where rows have some, one that does not does not race.
    seconds_per_byte : float
        Time to verify and to load a byte of a saved model; arrays are soon read, texts and JSON
        have to be parsed.
    """

    key: ClassVar[str]
    tasks: ClassVar[frozenset[str]] = frozenset({"binary", "multiclass", "regression"})
    encoding: ClassVar[Encoding]
    model: ClassVar[type[Model]]
    package: ClassVar[str] = ""
    medians: ClassVar[bool] = False
    weighted: ClassVar[bool] = True
    seconds_per_byte: ClassVar[float] = 8e-9

    @classmethod
    def installed(cls) -> bool:
        """Return whether what `fit` needs is there."""
        return not cls.package or find_spec(cls.package) is not None

    @abstractmethod
    def defaults(self, shape: Shape) -> dict[str, Any]:
        """Return the parameters of a good first try."""

    @abstractmethod
    def space(self, shape: Shape) -> Space:
        """Return what may be searched; each name is also one of `defaults`."""

    @abstractmethod
    def memory_bytes(self, shape: Shape, params: Params) -> int:
        """Estimate the peak memory of `fit` beyond the encoded matrices, in bytes."""

    @abstractmethod
    def fit_seconds(self, shape: Shape, params: Params) -> float:
        """Estimate how long `fit` takes on one core of the reference machine, in seconds.

        Parameters
        ----------
        shape : Shape
            Size of one fold's training rows, before they are encoded.
        params : mapping
            Parameters, all of them.

        Notes
        -----
        A race corrects the level by its own trials (`regatta.search.costs`); what counts is how it
        grows with rows and parameters. The constants are fitted to the logarithms of 640 trials of
        15 tables of 750 to 42,700 rows, most of which are hit within a factor of 1.5, nearly all
        within 5.
        """

    @abstractmethod
    def fit(
        self, data: FitData, params: Params, *, seed: int, threads: int, deadline: float
    ) -> Model:
        """Fit one fold.

        Parameters
        ----------
        data : FitData
            Encoded rows.
        params : mapping
            Parameters, as `defaults` and `space` name them.
        seed : int
            Seed of every draw.
        threads : int
            Native threads to use, exactly.
        deadline : float
            Time since the epoch, in seconds, at which to stop with what there is. A learner
            that cannot stop by itself is ended from outside.

        Returns
        -------
        Model
            The fitted model.

        Raises
        ------
        TrialSkipped
            The learner cannot fit these rows, and says why.
        """


def out_of_time(deadline: float) -> bool:
    """Return whether a deadline (seconds since the epoch) has passed."""
    return time.time() >= deadline


def check_target(data: FitData) -> None:
    """Raise `TrialSkipped` where there is nothing to learn: no rows, or one target value."""
    if len(data.y) and not (data.y == data.y[0]).all():
        return
    found = f"the target is {data.y[0]:g} in all rows" if len(data.y) else "there are no rows"
    raise TrialSkipped(
        f"{found} that this fold fits",
        expected="at least two different target values",
        fix="use fewer folds, or more rows of the rare class",
    )


def standardised(data: FitData) -> tuple[Array, Array, Array]:
    """Return targets as libraries take them that compute in float32.

    Parameters
    ----------
    data : FitData
        Rows of any task.

    Returns
    -------
    y, y_valid : ndarray of shape (n_rows,), float64
        Values of (weighted) mean 0 and deviation 1 over the rows to fit; class codes as they are.
    scale : ndarray of shape (2,), float64
        Mean and standard deviation that were taken out; 0 and 1 for classes.
    """
    if data.task != "regression":
        return data.y, data.y_valid, np.array([0.0, 1.0])
    scale = scale_of(data)
    return (data.y - scale[0]) / scale[1], (data.y_valid - scale[0]) / scale[1], scale


def scale_of(data: FitData) -> Array:
    """Return mean and standard deviation of the rows to fit, of shape (2,), float64."""
    mean = average(data.y, data.weights)
    if data.weights is None:
        return np.array([mean, data.y.std()], dtype=np.float64)
    return np.array([mean, average((data.y - mean) ** 2, data.weights) ** 0.5], dtype=np.float64)


def average(values: Array, weights: Array | None) -> float:
    """Return the mean of values of shape (n_rows,), weighted if there are weights."""
    return float(values.mean() if weights is None else np.dot(values, weights) / weights.sum())


def class_shares(data: FitData, extra: float = 0.0) -> Array:
    """Return what share of the rows to fit, or of their weight, each class has.

    Parameters
    ----------
    data : FitData
        Rows of classes.
    extra : float, default 0
        Rows that each class has besides.

    Returns
    -------
    ndarray of shape (n_outputs,), float64
        They add up to 1.
    """
    counts = np.bincount(data.y.astype(np.intp), data.weights, minlength=data.n_outputs) + extra
    shares: Array = counts / counts.sum()
    return shares


def as_probabilities(predicted: npt.NDArray[Any]) -> Array:
    """Return probabilities of all classes from those that a library gives.

    Parameters
    ----------
    predicted : ndarray of shape (n_rows,) or (n_rows, n_outputs)
        Probability of the second of two classes, or of each class.

    Returns
    -------
    ndarray of shape (n_rows, n_outputs), float64
        Rows add up to 1.
    """
    predicted = np.asarray(predicted, dtype=np.float64)
    if predicted.ndim == 1 or predicted.shape[1] == 1:
        positive = predicted.reshape(-1)
        return np.column_stack([1 - positive, positive])
    total: Array = predicted.sum(axis=1, keepdims=True)
    return predicted / total
