"""What the model said of the locked rows before it learnt from them, too.

A refitted bundle knows the rows that it was measured on, so a later model cannot be compared with
it there. The predictions that were measured are kept beside it, by the keys of the rows.
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from regatta.artifacts import open_artifact
from regatta.errors import ArtifactError

__all__ = ["FILE", "Measured", "measured"]

FILE = "measured.npz"


@dataclass(frozen=True)
class Measured:
    """Predictions of locked rows by a model that had not seen them.

    Attributes
    ----------
    keys : ndarray of shape (n_rows,), uint64
        Keys of the rows (see `regatta.splits.keys`).
    predicted : ndarray of shape (n_rows, n_outputs), float64
        What the model said.
    groups : ndarray of shape (n_groups,), uint64
        Keys of the groups that were locked; none where each row was by itself.
    locked : ndarray of shape (n_locked,), uint64
        Keys of all rows that were locked, where more were than measured and none were of groups;
        else none.
    """

    keys: npt.NDArray[np.uint64]
    predicted: npt.NDArray[np.float64]
    groups: npt.NDArray[np.uint64] = field(default_factory=lambda: np.empty(0, np.uint64))
    locked: npt.NDArray[np.uint64] = field(default_factory=lambda: np.empty(0, np.uint64))

    def instead(
        self, keys: npt.NDArray[np.uint64], predicted: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.float64]:
        """Return predictions with those that were measured in place of those of a refitted model.

        Parameters
        ----------
        keys : ndarray of shape (n_rows,), uint64
            Keys of some rows.
        predicted : ndarray of shape (n_rows, n_outputs), float64
            What the refitted model says of them.

        Examples
        --------
        >>> known = Measured(np.array([7, 3], np.uint64), np.array([[0.7], [0.3]]))
        >>> known.instead(np.array([3, 5], np.uint64), np.array([[1.0], [2.0]])).tolist()
        [[0.3], [2.0]]
        """
        order = np.argsort(self.keys, kind="stable")
        place = np.minimum(np.searchsorted(self.keys[order], keys), len(order) - 1)
        found = order[place]
        return np.where((self.keys[found] == keys)[:, None], self.predicted[found], predicted)

    def is_fair(
        self, keys: npt.NDArray[np.uint64], groups: npt.NDArray[np.uint64]
    ) -> npt.NDArray[np.bool_]:
        """Find the rows of which a refitted model has learnt nothing, nor of others of their group.

        Parameters
        ----------
        keys : ndarray of shape (n_rows,), uint64
            Keys of some rows that were not trained on before it was measured.
        groups : ndarray of shape (n_rows,), uint64
            Keys of their groups.

        Returns
        -------
        ndarray of shape (n_rows,), bool
            True for rows that were measured, and for those that were not there, nor their groups.
        """
        known = np.isin(keys, self.locked) | np.isin(groups, self.groups)
        return np.isin(keys, self.keys) | ~known

    def save(self, folder: Path) -> None:
        """Write ``measured.npz``."""
        arrays = {"keys": self.keys, "predicted": self.predicted}
        more = {"groups": self.groups, "locked": self.locked}
        arrays |= {name: values for name, values in more.items() if len(values)}
        np.savez(folder / FILE, allow_pickle=False, **arrays)


def measured(bundle: str | Path) -> Measured | None:
    """Read what a refitted bundle said before.

    Parameters
    ----------
    bundle : str or Path
        Its folder.

    Returns
    -------
    Measured or None
        None where the bundle was not refitted.

    Raises
    ------
    ArtifactError
        The file is not the one that was written.
    """
    if not (Path(bundle) / FILE).is_file():
        return None
    file = open_artifact(bundle, "bundle", verify=(FILE,)).file(FILE)
    with np.load(file, allow_pickle=False) as arrays:
        keys, predicted = arrays["keys"], arrays["predicted"]
        groups, locked = (
            arrays[name] if name in arrays else np.empty(0, np.uint64)
            for name in ("groups", "locked")
        )
    if not len(keys) or predicted.shape[:1] != keys.shape or predicted.ndim != 2:
        raise ArtifactError(
            f"{FILE!r} holds {len(keys)} keys and predictions of shape {predicted.shape}",
            expected="one prediction a key",
            fix="make the bundle again or restore it from a backup",
        )
    return Measured(keys, predicted, groups, locked)
