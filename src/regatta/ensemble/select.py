"""Choosing the members: which trials are looked at, on which rows, and whether a blend pays."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from regatta.ensemble.candidates import Trial
from regatta.ensemble.greedy import greedy_weights
from regatta.ensemble.limits import Limits, shares_of
from regatta.evaluation.metrics import Metric
from regatta.evaluation.weighted import WEIGHTED

__all__ = ["Selection", "select"]

Array = npt.NDArray[np.float64]

CANDIDATES = 25
# Rows that are enough to rank blends; the choice is checked on all rows.
ROWS = 30_000
CELLS = 60_000_000


@dataclass(frozen=True)
class Selection:
    """Members and their weights.

    Attributes
    ----------
    members : tuple of (Trial, float)
        Trials with their share of the prediction, the greatest first.
    score : float
        Score of the blend on all out-of-fold rows, in the metric's own units.
    """

    members: tuple[tuple[Trial, float], ...]
    score: float

    def weight(self, trial: Trial) -> float:
        """Return the share of a trial; 0 if it is no member."""
        return next((weight for member, weight in self.members if member is trial), 0.0)


def select(
    trials: Sequence[Trial],
    y: Array,
    metric: Metric,
    *,
    max_members: int,
    iterations: int,
    seed: int,
    seconds: float,
    limits: Limits | None = None,
) -> Selection:
    """Select an ensemble from trials that gave a model.

    Parameters
    ----------
    trials : sequence of Trial
        At least one, each with a score.
    y : ndarray of shape (n_train_rows,), float64
        Class codes or values.
    metric : Metric
        What is optimised.
    max_members : int
        Most distinct members.
    iterations : int
        Most steps of the selection.
    seed : int
        Seed of the rows it looks at, when there are very many.
    seconds : float
        Time for the selection.
    limits : Limits, optional
        What all members together may cost.

    Returns
    -------
    Selection
        The single best trial alone, where no blend is better on all out-of-fold rows.

    Raises
    ------
    SearchError
        No trial keeps the limits.
    """
    # Trials that ran out of time before the last fold were scored on fewer rows: no comparison.
    folds = max(len(trial.record.fold_scores) for trial in trials)
    whole = [trial for trial in trials if len(trial.record.fold_scores) == folds]
    ranked = sorted(whole, key=lambda trial: _rank(trial, metric))
    shares = shares_of(ranked, limits) if limits else {}
    ranked = [trial for trial in ranked if max(shares.get(trial.record.id, (0.0,))) <= 1]
    best = ranked[0]
    alone = Selection(((best, 1.0),), _score(best))
    if len(ranked) == 1 or max_members == 1:
        return alone
    deadline = time.perf_counter() + seconds
    rows = np.flatnonzero(np.isfinite(best.oof()[:, 0]))
    chosen = _candidates(ranked, len(rows) * best.oof().shape[1])
    sample = _sample(rows, y, metric, seed)
    predictions = np.stack([trial.oof()[sample] for trial in chosen])
    weights = greedy_weights(
        predictions,
        lambda blend: metric.loss(_score_of(metric, y[sample], blend)),
        iterations=iterations,
        max_members=max_members,
        seconds=deadline - time.perf_counter(),
        shares=np.array([shares[trial.record.id] for trial in chosen]) if limits else None,
    )
    members = sorted(
        ((trial, float(weight)) for trial, weight in zip(chosen, weights, strict=True) if weight),
        key=lambda member: -member[1],
    )
    blend = sum(weight * trial.oof()[rows].astype(np.float64) for trial, weight in members)
    score = _score_of(metric, y[rows], np.asarray(blend))
    if not metric.loss(score) < metric.loss(_score(best)):
        return alone
    return Selection(tuple(members), score)


def _score(trial: Trial) -> float:
    """Return the score of a trial that has one."""
    return float(trial.record.score if trial.record.score is not None else np.nan)


def _rank(trial: Trial, metric: Metric) -> tuple[float, str]:
    """Return what trials are sorted by: loss, then id."""
    return metric.loss(_score(trial)), trial.record.id


def _candidates(ranked: Sequence[Trial], cells: int) -> list[Trial]:
    """Return the best trials, and the best one of each learner, which errs differently."""
    most = max(2, min(CANDIDATES, CELLS // max(cells, 1)))
    firsts: dict[str, Trial] = {}
    for trial in ranked:
        firsts.setdefault(trial.record.recipe.learner, trial)
    wanted = {id(trial) for trial in (*ranked[:most], *firsts.values())}
    return [trial for trial in ranked if id(trial) in wanted]


def _sample(
    rows: npt.NDArray[np.intp], y: Array, metric: Metric, seed: int
) -> npt.NDArray[np.intp]:
    """Draw rows for the selection; of classes, in proportion but none left out."""
    if len(rows) <= ROWS:
        return rows
    rng = np.random.default_rng(np.random.SeedSequence([seed, 7]))
    shuffled = rng.permutation(rows)
    if "regression" not in metric.tasks:
        # One of each class first, then whatever comes.
        _, firsts = np.unique(y[shuffled], return_index=True)
        front = np.zeros(len(shuffled), dtype=bool)
        front[firsts] = True
        shuffled = np.concatenate([shuffled[front], shuffled[~front]])
    return np.sort(shuffled[:ROWS])


def _score_of(metric: Metric, y: Array, predicted: npt.NDArray[np.floating]) -> float:
    """Score predictions by the weighted form of the metric, which needs no scikit-learn.

    Importing that would take longer than the whole selection.
    """
    exact = predicted.astype(np.float64, copy=False)
    if metric.key not in WEIGHTED:
        return metric.score(y, exact)
    return float(WEIGHTED[metric.key](y, exact)(np.ones((1, len(y))))[0])
