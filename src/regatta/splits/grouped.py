"""Lock whole groups of rows, and deal whole groups to folds, as evenly as groups allow."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from regatta.errors import SplitError
from regatta.splits.assign import LOCKED, MAX_BINS, MIN_ROWS, check_locked, started
from regatta.splits.scheme import Scheme

__all__ = ["deal_groups", "lock_groups"]

Codes = npt.NDArray[np.int64]
Keys = npt.NDArray[np.uint64]
Parts = npt.NDArray[np.int16]
Floats = npt.NDArray[np.float64]

LEFT_OF_A_CLASS = 2
"""Groups of each class that are not locked: one to learn from, another to validate."""
ENOUGH = 0.75
"""With so much of their quota the locked groups are enough, when the next one does not fit."""
HALF = 0.5
"""So much of the rows of small groups is locked at most, lest hardly any are left to the trials; of
what is wanted, less is too little."""
MOST = 2 / 3
"""More than this of the rows is not locked, however large groups are."""
ATTEMPTS = 20
"""Orders in which groups are dealt until each class is in two parts; the first mostly does."""
SEVERAL = -2


def lock_groups(
    target: Floats,
    keys: Keys,
    *,
    classes: Sequence[str],
    locked_share: float,
    name: str,
) -> Parts:
    """Lock the groups with the lowest keys until they have their share of the rows.

    A group with more rows than that share of all is passed over, and of the rows of the others at
    most half are locked; so both parts have many groups where there are many. Where that is less
    than half of the share, or than 20 rows, the one group that comes nearest to the share is locked
    if it is nearer. Of each class two groups are left to the trials. Where all locked rows are of
    one class, the first group that has another is locked, too.

    Parameters
    ----------
    target : ndarray of shape (n_rows,), float64
        Class codes, or values of a regression; NaN where missing, or where a row weighs nothing.
    keys : ndarray of shape (n_rows,), uint64
        Key of each row's group (`regatta.splits.together.group_keys`).
    classes : sequence of str
        Class labels; none in a regression.
    locked_share : float
        Share of the rows with a target that is locked.
    name : str
        Column of the groups, for messages.

    Returns
    -------
    ndarray of shape (n_rows,), int16
        -2 dropped (no target or no weight), -1 locked, 0 for the trials.

    Raises
    ------
    SplitError
        Fewer than 20 rows have a target, a class is in one group only, there are too few groups to
        lock one, fewer than 10 rows (or half of the share) could be locked, or only one class.
    """
    parts = started(target)
    usable = np.flatnonzero(parts == 0)
    codes = _numbered(keys[usable])
    held = _Contents.of(codes, _strata(target[usable], bool(classes), 1), len(classes))
    lonely = np.flatnonzero(held.n_groups[: len(classes)] == 1)
    if len(lonely):
        raise SplitError(
            f"class {classes[lonely[0]]!r} is in one group of {name!r} only"
            + (f", and so are {len(lonely) - 1} other classes" if len(lonely) > 1 else ""),
            expected="at least two groups with each class, to learn from one and test on another",
            fix="merge it into another class, leave its rows out, or split without --group",
        )
    chosen = held.draw(locked_share)
    n_locked = int(held.sizes[chosen].sum())
    if not chosen.any() and not held.can_lock:
        raise SplitError(
            f"{len(chosen)} group{'s' * (len(chosen) != 1)} of {name!r} with a target"
            + (", and each has a class that only two of them have" if len(chosen) > 2 else ""),
            expected="at least three, and for one to be locked three with each of its classes",
            fix="add rows of other groups, or split without --group",
        )
    if n_locked < HALF * min(MIN_ROWS, locked_share * len(usable)):
        raise SplitError(
            f"{n_locked:,} of {len(usable):,} rows could be locked by {name!r}: its largest group"
            f" has {held.sizes.max():,}",
            expected=f"groups that make up {round(locked_share * len(usable)):,} locked rows, or"
            f" at least {round(HALF * min(MIN_ROWS, locked_share * len(usable))):,}",
            fix="split by a column of smaller groups, or without --group",
        )
    parts[usable[chosen[codes]]] = LOCKED
    check_locked(target, parts, classes, by=f"whole groups of {name!r}", option="--group")
    return parts


def deal_groups(
    target: Floats,
    keys: Keys,
    parts: Parts,
    scheme: Scheme,
    *,
    classes: Sequence[str],
    seed: int,
    name: str,
) -> Parts:
    """Deal the groups that are not locked to folds, as often as the scheme says.

    Parameters
    ----------
    target, keys, classes, name
        As for `lock_groups`.
    parts : ndarray of shape (n_rows,), int16
        What it returned.
    scheme : Scheme
        Number of folds and of repeats.
    seed : int
        Seed of the folds.

    Returns
    -------
    ndarray of shape (n_repeats, n_rows), int16
        As `regatta.splits.repeat`: folds differ in rows, and in rows of each class or of each part
        of the target's range, by little more than the groups of which they are made. The first
        fold is the one that is most like the whole.

    Raises
    ------
    SplitError
        Groups cannot be dealt so that each fold learns every class.
    """
    train = np.flatnonzero(parts >= 0)
    codes = _numbered(keys[train])
    held = _Contents.of(codes, _strata(target[train], bool(classes), MAX_BINS), len(classes))
    dealt = np.tile(parts, (scheme.n_repeats, 1))
    for number in range(scheme.n_repeats):
        rng = np.random.default_rng(np.random.SeedSequence([seed, number]))
        found = held.deal(scheme, rng)
        if found is None:
            raise SplitError(
                f"{len(held.sizes)} groups of {name!r} cannot be dealt so that each of"
                f" {scheme.n_folds} folds learns every class",
                expected="each class in more groups",
                fix="merge rare classes, add rows of other groups, or split without --group",
            )
        dealt[number, train] = number * scheme.n_folds + found[codes]
    return dealt


def _numbered(keys: Keys) -> Codes:
    """Return the groups of rows, numbered in the order of their keys."""
    return np.unique(keys, return_inverse=True)[1].astype(np.int64)


def _strata(target: Floats, are_classes: bool, n_bins: int) -> Codes:
    """Return the class of each row, or which part of the target's range it is in."""
    if are_classes:
        return target.astype(np.int64)
    n_bins = max(1, min(n_bins, len(target) // 10))
    # Equal values are of one part, whatever the order of the rows.
    edges = np.quantile(target, np.linspace(0, 1, n_bins + 1)[1:-1])
    return np.searchsorted(edges, target, side="right").astype(np.int64)


@dataclass(frozen=True)
class _Contents:
    """What groups hold: cells, each some rows of one group and one stratum.

    The first strata are the classes, if any, and the last one has all rows. Cells of group g are
    those from ``starts[g]`` to ``starts[g + 1]``.
    """

    starts: Codes
    strata: Codes
    counts: Codes
    n_strata: int
    n_classes: int

    @classmethod
    def of(cls, groups: Codes, strata: Codes, n_classes: int) -> "_Contents":
        """Count rows; both are numbered from 0, groups without a gap."""
        n_groups, n_strata = int(groups.max()) + 1, max(int(strata.max()) + 1, n_classes) + 1
        cells, counts = np.unique(groups * n_strata + strata, return_counts=True)
        every = np.arange(n_groups) * n_strata + n_strata - 1
        cells, counts = np.r_[cells, every], np.r_[counts, np.bincount(groups)]
        order = np.argsort(cells)
        cells, counts = cells[order], counts[order]
        starts = np.searchsorted(cells, np.arange(n_groups + 1) * n_strata)
        return cls(starts, cells % n_strata, counts, n_strata, n_classes)

    @property
    def sizes(self) -> Codes:
        """Rows of each group."""
        return self.counts[self.starts[1:] - 1]

    @property
    def n_groups(self) -> Codes:
        """Number of groups that have each stratum."""
        return np.bincount(self.strata, minlength=self.n_strata)

    @property
    def can_lock(self) -> bool:
        """Whether any group can be locked, however large it is."""
        left = self.n_groups
        return any(self._spares(group, left) for group in range(len(self.sizes)))

    def _strata_of(self, group: int | np.integer) -> Codes:
        """Return the strata that a group has rows of."""
        return self.strata[self.starts[group] : self.starts[group + 1]]

    def draw(self, share: float) -> npt.NDArray[np.bool_]:
        """Draw the first groups, about as many as have a share of the rows; none if none can be.

        Of a classification they hold two classes, if groups allow it.
        """
        wanted = share * self.sizes.sum()
        chosen = self._with_two_classes(self._of_size(wanted), wanted)
        if self._n_classes_of(chosen) != 1:
            return chosen
        begun = (self._with_two_classes(one, wanted) for one in self._ones(wanted))
        return next((found for found in begun if self._n_classes_of(found) > 1), chosen)

    def _of_size(self, wanted: float) -> npt.NDArray[np.bool_]:
        """Draw groups with about so many rows, whatever their classes: the first way that does."""
        sizes = self.sizes
        rows = sizes[sizes <= wanted].sum()
        chosen = self._first(wanted, min(wanted, HALF * rows))
        if sizes[chosen].sum() < max(HALF * wanted, min(MIN_ROWS, ENOUGH * wanted)):
            chosen = self._nearest(wanted, chosen)
        if sizes[chosen].sum() < HALF * min(MIN_ROWS, wanted):
            chosen = self._first(wanted, wanted)
        return chosen

    def _ones(self, wanted: float) -> Iterator[npt.NDArray[np.bool_]]:
        """Draw one group at a time, those first whose rows come nearest to those wanted."""
        sizes, left = self.sizes, self.n_groups
        nearest = np.argsort(np.abs(sizes - wanted), kind="stable")
        most = MOST * sizes.sum()
        free = [g for g in nearest if sizes[g] <= most and self._spares(g, left)]
        for group in free[:ATTEMPTS]:
            yield np.arange(len(sizes)) == group

    def _first(self, wanted: float, quota: float) -> npt.NDArray[np.bool_]:
        """Draw the first groups up to a quota of rows, none larger than what is wanted in all."""
        sizes, left = self.sizes, self.n_groups
        chosen, taken = np.zeros(len(sizes), dtype=bool), 0
        for group in np.flatnonzero(sizes <= wanted):
            if taken + sizes[group] / 2 > quota:
                # The last one hardly ever fits: going on would scatter what is locked.
                if taken >= ENOUGH * quota:
                    break
                continue
            if self._spares(group, left):
                chosen[group], taken = True, taken + sizes[group]
                left[self._strata_of(group)] -= 1
        return chosen

    def _nearest(self, wanted: float, chosen: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        """Return the one group whose rows come nearest to those wanted, if it is nearer."""
        sizes = self.sizes
        off, most, left = np.abs(sizes - wanted), MOST * sizes.sum(), self.n_groups
        for group in np.argsort(off, kind="stable"):
            if off[group] >= abs(sizes[chosen].sum() - wanted):
                break
            if sizes[group] <= most and self._spares(group, left):
                return np.asarray(np.arange(len(sizes)) == group)
        return chosen

    def _with_two_classes(
        self, chosen: npt.NDArray[np.bool_], wanted: float
    ) -> npt.NDArray[np.bool_]:
        """Add the first group of another class where all rows are of one, if a group can be."""
        if self._n_classes_of(chosen) != 1:
            return chosen
        sizes, held = self.sizes, self._n_held(chosen)
        left, room = self.n_groups - held, MOST * sizes.sum() - sizes[chosen].sum()
        others = np.unique(self._owners[(self.strata < self.n_classes) & (held[self.strata] == 0)])
        # Larger groups than the locked part should be come last, the smallest of them first.
        for group in others[np.argsort(np.maximum(sizes[others], wanted), kind="stable")]:
            if sizes[group] <= room and self._spares(group, left):
                return np.asarray(chosen | (np.arange(len(sizes)) == group))
        return chosen

    @property
    def _owners(self) -> Codes:
        """Group of each cell."""
        return np.repeat(np.arange(len(self.sizes)), np.diff(self.starts))

    def _n_held(self, chosen: npt.NDArray[np.bool_]) -> Codes:
        """Return how many of some groups have each stratum."""
        return np.bincount(self.strata[chosen[self._owners]], minlength=self.n_strata)

    def _n_classes_of(self, chosen: npt.NDArray[np.bool_]) -> int:
        """Return how many classes some groups have; 0 in a regression."""
        return int(np.count_nonzero(self._n_held(chosen)[: self.n_classes]))

    def _spares(self, group: int | np.integer, left: Codes) -> bool:
        """Whether two groups with each of its classes are left without it, of so many."""
        return bool((left[self._strata_of(group)] > LEFT_OF_A_CLASS).all())

    def deal(self, scheme: Scheme, rng: np.random.Generator) -> Codes | None:
        """Return the part of each group; None where a class is always in one part alone."""
        shares = [1 / scheme.n_folds] * scheme.n_folds
        if scheme.n_folds == 1:
            shares = [scheme.holdout_share, 1 - scheme.holdout_share]
        # No part may have all of a class, or all rows.
        needed = np.r_[np.arange(self.n_classes), self.n_strata - 1]
        needed = needed[self.n_groups[needed] > 1]
        # Large groups first, so that small ones can even them out; the rest is chance.
        order = np.lexsort((rng.permutation(len(self.sizes)), -np.floor(np.log2(self.sizes))))
        for _ in range(ATTEMPTS):
            parts, filled = self._dealt(order, shares)
            if ((filled[:, needed] > 0).sum(axis=0) > 1).all():
                break
            order = rng.permutation(len(self.sizes))
        else:
            return None
        if scheme.n_folds == 1:
            return parts
        # One fold may have to do: the first is most like the whole.
        off = ((filled - 1 / scheme.n_folds) ** 2 * self._worth).sum(axis=1)
        places = np.argsort(np.lexsort((off, (filled[:, needed] == 0).sum(axis=1))))
        return places[parts]

    @property
    def _worth(self) -> Floats:
        """What each stratum counts: all together as much as the number of rows."""
        return np.append(np.full(self.n_strata - 1, 1 / (self.n_strata - 1)), 1.0)

    def _dealt(self, order: Codes, shares: Sequence[float]) -> tuple[Codes, Floats]:
        r"""Deal groups one by one; return the part of each, and what share of a stratum parts have.

        Each goes where it adds least to :math:`\sum_{p,s} w_s x_{ps}^2 / q_p`, where part p is to
        have the share q_p of everything and has the share x_ps of stratum s: that sum is least
        where all are equal. The last group of a stratum that is in one part alone goes elsewhere.
        """
        totals = np.maximum(np.bincount(self.strata, self.counts, self.n_strata), 1)
        size = (self.counts / totals[self.strata]).tolist()
        worth, starts, strata = self._worth.tolist(), self.starts.tolist(), self.strata.tolist()
        left, only = self.n_groups.tolist(), [-1] * self.n_strata
        filled = [[0.0] * self.n_strata for _ in shares]
        parts = np.empty(len(order), dtype=np.int64)
        for group in order.tolist():
            mine = range(starts[group], starts[group + 1])
            closed = {only[strata[cell]] for cell in mine if left[strata[cell]] == 1}
            open_ = [p for p in range(len(shares)) if p not in closed] or range(len(shares))
            part = min(
                open_,
                key=lambda p: (
                    sum(
                        worth[strata[c]] * size[c] * (2 * filled[p][strata[c]] + size[c])
                        for c in mine
                    )
                    / shares[p]
                ),
            )
            parts[group] = part
            for cell in mine:
                stratum = strata[cell]
                filled[part][stratum] += size[cell]
                left[stratum] -= 1
                only[stratum] = part if only[stratum] in (-1, part) else SEVERAL
        return parts, np.array(filled)
