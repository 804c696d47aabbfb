"""How sure a score is: bootstrap intervals on the locked rows.

The rows are drawn again with replacement, within each class so that a rare class is never lost;
the spread of the scores on such resamples is the spread that other rows of the same kind would
have given. The same seed draws the same resamples, so two models scored in turn are compared on
the same rows.

References
----------
B. Efron and R. J. Tibshirani, *An Introduction to the Bootstrap*, Chapman & Hall, 1993: chapter 13
(percentile interval), chapter 6 (50 to 200 resamples are enough for a standard error). We differ
in one thing: on large locked parts, where the distribution of a score is normal to the eye, we
draw fewer resamples and take the normal interval, which needs their standard error only.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from regatta.evaluation.metrics import Metric
from regatta.evaluation.weighted import WEIGHTED

__all__ = ["FEWEST_OF_A_CLASS", "Interval", "Resamples", "credible", "interval"]

Array = npt.NDArray[np.float64]

CELLS = 30_000_000
"""Most numbers (resamples x rows x outputs) that are drawn: two to three seconds on one core."""
PERCENTILES = 400
"""With fewer resamples a percentile of them is rougher than the normal interval."""
FEWEST = 50
FEWEST_OF_A_CLASS = 5
"""With fewer rows of one of two classes, resamples of them say nothing about other rows."""
FEWEST_GROUPS = 5
"""With fewer groups, resamples of them say nothing about other groups."""
CHUNK = 200_000
"""Weights held at once, at least one resample: 1.6 MB stay in a core's cache."""


