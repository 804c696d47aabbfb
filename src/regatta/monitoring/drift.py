"""How far served rows have moved from the reference, and how far chance alone would move them.

The population stability index of two samples with shares p and q in the same bins is the sum of
``(q - p) log(q / p)``: zero for equal shares, symmetric, and about the chi-squared statistic of the
bins for small shifts. So for two samples of one population it is distributed like
``(1/n + 1/m)`` times a chi-squared variable with one degree of freedom less than there are bins:
with 50 rows and eleven bins 0.2 on average, which rules of thumb call a large shift.

References
----------
B. Yurdakul and J. Naranjo, "Statistical properties of the population stability index", *Journal of
Risk Model Validation* 14, 2020. We differ in that an empty bin counts as half a row, and bins that
are empty in both samples do not count.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from regatta.dataset.schema import Column
from regatta.monitoring.bins import Bins, labels_of
from regatta.monitoring.reference import Counted
from regatta.settings import MonitorSettings

__all__ = ["Drift", "by_chance", "compare", "psi"]

Counts = npt.NDArray[np.int64]
HALF_A_ROW = 0.5


@dataclass(frozen=True)
class Drift:
    """What became of one column, or of the predictions.

    Attributes
    ----------
    name, kind : str
        The column.
    psi : float
        Population stability index.
    by_chance : float
        Index that unchanged rows reach only with the probability that the settings allow.
    missing, unseen : tuple of float
        Share of missing values, and of categories that training did not know: before and after.
        The first of `unseen` is what is expected of unchanged rows.
    bins : tuple of (str, float, float)
        Each bin that is not empty: its name, its share before and after.
    importance : float or None
        Share in the importance of all columns; None where it was not measured.
    drifted : bool
        Whether the index, or the share of unseen categories, is above its threshold and more than
        chance.
    """

    name: str
    kind: str
    psi: float
    by_chance: float
    missing: tuple[float, float]
    unseen: tuple[float, float]
    bins: tuple[tuple[str, float, float], ...]
    importance: float | None
    drifted: bool

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


def psi(before: Counts, after: Counts, sizes: tuple[int, int] | None = None) -> float:
    """Return the population stability index of two samples.

    Parameters
    ----------
    before, after : ndarray of shape (n_bins,), int64
        Rows in each bin. An empty bin counts as half a row.
    sizes : tuple of int, optional
        How many rows, each by itself, the two samples are worth, where rows repeat each other: half
        a row is half of one of these. Default: as many as there are.

    Examples
    --------
    >>> psi(np.array([50, 50]), np.array([5, 5]))
    0.0
    >>> round(psi(np.array([50, 50]), np.array([80, 20])), 4)
    0.4159
    """
    if not before.sum() or not after.sum():
        return 0.0
    used = (before + after) > 0
    n_before, n_after = sizes or (before.sum(), after.sum())
    p = np.maximum(before[used] / before.sum(), HALF_A_ROW / n_before)
    q = np.maximum(after[used] / after.sum(), HALF_A_ROW / n_after)
    return float(((q - p) * np.log(q / p)).sum())


def by_chance(
    before: Counts, after: Counts, level: float, sizes: tuple[int, int] | None = None
) -> float:
    """Return the index that two samples of one population exceed with a small probability.

    Parameters
    ----------
    before, after : ndarray of shape (n_bins,), int64
        Rows in each bin.
    level : float
        The probability.
    sizes : tuple of int, optional
        How many rows, each by itself, the two samples are worth, where rows repeat each other;
        default: as many as there are.

    Examples
    --------
    >>> before, after = np.full(10, 2000), np.full(10, 5)
    >>> round(by_chance(before, after, 0.5), 2), round(by_chance(before, after, 0.001), 2)
    (0.17, 0.56)
    """
    from scipy.special import chdtri

    freedom = int(((before + after) > 0).sum()) - 1
    if freedom < 1 or not before.sum() or not after.sum():
        return 0.0
    n_before, n_after = sizes or (before.sum(), after.sum())
    return float(chdtri(freedom, level) * (1 / n_before + 1 / n_after))


def compare(
    reference: Counted,
    values: Any,
    column: Column | None,
    settings: MonitorSettings,
    *,
    level: float,
    importance: float | None = None,
    groups: int = 0,
) -> Drift:
    """Compare values with the reference.

    Parameters
    ----------
    reference : Counted
        What the version knows of the column.
    values : Series of shape (n_rows,)
        Values that were served, as `regatta.dataset.conform` types them.
    column : Column or None
        The column in the signature, which lists its categories; None for predictions.
    settings : MonitorSettings
        The thresholds.
    level : float
        Probability of a false alarm of each of its tests: of the index, and of the share of
        unseen categories.
    importance : float, optional
        Share in the importance of all columns.
    groups : int, default 0
        Number of groups that the rows are of; 0 where each is by itself. Rows of a group may all
        say the same, so they are taken for one row where chance is reckoned with.
    """
    before, after = reference.counts, reference.bins.counts(values)
    n_before, n_after = max(int(before.sum()), 1), max(int(after.sum()), 1)
    sizes = reference.groups or n_before, groups or n_after
    index, chance = psi(before, after, sizes), by_chance(before, after, level, sizes)
    unseen = 0
    if column is not None and column.kind == "categorical":
        texts = labels_of(values)
        unseen = int((texts.notna() & ~texts.isin(column.categories)).sum())
    return Drift(
        name=reference.bins.name,
        kind=reference.bins.kind,
        psi=index,
        by_chance=chance,
        missing=(float(before[-1] / n_before), float(after[-1] / n_after)),
        unseen=(reference.unseen, unseen / n_after),
        bins=_shares(reference.bins, before / n_before, after / n_after),
        importance=importance,
        drifted=(index >= settings.psi and index > chance)
        or _is_strange(reference.unseen, unseen / n_after, sizes, settings.unseen, level),
    )


def _is_strange(
    expected: float, unseen: float, sizes: tuple[int, int], margin: float, level: float
) -> bool:
    """Return whether more categories are unseen than the threshold and chance allow."""
    from scipy.special import bdtrc

    if not unseen or unseen < expected + margin:
        return False
    n_before, n_after = sizes
    # What is expected is an estimate, too: its upper end, four standard errors above. Its variance
    # is that of the rows of single categories and twice that of pairs, which may be as many.
    error = (3 * expected * n_before + 4) ** 0.5 / n_before
    likely = min(expected + 4 * error, 1.0)
    # Whole rows, or as many of the groups; the product may be a hair below a whole number.
    count = int(unseen * n_after + 1e-6)
    return bool(bdtrc(count - 1, n_after, likely) < level)


def _shares(
    bins: Bins, before: npt.NDArray[np.float64], after: npt.NDArray[np.float64]
) -> tuple[tuple[str, float, float], ...]:
    """Name the bins that hold any row, with their shares."""
    rows = zip(bins.names, before.tolist(), after.tolist(), strict=True)
    return tuple((name, p, q) for name, p, q in rows if p or q)
