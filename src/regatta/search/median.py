r"""The median stopping rule: a trial that does badly on its first folds is given up.

After :math:`k` folds a trial is compared with those that were fitted whole, on the same folds. It
is given up when its mean loss is higher than both the median of theirs and the best one of its own
learner: then the ensemble has a better model of the same kind, and the time is worth more
elsewhere. What a learner has no whole trial of yet errs differently from all others, which an
ensemble may use: it is given up only if its first fold is worse than those of all whole trials, of
several learners, and the other folds would take long.

References
----------
D. Golovin et al., Google Vizier: a service for black-box optimization, KDD 2017, section 3.2.1. We
differ in that steps are folds, and in the conditions besides the median.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from statistics import fmean, median

from regatta.artifacts.records import Recipe, TrialRecord
from regatta.evaluation.metrics import Metric

__all__ = ["NEVER", "Bars", "bars", "estimated_loss", "mean_loss"]

# A median of fewer trials says little, and what is worse than all of one kind may still be of use.
FEWEST_WHOLE, FEWEST_LEARNERS = 4, 3


@dataclass(frozen=True)
class Bars:
    """When a trial is given up.

    Attributes
    ----------
    losses : tuple of float
        Mean loss above which it is, after each fold but the last; empty: never.
    others : str
        Which other trials have that loss or less.
    spare_seconds : float
        It goes on if the other folds take less than this.
    """

    losses: tuple[float, ...] = ()
    others: str = ""
    spare_seconds: float = 0.0


NEVER = Bars()


def mean_loss(scores: Sequence[float | None], metric: Metric) -> float | None:
    """Return the mean loss of some folds; None if it is undefined.

    Parameters
    ----------
    scores : sequence of (float or None)
        Score of each fold, in the metric's own units.
    metric : Metric
        What they are in.
    """
    if not scores or any(score is None for score in scores):
        return None
    return fmean(metric.loss(score) for score in scores if score is not None)


def bars(
    records: Sequence[TrialRecord],
    recipe: Recipe,
    metric: Metric,
    n_folds: int,
    *,
    spare_seconds: float = 0.0,
) -> Bars:
    """Return when to give up a trial.

    Parameters
    ----------
    records : sequence of TrialRecord
        Trials so far, of the lane and of those that it has heard of.
    recipe : Recipe
        What is about to be tried.
    metric : Metric
        What the scores are in.
    n_folds : int
        Number of folds.
    spare_seconds : float, default 0
        What the other folds may take of a learner without a whole trial, however bad the first is.

    Returns
    -------
    Bars
        Without losses where the trial is not to be given up: few trials are known; it draws a
        sample, which is judged by other rules; or the user asked for it.
    """
    if recipe.rows or recipe.origin == "user":
        return NEVER
    whole = [
        record
        for record in records
        if record.status == "ok"
        and len(record.fold_scores) == n_folds
        # Those of a sample are of another race.
        and not record.recipe.rows
        and mean_loss(record.fold_scores, metric) is not None
    ]
    if len(whole) < FEWEST_WHOLE or n_folds == 1:
        return NEVER
    losses = [
        [mean_loss(record.fold_scores[:done], metric) or 0.0 for record in whole]
        for done in range(1, n_folds)
    ]
    learners = [record.recipe.learner for record in whole]
    own = [n for n, learner in enumerate(learners) if learner == recipe.learner]
    if not own and len(set(learners)) < FEWEST_LEARNERS:
        return NEVER
    if not own:
        return Bars((max(losses[0]), *[inf] * (n_folds - 2)), "all whole trials", spare_seconds)
    found = tuple(max(median(known), min(known[n] for n in own)) for known in losses)
    return Bars(found, "half of the trials")


def estimated_loss(
    record: TrialRecord, others: Sequence[TrialRecord], metric: Metric
) -> float | None:
    """Estimate what loss a trial that was given up would have had on all folds.

    Parameters
    ----------
    record : TrialRecord
        The trial.
    others : sequence of TrialRecord
        Trials of its learner.
    metric : Metric
        What the scores are in.

    Returns
    -------
    float or None
        The loss of the best other trial, and by how much this one was behind it on its folds.
    """
    done = len(record.fold_scores)
    mine = mean_loss(record.fold_scores, metric)
    known = [
        (metric.loss(other.score), theirs)
        for other in others
        if other.score is not None and len(other.fold_scores) > done and not other.recipe.rows
        if (theirs := mean_loss(other.fold_scores[:done], metric)) is not None
    ]
    if mine is None or not known:
        return None
    loss, theirs = min(known)
    return loss + mine - theirs
