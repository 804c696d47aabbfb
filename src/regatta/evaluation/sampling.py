"""Drawing rows where all of them would take too long."""

import numpy as np
import numpy.typing as npt

__all__ = ["draw_rows"]


def draw_rows(
    y: npt.NDArray[np.float64], wanted: int, rng: np.random.Generator, *, stratify: bool
) -> npt.NDArray[np.intp]:
    """Draw rows without replacement.

    Parameters
    ----------
    y : ndarray of shape (n_rows,), float64
        Class codes or values.
    wanted : int
        About as many rows; all of them if there are no more.
    rng : Generator
        Where the draws come from.
    stratify : bool
        Whether each class gets its share, and at least two rows, so that none is lost.

    Returns
    -------
    ndarray of shape (n_drawn,), intp
        Positions, ascending.

    Examples
    --------
    >>> draw_rows(np.zeros(3), 5, np.random.default_rng(0), stratify=False)
    array([0, 1, 2])
    """
    if len(y) <= wanted:
        return np.arange(len(y))
    if not stratify:
        return np.sort(rng.permutation(len(y))[:wanted])
    parts = []
    for code in np.unique(y):
        members = np.flatnonzero(y == code)
        size = min(len(members), max(2, round(wanted * len(members) / len(y))))
        parts.append(rng.permutation(members)[:size])
    return np.sort(np.concatenate(parts))
