"""Deal rows to the locked part and to folds, evenly over classes or over the target's range."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from regatta.errors import SplitError
from regatta.splits.lock import draw
from regatta.splits.scheme import Scheme

__all__ = ["DROPPED", "LOCKED", "MIN_ROWS", "assign", "check_locked", "repeat", "started"]

Codes = npt.NDArray[np.int64]
Keys = npt.NDArray[np.uint64]
Floats = npt.NDArray[np.float64]

DROPPED = -2
LOCKED = -1
MIN_ROWS = 20
MAX_BINS = 20


def strata(target: Floats, *, regression: bool) -> Codes:
    """Return the stratum of each row: its class, or which part of the target's range it is in.

    Parameters
    ----------
    target : ndarray of shape (n_rows,), float64
        Class codes, or values; no NaN.
    regression : bool
        Whether it holds values: then up to 20 bins of equally many rows.
    """
    if not regression:
        return target.astype(np.int64)
    n_bins = max(1, min(MAX_BINS, len(target) // 10))
    ranks = np.empty(len(target), dtype=np.int64)
    ranks[np.argsort(target, kind="stable")] = np.arange(len(target))
    return ranks * n_bins // max(len(target), 1)


def _place_in_stratum(codes: Codes, counts: Codes, rng: np.random.Generator) -> Codes:
    """Return the place of each row in its stratum: counted from 0, at random."""
    shuffled = rng.permutation(len(codes))
    order = shuffled[np.argsort(codes[shuffled], kind="stable")]
    starts = np.concatenate(([0], np.cumsum(counts)[:-1]))
    places = np.empty(len(codes), dtype=np.int64)
    places[order] = np.arange(len(codes)) - np.repeat(starts, counts)
    return places


def deal(groups: Codes, n_folds: int, rng: np.random.Generator) -> Codes:
    """Deal rows to folds so that each stratum is spread as evenly as it can be.

    Parameters
    ----------
    groups : ndarray of shape (n_rows,), int64
        Stratum of each row.
    n_folds : int
        Number of folds.
    rng : Generator
        Source of the draw.

    Returns
    -------
    ndarray of shape (n_rows,), int64
        Fold of each row. Folds differ by at most one row, in each stratum and in all.
    """
    _, codes, counts = np.unique(groups, return_inverse=True, return_counts=True)
    places = _place_in_stratum(codes, counts, rng)
    # Dealing goes on where the stratum before ended, like cards; so the folds are even in all.
    starts = np.concatenate(([0], np.cumsum(counts)[:-1]))
    return (places + starts[codes]) % n_folds


def assign(
    target: Floats,
    scheme: Scheme,
    keys: Keys,
    *,
    regression: bool,
    locked_share: float,
    seed: int,
) -> npt.NDArray[np.int16]:
    """Assign each row its part.

    Parameters
    ----------
    target : ndarray of shape (n_rows,), float64
        Class codes, or values of a regression; NaN where missing, or where a row weighs nothing.
    scheme : Scheme
        Number of folds.
    keys : ndarray of shape (n_rows,), uint64
        Of each row, from `row_keys`. Those with the lowest are locked: of each class the same
        share, in a regression of all rows, as bins of values would move when the table grows. So
        the locked part does not change with the number of folds.
    regression : bool
        Whether `target` holds values.
    locked_share : float
        Share of the rows with a target that is locked.
    seed : int
        Seed of the folds.

    Returns
    -------
    ndarray of shape (n_rows,), int16
        -2 dropped (no target or no weight), -1 locked, ``k`` validated in fold ``k``; with one
        holdout, 0 validated and 1 trained on only. Of a class with at least two rows, at least one
        row is trained on in each fold.

    Raises
    ------
    SplitError
        Fewer than 20 rows have a target.
    """
    parts = started(target)
    usable = np.flatnonzero(parts != DROPPED)
    wanted = target[usable]
    together = np.zeros(len(usable), np.int64) if regression else wanted.astype(np.int64)
    locked = draw(together, locked_share, keys[usable])
    parts[usable[locked]] = LOCKED
    train, rng = usable[~locked], np.random.default_rng(np.random.SeedSequence(seed))
    groups = strata(wanted[~locked], regression=regression)
    if scheme.n_folds > 1:
        parts[train] = deal(groups, scheme.n_folds, rng)
    else:
        parts[train] = np.where(_holdout(groups, scheme.holdout_share, rng), 0, 1)
    return parts


def started(target: Floats, needs: Sequence[str] = ("target",)) -> npt.NDArray[np.int16]:
    """Return the part of each row before any is locked or dealt: dropped, or 0.

    Parameters
    ----------
    target : ndarray of shape (n_rows,), float64
        Class codes or values; NaN where a row is left out.
    needs : sequence of str, default ("target",)
        What the others have, for the message.

    Raises
    ------
    SplitError
        Fewer than 20 rows are left.
    """
    usable = ~np.isnan(target)
    if usable.sum() < MIN_ROWS:
        raise SplitError(
            f"{usable.sum()} rows have " + " and ".join(f"a {need}" for need in needs),
            expected=f"at least {MIN_ROWS}",
            fix="add rows, or fill in " + " and ".join(f"the {need}" for need in needs),
        )
    return np.where(usable, 0, DROPPED).astype(np.int16)


def check_locked(
    target: Floats,
    parts: npt.NDArray[np.int16],
    classes: Sequence[str],
    *,
    by: str = "",
    option: str = "",
) -> None:
    """Refuse a locked part of one class: most metrics of a classification are undefined there.

    Parameters
    ----------
    target : ndarray of shape (n_rows,), float64
        Class codes; NaN where missing.
    parts : ndarray of shape (n_rows,), int16
        Part of each row; -1 locked.
    classes : sequence of str
        Class labels; none in a regression, which is not checked.
    by : str, default ""
        What is locked, for the message.
    option : str, default ""
        Which option says so; empty: rows are drawn one by one.

    Raises
    ------
    SplitError
        All locked rows are of one class.
    """
    found = np.unique(target[parts == LOCKED])
    if classes and len(found) == 1:
        raise SplitError(
            f"the {(parts == LOCKED).sum():,} rows to be locked{by and f', {by},'} all are of class"
            f" {classes[int(found[0])]!r}",
            expected="at least two classes among them, as well as among the others",
            fix="lock more with a larger --set split.locked_share, or add rows"
            + (f", or split by another column or without {option}" if option else ""),
        )


def repeat(
    target: Floats,
    parts: npt.NDArray[np.int16],
    scheme: Scheme,
    *,
    regression: bool,
    seed: int,
) -> npt.NDArray[np.int16]:
    """Deal the rows to folds again, as often as the scheme says.

    Parameters
    ----------
    target : ndarray of shape (n_rows,), float64
        Class codes, or values of a regression; NaN where missing.
    parts : ndarray of shape (n_rows,), int16
        What `assign` returned.
    scheme : Scheme
        Number of folds and of repeats.
    regression : bool
        Whether `target` holds values.
    seed : int
        Seed of the folds; each repeat has another draw.

    Returns
    -------
    ndarray of shape (n_repeats, n_rows), int16
        `parts`, and below it each further repeat, whose folds have numbers of their own.
    """
    train = np.flatnonzero(parts >= 0)
    groups = strata(target[train], regression=regression)
    repeats = np.tile(parts, (scheme.n_repeats, 1))
    for number in range(1, scheme.n_repeats):
        rng = np.random.default_rng(np.random.SeedSequence([seed, number]))
        repeats[number, train] = number * scheme.n_folds + deal(groups, scheme.n_folds, rng)
    return repeats


def _holdout(groups: Codes, share: float, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Draw the rows to validate on: at least one of each class that has two."""
    chosen = draw(groups, share, rng.random(len(groups)))
    for group in np.setdiff1d(groups, groups[chosen]):
        rows = np.flatnonzero(groups == group)
        if len(rows) > 1:
            chosen[rng.choice(rows)] = True
    return chosen
