"""The locked rows of a run, with what the bundle says of them: opened once, by ``evaluate``."""

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from regatta.dataset import load_frame
from regatta.dataset.schema import Schema
from regatta.errors import ArtifactError
from regatta.evaluation.sampling import draw_rows
from regatta.settings import RunSettings
from regatta.splits import Lock, Splits
from regatta.splits.together import lock_keys

if TYPE_CHECKING:
    import pandas as pd

    from regatta.bundle import Bundle

__all__ = ["Locked", "open_locked"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Locked:
    """The locked rows that are scored, with what the bundle says of them.

    Attributes
    ----------
    frame : DataFrame of shape (n_scored, n_columns)
        The rows without target and weight.
    y : ndarray of shape (n_scored,), float64
        Their target, encoded.
    predicted : ndarray of shape (n_scored, n_outputs), float64
        What the bundle says of them.
    all_rows : ndarray of shape (n_locked,), int64
        Positions of the whole locked part in the table.
    train_rows : ndarray of shape (n_train,), int64
        Positions of the other rows.
    y_train : ndarray of shape (n_train,), float64
        Their target, encoded.
    keys : ndarray of shape (n_scored,), uint64
        Keys of the rows.
    lock : Lock
        How rows are locked.
    weights : ndarray of shape (n_scored,), float64, or None
        Weights of mean 1; None where all rows weigh the same.
    train_weights : ndarray of shape (n_train,), float64, or None
        Weights of the other rows, as the table has them.
    together : ndarray of shape (n_scored,), uint64, or None
        Keys of the groups or times of the rows; None where each row is by itself.
    all_groups : ndarray, uint64
        Keys of all groups that are locked; empty where rows are of none.
    all_keys : ndarray, uint64
        Keys of all locked rows where more are locked than scored and none are of groups.
    by : str
        How rows were split; empty where each was by itself.
    """

    frame: "pd.DataFrame"
    y: Array
    predicted: Array
    all_rows: npt.NDArray[np.int64]
    train_rows: npt.NDArray[np.int64]
    y_train: Array
    keys: npt.NDArray[np.uint64]
    lock: Lock
    weights: Array | None
    train_weights: Array | None
    together: npt.NDArray[np.uint64] | None
    all_groups: npt.NDArray[np.uint64]
    all_keys: npt.NDArray[np.uint64]
    by: str

    @property
    def groups(self) -> npt.NDArray[np.uint64] | None:
        """Group of each row that is scored, where rows are of groups."""
        return self.together if self.lock.group else None

    @property
    def sha256(self) -> str:
        """Digest of which rows are locked."""
        return hashlib.sha256(self.all_rows.astype("<i8").tobytes()).hexdigest()


def open_locked(
    dataset: str, schema: Schema, splits: str, model: "Bundle", settings: RunSettings
) -> Locked:
    """Read the locked rows, a random part of them if there are very many, and predict them.

    Parameters
    ----------
    dataset, splits : str
        Folders of the artifacts to read.
    schema : Schema
        Schema of the table.
    model : Bundle
        The bundle that predicts.
    settings : RunSettings
        ``evaluate.max_rows`` and the seed of the rows that are drawn.

    Raises
    ------
    ArtifactError
        No row is locked, or one is without a target.
    """
    cut = Splits.open(splits)
    rows, train_rows = (np.asarray(part, dtype=np.int64) for part in (cut.locked(), cut.train()))
    judged = load_frame(dataset, columns=schema.measured, rows=rows)
    y, weights = schema.encode_target(judged[schema.target]), schema.weights(judged)
    if not len(y) or not np.isfinite(y).all():
        raise ArtifactError(
            f"{len(y)} locked rows, {int(np.isnan(y).sum())} of them without a target",
            expected="locked rows that all have one",
            fix="run split again",
        )
    rng = np.random.default_rng(np.random.SeedSequence([settings.seed, 11]))
    drawn = draw_rows(y, settings.evaluate.max_rows, rng, stratify=bool(schema.classes))
    columns = [column.name for column in schema.columns if column.name not in schema.measured]
    frame = load_frame(dataset, columns=columns, rows=rows[drawn], verify=False)
    train = load_frame(dataset, columns=schema.measured, rows=train_rows, verify=False)
    together = lock_keys(dataset, schema, cut.keys, cut.lock.seed, rows)
    return Locked(
        frame=frame.reset_index(drop=True),
        y=y[drawn],
        predicted=model.predict_array(frame),
        all_rows=rows,
        train_rows=train_rows,
        y_train=schema.encode_target(train[schema.target]),
        keys=cut.keys[drawn],
        lock=cut.lock,
        weights=None if weights is None else weights[drawn] / weights[drawn].mean(),
        train_weights=schema.weights(train),
        together=None if together is None else together[drawn],
        all_groups=np.empty(0, np.uint64)
        if together is None or schema.time
        else np.unique(together),
        all_keys=cut.keys[: 0 if schema.group or len(drawn) == len(rows) else None],
        by=cut.by,
    )
