"""Draw the rows that are locked, so that a table that has grown locks the same ones again."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Lock", "draw"]

Codes = npt.NDArray[np.int64]
Keys = npt.NDArray[np.uint64]
Mask = npt.NDArray[np.bool_]

TRAIN_ROWS_OF_A_CLASS = 2


@dataclass(frozen=True)
class Lock:
    """Which rows no trial of a run could read, in a form that holds for other tables too.

    Attributes
    ----------
    seed : int
        Seed of the keys.
    columns : str
        Digest of the columns: keys are comparable where it is the same.
    limits : dict of str to int
        For each class, or for the empty label in a regression: rows with a lower key were locked.
        With groups or times there is the empty label alone, and the keys are theirs.
    group, time : str
        Column of the groups or of the times by which rows were locked; ``""``: each by itself.
    trained : tuple of int
        Keys of groups below the limit that were trained on all the same.
    """

    seed: int
    columns: str
    limits: dict[str, int]
    group: str = ""
    time: str = ""
    trained: tuple[int, ...] = ()

    @classmethod
    def of(
        cls,
        locked: Mask,
        keys: Keys,
        groups: Codes,
        *,
        seed: int,
        columns: str,
        labels: Sequence[str],
    ) -> "Lock":
        """Describe a draw.

        Parameters
        ----------
        locked : ndarray of shape (n_rows,), bool
            The rows drawn by `draw`.
        keys : ndarray of shape (n_rows,), uint64
            Their keys.
        groups : ndarray of shape (n_rows,), int64
            Class code of each row; 0 in a regression.
        seed, columns
            What the keys depend on.
        labels : sequence of str
            Class labels; one empty label in a regression.
        """
        free = np.full(len(labels), np.iinfo(np.uint64).max, dtype=np.uint64)
        np.minimum.at(free, groups[~locked], keys[~locked])
        seen = np.bincount(groups, minlength=len(labels)) > 0
        limits = {label: int(free[code]) for code, label in enumerate(labels) if seen[code]}
        return cls(seed, columns, limits)

    @classmethod
    def together(
        cls,
        locked: Mask,
        keys: Keys,
        *,
        seed: int,
        columns: str,
        group: str = "",
        time: str = "",
    ) -> "Lock":
        """Describe a draw of whole groups, or of the latest rows.

        Parameters
        ----------
        locked : ndarray of shape (n_rows,), bool
            The locked rows, at least one.
        keys : ndarray of shape (n_rows,), uint64
            Keys of their groups or times; the lowest are locked, but for few groups.
        seed, columns
            What the keys depend on.
        group, time : str
            Column of the groups, or of the times.
        """
        last, free = keys[locked].max(), np.unique(keys[~locked])
        above = free[free > last]
        limit = int(above[0]) if len(above) else np.iinfo(np.uint64).max
        trained = tuple(free[free <= last].tolist())
        return cls(seed, columns, {"": int(limit)}, group, time, trained)

    @property
    def by(self) -> str:
        """How rows were locked, for people."""
        if self.group:
            return f"by groups of {self.group!r}"
        return f"by the time {self.time!r}" if self.time else "row by row"

    def covers(self, keys: Keys, groups: Codes, labels: Sequence[str]) -> Mask:
        """Find the rows that were locked, or would have been, had they been in that table.

        Parameters
        ----------
        keys : ndarray of shape (n_rows,), uint64
            Keys from the same seed and columns; of the rows, or of their groups or times.
        groups : ndarray of shape (n_rows,), int64
            Position of each row's class in `labels`.
        labels : sequence of str
            Class labels; one empty label in a regression.

        Returns
        -------
        ndarray of shape (n_rows,), bool
            True for rows that were certainly not trained on.
        """
        if self.group or self.time:
            known = np.array(self.trained, dtype=np.uint64)
            return np.asarray((keys < np.uint64(self.limits[""])) & ~np.isin(keys, known))
        limits = np.array([self.limits.get(label, 0) for label in labels], dtype=np.uint64)
        return np.asarray(keys < limits[groups], dtype=np.bool_)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        more = {"group": self.group, "time": self.time, "trained": list(self.trained)}
        own = {"seed": self.seed, "columns": self.columns, "limits": self.limits}
        return own | {name: value for name, value in more.items() if value}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Lock":
        """Read what `to_dict` returned.

        Raises
        ------
        KeyError, TypeError, ValueError
            It is something else.
        """
        limits = {str(label): int(limit) for label, limit in dict(values["limits"]).items()}
        group, time = (str(values.get(name, "")) for name in ("group", "time"))
        if (group or time) and "" not in limits:
            raise ValueError("a lock of groups or times without a limit")
        trained = tuple(int(key) for key in values.get("trained", ()))
        return cls(int(values["seed"]), str(values["columns"]), limits, group, time, trained)


def draw(groups: Codes, share: float, keys: npt.NDArray[Any]) -> Mask:
    """Draw the rows with the lowest keys, evenly from all groups.

    Parameters
    ----------
    groups : ndarray of shape (n_rows,), int64
        Group of each row.
    share : float
        Share of the rows to draw.
    keys : ndarray of shape (n_rows,)
        What decides within a group.

    Returns
    -------
    ndarray of shape (n_rows,), bool
        True for the drawn rows. Two rows of each group are left, where it has that many.
    """
    _, codes, counts = np.unique(groups, return_inverse=True, return_counts=True)
    exact = counts * share
    quota = np.floor(exact).astype(np.int64)
    # What rounding left over goes to the groups that it took most from.
    left = round(len(groups) * share) - int(quota.sum())
    quota[np.argsort(-(exact - quota), kind="stable")[: max(left, 0)]] += 1
    quota = np.minimum(quota, np.maximum(counts - TRAIN_ROWS_OF_A_CLASS, 0))
    order = np.lexsort((keys, codes))
    places = np.empty(len(codes), dtype=np.int64)
    starts = np.concatenate(([0], np.cumsum(counts)[:-1]))
    places[order] = np.arange(len(codes)) - np.repeat(starts, counts)
    drawn: Mask = places < quota[codes]
    return drawn
