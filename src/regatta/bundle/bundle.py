"""The bundle in memory: columns in, probabilities or values out."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from regatta.bundle.pooling import LINEAR, Pooling
from regatta.dataset.schema import Column
from regatta.learners.base import Model
from regatta.settings import Task

if TYPE_CHECKING:
    from regatta.features.encoders import Encoder
    from regatta.features.rows import RowFeatures

__all__ = ["Bundle", "Part"]

Array = npt.NDArray[np.float64]

# Encoded cells held at once: 2 million float32 values are 8 MB a raw column width; one-hot and
# text make a few times that of it.
CHUNK_CELLS = 2_000_000
CHUNK_ROWS = 1_024, 65_536


@dataclass(frozen=True)
class Part:
    """One encoder with all models that read its matrix.

    Attributes
    ----------
    encoder : Encoder
        The fitted encoder.
    models : tuple of (float, Model)
        Each model with its share of the whole prediction.
    """

    encoder: "Encoder"
    models: tuple[tuple[float, Model], ...]


@dataclass(frozen=True)
class Bundle:
    """A model that predicts tables; read by `regatta.bundle.load`.

    Nothing in it changes after loading, so threads may share one.

    Attributes
    ----------
    name : str
        Name of the model.
    task : {"binary", "multiclass", "regression"}
        What it predicts.
    target : str
        Column that it was trained to predict.
    classes : tuple of str
        Class labels in the order of the outputs; ``()`` for a regression.
    signature : tuple of Column
        Columns that it reads.
    thresholds : tuple of float
        See `BundleSpec`.
    metadata : mapping
        What else bundle.json says: metric, score, members, fingerprint, versions, and
        ``columns``, the names of all columns of the training table.
    features : RowFeatures
        Row-wise features.
    parts : tuple of Part
        Encoders with their models.
    pooling : Pooling
        How their predictions become one.
    """

    name: str
    task: Task
    target: str
    classes: tuple[str, ...]
    signature: tuple[Column, ...]
    thresholds: tuple[float, ...]
    metadata: Mapping[str, Any]
    features: "RowFeatures"
    parts: tuple[Part, ...]
    pooling: Pooling = LINEAR

    @property
    def n_outputs(self) -> int:
        """Width of a prediction: one column a class, or one for a regression."""
        return len(self.classes) or 1

    def predict_array(self, frame: pd.DataFrame) -> Array:
        """Predict a table as numbers.

        Parameters
        ----------
        frame : DataFrame of shape (n_rows, any)
            Raw columns by name; more than the signature names are allowed and not read.

        Returns
        -------
        ndarray of shape (n_rows, n_outputs), float64
            Probability of each class in the order of `classes`, or the value.

        Raises
        ------
        RequestError
            A column is missing, or a value is not of its type (names column and row).

        Notes
        -----
        Rows are encoded in chunks, so that memory is bounded whatever the table's length. Each
        encoder transforms a chunk once for all models that read it.
        """
        from regatta.dataset import conform

        typed = conform(frame, self.signature)
        terms = np.zeros((len(typed), self.n_outputs))
        for rows in _chunks(len(typed), max(1, len(self.signature))):
            arrays = self.features.arrays(typed.iloc[rows])
            for part in self.parts:
                encoded = part.encoder.transform(arrays)
                for share, model in part.models:
                    terms[rows] += share * self.pooling.terms(model.predict(encoded))
        return self.pooling.pool(terms)

    def labels(self, predicted: Array) -> npt.NDArray[np.intp]:
        """Return the class code of each row.

        Parameters
        ----------
        predicted : ndarray of shape (n_rows, n_classes), float64
            Probabilities.
        """
        if self.thresholds:
            predicted = predicted / np.asarray(self.thresholds)
        codes: npt.NDArray[np.intp] = predicted.argmax(axis=1)
        return codes

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Predict a table.

        Parameters
        ----------
        frame : DataFrame of shape (n_rows, any)
            Raw columns by name; more than the signature names are allowed and not read.

        Returns
        -------
        DataFrame of shape (n_rows, 1 or 1 + n_classes)
            ``prediction``: the class label as text, or the value. For a classification also
            ``proba_<class>``, float64, in the order of `classes`. Index and order of the rows are
            those of `frame`.

        Raises
        ------
        RequestError
            As `predict_array`.
        """
        predicted = self.predict_array(frame)
        return self.to_frame(predicted, frame.index)

    def to_frame(self, predicted: Array, index: "pd.Index[Any] | None" = None) -> pd.DataFrame:
        """Turn the numbers of `predict_array` into the columns of `predict`."""
        if not self.classes:
            return pd.DataFrame({"prediction": predicted[:, 0]}, index=index)
        labels = np.asarray(self.classes, dtype=object)[self.labels(predicted)]
        columns: dict[str, Any] = {"prediction": labels}
        for code, label in enumerate(self.classes):
            columns[f"proba_{label}"] = predicted[:, code]
        return pd.DataFrame(columns, index=index)


def _chunks(n_rows: int, n_columns: int) -> Iterator[slice]:
    """Cut rows into slices of a bounded number of cells."""
    low, high = CHUNK_ROWS
    size = min(high, max(low, CHUNK_CELLS // n_columns))
    for start in range(0, n_rows, size):
        yield slice(start, min(start + size, n_rows))
