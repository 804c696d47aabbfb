"""Lock the latest rows, and validate on the latest of the others."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from regatta.errors import SplitError
from regatta.splits.assign import LOCKED, check_locked, started
from regatta.splits.scheme import Scheme

__all__ = ["lock_latest", "validate_latest"]

Codes = npt.NDArray[np.int64]
Parts = npt.NDArray[np.int16]
Floats = npt.NDArray[np.float64]
Keys = npt.NDArray[np.uint64]

LEAST_TIMES = 3
MOST = 0.5
"""More than this of what is cut is not set apart with one time, unless so much is asked for."""


def lock_latest(
    target: Floats, keys: Keys, *, classes: Sequence[str], locked_share: float, name: str
) -> Parts:
    """Lock the latest rows; rows of one time stay together.

    Parameters
    ----------
    target : ndarray of shape (n_rows,), float64
        Class codes, or values of a regression; NaN where a row is left out.
    keys : ndarray of shape (n_rows,), uint64
        Key of each row's time (`regatta.splits.keys.time_keys`): the latest have the lowest.
    classes : sequence of str
        Class labels; none in a regression.
    locked_share : float
        Share of the rows with a target that is locked, as nearly as times allow.
    name : str
        Column of the times, for messages.

    Returns
    -------
    ndarray of shape (n_rows,), int16
        -2 dropped, -1 locked, 0 for the trials. Of these there are two times at least.

    Raises
    ------
    SplitError
        Fewer than 20 rows have a target and a time, there are fewer than three times, more than
        half of the rows (and twice the share) have the latest one, or all latest rows are of one
        class.
    """
    parts = started(target, ("target", "time"))
    usable = np.flatnonzero(parts == 0)
    n_times = len(np.unique(keys[usable]))
    if n_times < LEAST_TIMES:
        raise SplitError(
            f"{n_times} different time{'s' * (n_times != 1)} in {name!r}",
            expected=f"at least {LEAST_TIMES}: the latest rows are locked, the earliest are learnt"
            " from, those between validate",
            fix="use a column of finer times, or split without --time",
        )
    parts[usable[_latest(keys[usable], locked_share, leaving=2, name=name)]] = LOCKED
    check_locked(target, parts, classes, by=f"the latest by {name!r}", option="--time")
    return parts


def validate_latest(
    target: Floats, keys: Keys, parts: Parts, scheme: Scheme, *, classes: Sequence[str], name: str
) -> Parts:
    """Let the latest of the rows that are not locked validate what is learnt from the others.

    Parameters
    ----------
    target, keys, classes, name
        As for `lock_latest`.
    parts : ndarray of shape (n_rows,), int16
        What it returned.
    scheme : Scheme
        One holdout, and its share.

    Returns
    -------
    ndarray of shape (1, n_rows), int16
        -2 dropped, -1 locked, 0 validated, 1 trained on only.

    Raises
    ------
    SplitError
        A class is not among the earliest rows, or only one is among those that validate.
    """
    train = np.flatnonzero(parts == 0)
    late = _latest(keys[train], scheme.holdout_share, leaving=1, name=name)
    dealt = parts.copy()
    dealt[train[~late]] = 1
    if classes:
        _check_classes(target, dealt, classes, name)
    return dealt[None]


def _latest(keys: Keys, share: float, *, leaving: int, name: str) -> npt.NDArray[np.bool_]:
    """Return the rows of the latest times, as many as come nearest to a share of all."""
    _, times, counts = np.unique(keys, return_inverse=True, return_counts=True)
    quota = share * len(keys)
    reached = np.cumsum(counts)[: len(counts) - leaving]
    n_times = int(np.argmin(np.abs(reached - quota))) + 1
    taken = int(reached[n_times - 1])
    if taken > max(MOST * len(keys), 2 * quota):
        raise SplitError(
            f"{taken:,} of {len(keys):,} rows would be set apart at once: they have the same"
            f" time in {name!r}",
            expected="times of fewer rows each",
            fix="use a column of finer times, or split without --time",
        )
    return np.asarray(times < n_times, dtype=np.bool_)


def _check_classes(target: Floats, parts: Parts, classes: Sequence[str], name: str) -> None:
    """Refuse a target of which the earliest rows do not have all, or those that validate one."""
    early = np.bincount(target[parts == 1].astype(np.int64), minlength=len(classes))
    new = np.flatnonzero(early == 0)
    if len(new):
        raise SplitError(
            f"class {classes[new[0]]!r} is not among the {early.sum():,} earliest rows by {name!r}"
            + (f", and neither are {len(new) - 1} other classes" if len(new) > 1 else ""),
            expected="every class among the rows that are learnt from",
            fix="leave its rows out, merge it into another class, or split without --time",
        )
    later = np.unique(target[parts == 0])
    if len(later) < 2:
        raise SplitError(
            f"the {(parts == 0).sum():,} rows that validate, those before the locked ones by"
            f" {name!r}, all are of class {classes[int(later[0])]!r}",
            expected="at least two classes among them",
            fix="add rows, change --set split.locked_share, or split without --time",
        )