@dataclass(frozen=True)
class Interval:
    """A score and how sure it is.

    Attributes
    ----------
    score : float or None
        On the rows as they are; None where the metric is undefined.
    low, high : float or None
        Bounds of the interval.
    """

    score: float | None
    low: float | None
    high: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Resamples:
    """A plan of resamples: how many, of which rows, from which seed.

    Attributes
    ----------
    strata : ndarray of shape (n_rows,), intp
        Stratum of each row, such as its class; resamples hold as many rows of each as there are.
    count : int
        Number of resamples.
    seed : int
        Seed of the draws.
    method : {"percentile", "normal"}
        How an interval is taken from the scores.
    row_weights : ndarray of shape (n_rows,), float64, or None
        What each row counts whenever it is drawn; None: all the same.
    groups : ndarray of shape (n_rows,), intp, or None
        Group of each row, numbered from 0 without a gap: whole groups are drawn, whatever their
        classes. None: each row is drawn by itself.
    """

    strata: npt.NDArray[np.intp]
    count: int
    seed: int
    method: Literal["percentile", "normal"]
    row_weights: Array | None = None
    groups: npt.NDArray[np.intp] | None = None

    @classmethod
    def plan(
        cls,
        y_true: Array,
        task: str,
        *,
        wanted: int,
        seed: int,
        n_outputs: int = 1,
        row_weights: Array | None = None,
        groups: npt.NDArray[np.integer] | None = None,
    ) -> "Resamples":
        """Choose the number of resamples that a few seconds allow.

        Parameters
        ----------
        y_true : ndarray of shape (n_rows,), float64
            Class codes or values.
        task : {"binary", "multiclass", "regression"}
            Classes are kept in proportion, values are not.
        wanted : int
            Number of resamples for a locked part of ordinary size.
        seed : int
            Seed of the draws.
        n_outputs : int, default 1
            Columns of a prediction; more cost more.
        row_weights : ndarray of shape (n_rows,), float64, or None
            What each row counts; None: all the same.
        groups : ndarray of shape (n_rows,), int, or None
            Group of each row; None: each is by itself. Rows of a group say the same thing more than
            once, so intervals that took each for news would be too narrow.
        """
        affordable = CELLS // max(len(y_true) * n_outputs, 1)
        count = min(wanted, max(affordable, FEWEST))
        classes = np.zeros(len(y_true)) if task == "regression" else y_true
        return cls(
            np.unique(classes, return_inverse=True)[1].astype(np.intp),
            count,
            seed,
            "percentile" if count >= min(PERCENTILES, wanted) else "normal",
            row_weights,
            None if groups is None else np.unique(groups, return_inverse=True)[1].astype(np.intp),
        )

    @property
    def n_groups(self) -> int:
        """Number of groups; of rows where each is by itself."""
        return len(self.strata) if self.groups is None else int(self.groups.max(initial=-1)) + 1

    @property
    def fewest(self) -> int:
        """Number of rows in the smallest stratum."""
        return int(np.bincount(self.strata).min()) if len(self.strata) else 0

    @property
    def fewest_effective(self) -> float:
        """Rows of equal weight that say as much as those of the smallest stratum (Kish, 1965).

        Of groups, how many of equal size say as much.
        """
        if (self.row_weights is None and self.groups is None) or not len(self.strata):
            return self.fewest
        strata = self.strata
        weights = np.ones(len(strata)) if self.row_weights is None else self.row_weights
        if self.groups is not None:
            cells, places = np.unique(strata * self.n_groups + self.groups, return_inverse=True)
            sizes = np.bincount(places, weights)
            strata, weights = cells // self.n_groups, sizes.astype(np.float64)
        sums = np.bincount(strata, weights)
        effective = sums**2 / np.bincount(strata, weights**2)
        # Those of equal weights are whole but for rounding.
        return round(float(effective.min()), 6)

    def weights(self) -> Iterator[Array]:
        """Yield arrays of shape (some resamples, n_rows): how often each row was drawn.

        Where rows have weights, times its weight.
        """
        rng = np.random.default_rng(np.random.SeedSequence([self.seed, 13]))
        strata = [np.flatnonzero(self.strata == code) for code in np.unique(self.strata)]
        n_rows, n_groups = len(self.strata), self.n_groups
        size = max(1, CHUNK // max(n_rows, 1))
        for start in range(0, self.count, size):
            block = np.zeros((min(size, self.count - start), n_rows))
            for row in block:
                if self.groups is not None:
                    drawn = rng.integers(n_groups, size=n_groups)
                    row[:] = np.bincount(drawn, minlength=n_groups)[self.groups]
                    continue
                for stratum in strata:
                    drawn = rng.integers(len(stratum), size=len(stratum))
                    row[stratum] = np.bincount(drawn, minlength=len(stratum))
            yield block if self.row_weights is None else block * self.row_weights

    def scores(
        self, metrics: Sequence[Metric], y_true: Array, predictions: Sequence[Array]
    ) -> list[dict[str, Array]]:
        """Score some predictions on every resample, the same one for each.

        Parameters
        ----------
        metrics : sequence of Metric
            What to compute.
        y_true : ndarray of shape (n_rows,), float64
            Class codes or values.
        predictions : sequence of ndarray of shape (n_rows, n_outputs), float64
            One array for each model.

        Returns
        -------
        list of dict
            For each model: metric key -> ndarray of shape (count,), float64.

        Notes
        -----
        O(count x n_rows x n_outputs) time; at most `CHUNK` weights in memory at once.
        """
        prepared = [
            {metric.key: WEIGHTED[metric.key](y_true, predicted) for metric in metrics}
            for predicted in predictions
        ]
        found: list[dict[str, list[Array]]] = [{m.key: [] for m in metrics} for _ in predictions]
        for W in self.weights():
            for scores, functions in zip(found, prepared, strict=True):
                for key, function in functions.items():
                    scores[key].append(function(W))
        return [{key: np.concatenate(parts) for key, parts in one.items()} for one in found]


def interval(
    score: float, resampled: Array, *, confidence: float, method: str = "percentile"
) -> Interval:
    """Turn the scores of resamples into an interval.

    Parameters
    ----------
    score : float
        Score on the rows as they are.
    resampled : ndarray of shape (n_resamples,), float64
        Scores on the resamples.
    confidence : float
        Level, such as 0.95.
    method : {"percentile", "normal"}, default "percentile"
        Percentiles of the resamples, or the score and a multiple of their standard deviation.

    Returns
    -------
    Interval
        Without bounds where the metric is undefined.

    Examples
    --------
    >>> interval(0.5, np.linspace(0, 1, 101), confidence=0.9)
    Interval(score=0.5, low=0.05, high=0.95)
    """
    if not np.isfinite(score):
        return Interval(None, None, None)
    resampled = resampled[np.isfinite(resampled)]
    if not len(resampled):
        return Interval(float(score), None, None)
    tail = (1 - confidence) / 2
    if method == "normal":
        reach = NormalDist().inv_cdf(1 - tail) * float(np.std(resampled, ddof=1))
        return Interval(float(score), float(score - reach), float(score + reach))
    low, high = (round(float(np.quantile(resampled, level)), 12) for level in (tail, 1 - tail))
    return Interval(float(score), low, high)


def credible(
    found: Interval, resamples: Resamples, *, best: float | None, confidence: float
) -> Interval:
    """Take back what resamples claim and cannot know.

    Resamples of rows without an error have no error either, and those of two rows are always
    nearly the same two: such an interval has no width, and would call pure luck a certainty.

    Parameters
    ----------
    found : Interval
        What `interval` returned.
    resamples : Resamples
        What it was taken from.
    best : float or None
        The metric's best value where it is a share, such as 1 for an accuracy; None elsewhere.
    confidence : float
        Level, such as 0.95.

    Returns
    -------
    Interval
        Without bounds where there are two classes and one has fewer than `FEWEST_OF_A_CLASS` rows
        (of equal weight, or what says as much), where there are fewer than `FEWEST_GROUPS` groups,
        or where all resamples score the same. A perfect share keeps its upper bound and gets the
        lower bound of Clopper and Pearson for as many rows as the smallest class has, which is
        careful: an error in that class costs most. Of rows that
        have weights, or are of groups, as many count as would say as much.

    References
    ----------
    C. Clopper and E. Pearson, "The use of confidence or fiducial limits illustrated in the case of
    the binomial", *Biometrika* 26, 1934; L. Kish, *Survey Sampling*, Wiley, 1965, for the number of
    rows of equal weight.
    """
    if found.low is None or found.high is None:
        return found
    if resamples.groups is not None and resamples.n_groups < FEWEST_GROUPS:
        return Interval(found.score, None, None)
    if resamples.strata.max(initial=0) == 1 and resamples.fewest_effective < FEWEST_OF_A_CLASS:
        return Interval(found.score, None, None)
    if found.high > found.low:
        return found
    if best is None or found.score != best:
        return Interval(found.score, None, None)
    bound = ((1 - confidence) / 2) ** (1 / resamples.fewest_effective)
    return Interval(found.score, round(best * bound, 12), best)
