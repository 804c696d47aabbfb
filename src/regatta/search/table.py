"""The training rows of a run, as a lane reads them from the features artifact."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from regatta.artifacts import open_artifact, read_json
from regatta.dataset.schema import Schema
from regatta.learners.base import Shape
from regatta.settings import Task
from regatta.splits.scheme import HOLDOUT_GROUPS

if TYPE_CHECKING:
    import pandas as pd

    from regatta.features.rows import RowFeatures

__all__ = ["TrainingTable"]

Indices = npt.NDArray[np.intp]

# A rare class keeps this many rows in a sample, so that every class is learnt.
ROWS_OF_RARE_CLASS = 20
# A fold that validates so many rows, of so many groups, says enough by itself.
HOLDOUT_ROWS = 2_000


@dataclass(frozen=True)
class TrainingTable:
    """Training rows, their target, and the fold that validates each.

    Attributes
    ----------
    path : Path
        Folder of the features artifact.
    schema : Schema
        Columns of the raw table.
    features : RowFeatures
        Columns of the training rows.
    y : ndarray of shape (n_rows,), float64
        Class codes or values.
    folds : ndarray of shape (n_repeats, n_rows), int16
        Fold that validates the row, in each repeat another one; `n_folds`: none, the row is
        trained on only.
    n_folds : int
        Number of folds, of all repeats together; 1 is a holdout.
    weights : ndarray of shape (n_rows,), float64, or None
        Weight of each row, above 0; None: all weigh the same.
    groups : ndarray of shape (n_rows,), int64, or None
        Group of each row; None: each is by itself.
    """

    path: Path
    schema: Schema
    features: "RowFeatures"
    y: npt.NDArray[np.float64]
    folds: npt.NDArray[np.int16]
    n_folds: int
    weights: npt.NDArray[np.float64] | None = None
    groups: npt.NDArray[np.int64] | None = None

    @classmethod
    def open(cls, path: str | Path, *, verify: bool = True) -> "TrainingTable":
        """Open the features artifact.

        Parameters
        ----------
        path : str or Path
            Its folder.
        verify : bool, default True
            As `regatta.artifacts.open_artifact`.

        Raises
        ------
        ArtifactError
            The artifact is missing or changed.
        """
        from regatta.features.rows import RowFeatures

        artifact = open_artifact(path, "features", verify=verify)
        schema = Schema.from_dict(read_json(artifact.file("schema.json")))
        y = np.load(artifact.file("target.npy"), allow_pickle=False)
        folds = np.load(artifact.file("folds.npy"), allow_pickle=False)
        return cls(
            path=artifact.path,
            schema=schema,
            features=RowFeatures.from_dict(read_json(artifact.file("features.json"))),
            y=y,
            folds=folds,
            n_folds=int(artifact.metadata["n_folds"]),
            weights=np.load(artifact.file("weights.npy"), allow_pickle=False)
            if schema.weight
            else None,
            groups=np.load(artifact.file("groups.npy"), allow_pickle=False)
            if schema.group
            else None,
        )

    def weights_of(self, rows: Indices) -> npt.NDArray[np.float64] | None:
        """Return the weights of some rows, scaled so that their mean is 1; None: all the same.

        Penalties of learners weigh against the sum of the rows' losses, so what they mean must not
        depend on the unit of the weights.
        """
        if self.weights is None or not len(rows):
            return None
        found: npt.NDArray[np.float64] = self.weights[rows] / self.weights[rows].mean()
        return found

    @property
    def task(self) -> Task:
        """Kind of prediction."""
        return self.schema.task

    @property
    def n_outputs(self) -> int:
        """Number of classes; 1 for a regression."""
        return self.schema.n_outputs

    @property
    def n_rows(self) -> int:
        """Number of training rows."""
        return len(self.y)

    @property
    def shape(self) -> Shape:
        """Size of one fold's training rows, before they are encoded."""
        named = {item.source for item in self.features.columns if item.kind == "categorical"}
        known = (column.unique for column in self.schema.features if column.name in named)
        return Shape(
            task=self.task,
            n_rows=len(self.train(0)),
            n_columns=len(self.features.columns),
            n_outputs=self.n_outputs,
            n_categories=max(known, default=0),
        )

    @property
    def one_fold_may_do(self) -> bool:
        """Whether the first of several folds says enough by itself."""
        if self.n_folds == 1 or len(rows := self.valid(0)) < HOLDOUT_ROWS:
            return False
        return self.groups is None or len(np.unique(self.groups[rows])) >= HOLDOUT_GROUPS

    def train(self, fold: int) -> Indices:
        """Return the rows that a fold trains on."""
        return np.flatnonzero((self.folds != fold).all(axis=0))

    def valid(self, fold: int) -> Indices:
        """Return the rows that a fold validates."""
        return np.flatnonzero((self.folds == fold).any(axis=0))

    def places(self, n_folds: int, first: int = 0) -> Indices:
        """Return where the predictions of some folds are among the out-of-fold predictions.

        Parameters
        ----------
        n_folds : int
            How many folds.
        first : int, default 0
            The first of them.

        Returns
        -------
        ndarray of shape (n_places,), intp
            Each repeat has a place for each row, and comes behind the one before.
        """
        folds = self.folds.ravel()
        return np.flatnonzero((first <= folds) & (folds < first + n_folds))

    def sample(self, fold: int, rows: int, seed: int) -> Indices:
        """Return a random part of the rows that a fold trains on.

        Parameters
        ----------
        fold : int
            The fold.
        rows : int
            About how many; 0 for all. A few rows of each rare class are added.
        seed : int
            Seed of the draw.
        """
        train = self.train(fold)
        if rows <= 0 or rows >= len(train):
            return train
        rng = np.random.default_rng(np.random.SeedSequence([seed, fold, rows]))
        shuffled = rng.permutation(train)
        chosen, rest = shuffled[:rows], shuffled[rows:]
        if self.task != "regression":
            counts = np.bincount(self.y[chosen].astype(np.intp), minlength=self.n_outputs)
            for code in np.flatnonzero(counts < ROWS_OF_RARE_CLASS):
                more = rest[self.y[rest] == code][: ROWS_OF_RARE_CLASS - counts[code]]
                chosen = np.concatenate([chosen, more])
        return np.sort(chosen)

    def frame(self) -> "pd.DataFrame":
        """Read the features of all training rows.

        Returns
        -------
        DataFrame of shape (n_rows, n_features)
            What `RowFeatures.transform` returned, in the order of `y`.
        """
        import pyarrow.parquet as pq

        # One thread: the cores belong to the trials.
        table: Any = pq.read_table(self.path / "frame.parquet", use_threads=False)
        frame: pd.DataFrame = table.to_pandas(use_threads=False)
        return frame
