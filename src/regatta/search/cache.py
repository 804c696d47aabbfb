"""Encoded folds, computed once in a lane and mapped into every trial that needs them.

The first trial that needs an encoding of a fold fits the encoder under a file lock, saves its
state for the bundle and the matrices as plain arrays. Later trials map the arrays: they cost no
time, and memory only once however many trials read them.
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from regatta.artifacts import read_json, write_json
from regatta.learners.base import FitData, Matrix
from regatta.search.table import TrainingTable
from regatta.search.toolbox import Toolbox

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["EncodedFolds", "Fold", "variant"]

# File that tells trials that one fold does.
ONE_FOLD = "one-fold"
SPARSE_PARTS = ("data", "indices", "indptr")


def variant(encoding: str, rows: int) -> str:
    """Return the name of an encoding whose encoder saw a number of rows; 0 for all.

    Examples
    --------
    >>> variant("tree", 0), variant("tree", 20000)
    ('tree', 'tree-20000')
    """
    return f"{encoding}-{rows}" if rows else encoding


@dataclass(frozen=True)
class Fold:
    """One encoded fold.

    Attributes
    ----------
    data : FitData
        Rows to fit and to validate.
    valid : ndarray of shape (n_valid,), intp
        Position of the validated rows in the training table.
    encoder : str
        Folder of the encoder's state, below ``encoders`` of the lane.
    seconds : float
        What it took to encode the fold, once for all trials.
    """

    data: FitData
    valid: npt.NDArray[np.intp]
    encoder: str
    seconds: float


class EncodedFolds:
    """The encoded folds of one lane.

    Parameters
    ----------
    table : TrainingTable
        Rows to encode.
    scratch : Path
        Folder for the matrices; lost when the lane ends.
    encoders : Path
        Folder for the encoders' states, which the bundle needs. What is there stays as it is.
    seed : int
        Seed of row samples and of encoders.
    toolbox : Toolbox
        Where encoders come from.

    Attributes
    ----------
    read_seconds : float
        What it took to read the raw rows, which is done once for all folds.
    """

    def __init__(
        self, table: TrainingTable, scratch: Path, encoders: Path, seed: int, toolbox: Toolbox
    ) -> None:
        self.table = table
        self.scratch = scratch
        self.encoders = encoders
        self.seed = seed
        self.toolbox = toolbox
        self._again = _again(encoders)
        self._frame: pd.DataFrame | None = None
        self.read_seconds = 0.0

    def fold(self, encoding: str, fold: int, rows: int, deadline: float) -> Fold:
        """Return one encoded fold; encode it if no trial of this lane has done so.

        Parameters
        ----------
        encoding : str
            Key of the encoding.
        fold : int
            The fold.
        rows : int
            Training rows to draw; 0 for all.
        deadline : float
            When fitting the encoder should be over, in seconds since the epoch.
        """
        rows, name = self._named(encoding, fold, rows)
        folder = self.scratch / name
        if not folder.exists():
            folder.parent.mkdir(parents=True, exist_ok=True)
            with _locked(folder.with_suffix(".lock")):
                if not folder.exists():
                    self._encode(encoding, fold, rows, deadline, name)
        return self._open(folder, fold)

    def holds(self, encoding: str, fold: int, rows: int) -> bool:
        """Return whether a fold has been encoded, so that it will take no time."""
        return (self.scratch / self._named(encoding, fold, rows)[1]).exists()

    def _named(self, encoding: str, fold: int, rows: int) -> tuple[int, str]:
        """Return how many rows are drawn, 0 for all, and the name of what comes of them."""
        rows = rows if rows < len(self.table.train(fold)) else 0
        return rows, f"{variant(encoding, rows)}/fold-{fold}"

    @property
    def one_fold_does(self) -> bool:
        """Whether the lane has settled for one fold, perhaps while a trial was at work."""
        return (self.scratch / ONE_FOLD).exists()

    def settle_for_one(self) -> None:
        """Tell trials that are at work that one fold does."""
        (self.scratch / ONE_FOLD).touch()

    def forget_frame(self) -> None:
        """Give back the memory of the raw rows."""
        self._frame = None

    def _encode(self, encoding: str, fold: int, rows: int, deadline: float, name: str) -> None:
        """Fit an encoder on a fold and save matrices and state."""
        from regatta.features.encoders.text import keeping

        table, began = self.table, time.perf_counter()
        if self._frame is None:
            self._frame = table.frame()
            self.read_seconds = time.perf_counter() - began
            began += self.read_seconds
        train, valid = table.sample(fold, rows, self.seed), table.valid(fold)
        encoder = self.toolbox.encoder(encoding, table.features)
        # Two encodings of a fold read its text; the first fits it for both.
        with keeping(self.scratch / "text"):
            X = encoder.fit_transform(
                self._frame.iloc[train],
                table.y[train],
                table.task,
                table.n_outputs,
                self.seed,
                deadline,
            )
        X_valid = encoder.transform(self._frame.iloc[valid])
        kept = name + self._again
        with _appearing(self.encoders / kept) as folder:
            encoder.save(folder)
        with _appearing(self.scratch / name) as folder:
            _save(folder, "train", X)
            _save(folder, "valid", X_valid)
            np.save(folder / "rows.npy", train)
            seconds = time.perf_counter() - began
            categorical = [int(i) for i in encoder.categorical]
            about = {"categorical": categorical, "seconds": seconds, "encoder": kept}
            write_json(folder / "fold.json", about)

    def _open(self, folder: Path, fold: int) -> Fold:
        """Map the matrices of an encoded fold."""
        table, about = self.table, read_json(folder / "fold.json")
        train, valid = np.load(folder / "rows.npy"), table.valid(fold)
        data = FitData(
            task=table.task,
            n_outputs=table.n_outputs,
            X=_load(folder, "train"),
            y=table.y[train],
            X_valid=_load(folder, "valid"),
            y_valid=table.y[valid],
            categorical=tuple(about["categorical"]),
            weights=table.weights_of(train),
            weights_valid=table.weights_of(valid),
        )
        return Fold(data, valid, about["encoder"], about["seconds"])


def _again(encoders: Path) -> str:
    """Return what to add to the names of encoders, so that those of an earlier try stay.

    Its models were fitted behind them. How closely an encoder reads texts depends on the time it
    has, so one that is fitted again may be another.
    """
    tries = [int(path.suffix[1:] or 0) + 1 for path in encoders.glob("*/fold-*")]
    return f".{max(tries)}" if tries else ""


def _save(folder: Path, name: str, matrix: Matrix) -> None:
    """Write a dense or sparse matrix as plain arrays."""
    if isinstance(matrix, np.ndarray):
        np.save(folder / f"{name}.npy", np.ascontiguousarray(matrix, dtype=np.float32))
        return
    for part in SPARSE_PARTS:
        np.save(folder / f"{name}.{part}.npy", getattr(matrix, part))
    np.save(folder / f"{name}.shape.npy", np.asarray(matrix.shape))


def _load(folder: Path, name: str) -> Matrix:
    """Map a matrix that `_save` wrote."""
    dense = folder / f"{name}.npy"
    if dense.exists():
        return _map(dense)
    parts = tuple(_map(folder / f"{name}.{part}.npy") for part in SPARSE_PARTS)
    shape = tuple(int(n) for n in np.load(folder / f"{name}.shape.npy"))
    return sparse.csr_matrix(parts, shape=shape, copy=False)


def _map(file: Path) -> npt.NDArray[Any]:
    """Map an array; an empty file cannot be mapped, so an empty array is read.

    What a trial writes into it stays its own (some of scikit-learn refuses read-only arrays).
    """
    try:
        return np.asarray(np.load(file, mmap_mode="c", allow_pickle=False))
    except ValueError:
        return np.asarray(np.load(file, allow_pickle=False))


@contextlib.contextmanager
def _locked(file: Path) -> Iterator[None]:
    """Hold a file lock; the kernel frees it when its holder is killed."""
    with file.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _appearing(path: Path) -> Iterator[Path]:
    """Fill a folder that appears whole; what a killed process left there is replaced."""
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(path, ignore_errors=True)
    os.rename(folder, path)
