"""The splits artifact."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from regatta.artifacts.base import open_artifact, read_json, write_json, writing
from regatta.errors import ArtifactError
from regatta.splits.assign import DROPPED, LOCKED
from regatta.splits.lock import Lock
from regatta.splits.scheme import Scheme

__all__ = ["Splits"]

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Splits:
    """Part of each row of a table.

    Attributes
    ----------
    assignment : ndarray of shape (n_repeats, n_rows), int16
        -2 dropped, -1 locked, ``k`` validated in fold ``k``, ``n_folds`` trained on only.
    n_folds : int
        Number of folds, of all repeats together; 1 for one holdout.
    keys : ndarray of shape (n_locked,), uint64
        Key of each locked row.
    lock : Lock
        Which rows were locked, for other tables to know.
    """

    assignment: npt.NDArray[np.int16]
    n_folds: int
    keys: npt.NDArray[np.uint64]
    lock: Lock

    @classmethod
    def of(
        cls,
        assignment: npt.NDArray[np.int16],
        scheme: Scheme,
        keys: npt.NDArray[np.uint64],
        target: npt.NDArray[np.float64],
        *,
        labels: Sequence[str],
        seed: int,
        columns: str,
        together: npt.NDArray[np.uint64] | None = None,
        group: str = "",
        time: str = "",
    ) -> "Splits":
        """Describe what was dealt.

        Parameters
        ----------
        assignment : ndarray of shape (n_repeats, n_rows), int16
            What `repeat` returned, or `deal_groups` or `validate_latest`.
        scheme : Scheme
            Number of folds.
        keys : ndarray of shape (n_rows,), uint64
            Keys of the rows, which the locked ones were drawn by.
        target : ndarray of shape (n_rows,), float64
            Class codes, or values of a regression; NaN where missing.
        labels : sequence of str
            Class labels; none in a regression.
        seed : int
            Seed of the keys.
        columns : str
            Digest of the columns.
        together : ndarray of shape (n_rows,), uint64, optional
            Keys of the rows' groups or times, where these were drawn in their place.
        group, time : str
            Column of the groups, or of the times.
        """
        usable = assignment[0] != DROPPED
        locked = assignment[0] == LOCKED
        if together is not None:
            lock = Lock.together(
                locked[usable],
                together[usable],
                seed=seed,
                columns=columns,
                group=group,
                time=time,
            )
        else:
            groups = target[usable] if labels else np.zeros(usable.sum())
            lock = Lock.of(
                locked[usable],
                keys[usable],
                groups.astype(np.int64),
                seed=seed,
                columns=columns,
                labels=labels or ("",),
            )
        return cls(assignment, scheme.n_folds * scheme.n_repeats, keys[locked], lock)

    @classmethod
    def open(cls, path: str | Path) -> "Splits":
        """Open the artifact.

        Raises
        ------
        ArtifactError
            It is missing or damaged.
        """
        artifact = open_artifact(path, "splits")
        try:
            assignment = np.load(artifact.file("assignment.npy"), allow_pickle=False)
            keys = np.load(artifact.file("keys.npy"), allow_pickle=False)
            values = read_json(artifact.file("splits.json"))
            n_folds, lock = int(values["n_folds"]), Lock.from_dict(values["lock"])
        except (ValueError, KeyError, TypeError, EOFError) as err:
            raise _damaged(path, str(err)) from err
        if (
            assignment.ndim != 2
            or not len(assignment)
            or assignment.dtype != np.int16
            or n_folds < 1
        ):
            raise _damaged(path, "it holds no assignment of rows")
        if assignment.size and not DROPPED <= assignment.min() <= assignment.max() <= n_folds:
            raise _damaged(path, "a row is in no part")
        if keys.dtype != np.uint64 or keys.shape != ((assignment[0] == LOCKED).sum(),):
            raise _damaged(path, "a locked row has no key")
        return cls(assignment, n_folds, keys, lock)

    def write(self, path: str | Path, scheme: Scheme) -> dict[str, Any]:
        """Write the artifact, and return its numbers.

        Returns
        -------
        dict
            ``n_folds``, ``n_train``, ``n_locked``, ``n_dropped``, ``scheme``; and ``split`` where
            rows are split by groups or by time.
        """
        numbers: dict[str, Any] = {
            "n_folds": self.n_folds,
            "n_train": len(self.train()),
            "n_locked": len(self.locked()),
            "n_dropped": int((self.assignment[0] == DROPPED).sum()),
            "scheme": scheme.name,
            **({"split": self.by} if self.by else {}),
        }
        with writing(path, "splits", **numbers) as folder:
            np.save(folder / "assignment.npy", self.assignment, allow_pickle=False)
            np.save(folder / "keys.npy", self.keys, allow_pickle=False)
            write_json(folder / "splits.json", {**numbers, "lock": self.lock.to_dict()})
        return numbers

    @property
    def by(self) -> str:
        """How rows were split, for people; ``""``: each by itself."""
        if self.lock.time:
            n_locked, n_train = len(self.keys), len(self.train())
            return f"the latest {100 * n_locked / (n_locked + n_train):.0f} % by {self.lock.time!r}"
        return self.lock.by if self.lock.group else ""

    def train(self) -> Rows:
        """Return the positions of the rows that trials may use."""
        return np.flatnonzero(self.assignment[0] >= 0)

    def locked(self) -> Rows:
        """Return the positions of the locked rows. Only `evaluate` calls this."""
        return np.flatnonzero(self.assignment[0] == LOCKED)


def _damaged(path: str | Path, reason: str) -> ArtifactError:
    return ArtifactError(
        f"the splits in {str(path)!r} cannot be read ({reason})",
        expected="what the split stage wrote",
        fix="run the split stage again",
    )
