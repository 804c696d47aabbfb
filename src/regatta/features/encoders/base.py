"""What an encoder is: fitted on the training rows of a fold, from features to one matrix."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse

from regatta.artifacts.state import State
from regatta.features.rows import Feature
from regatta.settings import Task

__all__ = ["Encoder", "Frame", "Matrix", "column", "count_rows", "some_rows", "varying"]

Frame = pd.DataFrame | Mapping[str, npt.NDArray[Any]]
"""Features: what `RowFeatures.transform` or, faster for few rows, `RowFeatures.arrays` returns."""

Matrix: TypeAlias = npt.NDArray[np.float32] | sparse.csr_matrix


class Encoder(ABC):
    """A map from features to one matrix, fitted on the training rows of a fold.

    Whatever depends on the target is computed out of fold for the training rows, so that a
    learner sees there what it will see in unknown rows.

    Parameters
    ----------
    columns : sequence of Feature
        The features it reads.

    Attributes
    ----------
    key : str
        Name in learners, records and folders.
    names : list of str
        Names of the matrix's columns.
    categorical : tuple of int
        Columns of the matrix that hold category codes.
    """

    key: ClassVar[str]

    def __init__(self, columns: Sequence[Feature]) -> None:
        self.columns = tuple(columns)
        self.names: list[str] = []
        self.categorical: tuple[int, ...] = ()

    @abstractmethod
    def fit_transform(
        self,
        frame: Frame,
        y: npt.NDArray[np.float64],
        task: Task,
        n_outputs: int,
        seed: int,
        deadline: float,
    ) -> Matrix:
        """Fit on training rows and encode them.

        Parameters
        ----------
        frame : DataFrame or mapping of arrays, of n_rows rows
            The features.
        y : ndarray of shape (n_rows,), float64
            Class codes or values.
        task : {"binary", "multiclass", "regression"}
            Kind of prediction.
        n_outputs : int
            Number of classes; 1 for a regression.
        seed : int
            Seed of the inner folds.
        deadline : float
            Time since the epoch, in seconds. What takes long (text) is made smaller or left out
            to be ready by then.

        Returns
        -------
        ndarray or CSR matrix of shape (n_rows, n_columns), float32
            The training rows; target-dependent columns out of fold.
        """

    @abstractmethod
    def transform(self, frame: Frame) -> Matrix:
        """Encode any rows.

        Parameters
        ----------
        frame : DataFrame or mapping of arrays, of n_rows rows
            The features. Categories that were not seen in training are as good as rare ones, or
            missing where there were no rare ones.

        Returns
        -------
        ndarray or CSR matrix of shape (n_rows, n_columns), float32
            The encoded rows.
        """

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """Return what was fitted, as JSON values and arrays by flat names."""

    @classmethod
    @abstractmethod
    def from_state(cls, state: State) -> "Encoder":
        """Rebuild an encoder from what `state` returned.

        Raises
        ------
        ArtifactError
            The values do not fit together.
        """

    def save(self, folder: Path) -> None:
        """Write the encoder into an existing folder, as JSON and arrays."""
        State({"key": self.key, "n_columns": len(self.names), **self.state()}).save(
            Path(folder), "encoder"
        )

    def _named(self, kind: str) -> list[str]:
        """Return the features of a kind."""
        return [feature.name for feature in self.columns if feature.kind == kind]


def count_rows(frame: Frame) -> int:
    """Return the number of rows."""
    if isinstance(frame, pd.DataFrame):
        return len(frame)
    return len(next(iter(frame.values()), ()))


def some_rows(frame: Frame, rows: slice) -> Frame:
    """Return consecutive rows, without a copy."""
    if isinstance(frame, pd.DataFrame):
        return frame.iloc[rows]
    return {name: values[rows] for name, values in frame.items()}


def column(frame: Frame, name: str) -> Any:
    """Return one feature as an ndarray, or as a `pandas.Categorical` where it is stored so."""
    values = frame[name]
    if isinstance(values, pd.Series):
        dtype = values.dtype
        return values.array if isinstance(dtype, pd.CategoricalDtype) else values.to_numpy()
    return values


def varying(frame: Frame, names: Sequence[str]) -> list[str]:
    """Return the numeric features that are not the same in all rows."""
    kept = []
    for name in names:
        values = column(frame, name)
        if len(values) == 0:
            continue
        # Comparing with the first row is faster than a minimum; NaN differs from all but NaN.
        first = values[0]
        same = np.isnan(values) if np.isnan(first) else values == first
        if not same.all():
            kept.append(name)
    return kept
