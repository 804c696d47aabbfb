"""Choosing the members: which trials, on which rows, how they are pooled, what label that means."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt

from regatta.bundle import LINEAR, Pooling
from regatta.ensemble.candidates import CANDIDATES, Trial
from regatta.ensemble.greedy import greedy_weights
from regatta.ensemble.limits import Limits, shares_of
from regatta.ensemble.stacking import Stack, stack_if_better
from regatta.ensemble.thresholds import thresholds_if_better
from regatta.evaluation.metrics import Metric, get_metric
from regatta.evaluation.scoring import decided

__all__ = ["Selection", "pooling_for", "select"]

Array = npt.NDArray[np.float64]

# Rows that are enough to rank blends, and their cells; the choice is checked on all rows.
ROWS, ROW_CELLS = 30_000, 200_000
CELLS = 60_000_000
# Rows that are enough to learn a stack, by the cells of all its members.
STACK_CELLS = 500_000
# Of these, what may be chosen so that no class is missing: more would make rare ones seem frequent.
FIRSTS_SHARE = 0.02
# What a holdout is cut into, as if it had folds.
PARTS = 5
# Metrics of the order of the rows, which no calibration of two classes changes.
OF_ORDER = ("roc_auc", "average_precision")


@dataclass(frozen=True)
class Selection:
    """Members and their weights.

    Attributes
    ----------
    members : tuple of (Trial, float)
        Trials with their share of the prediction, the greatest first.
    score : float
        Score of the pool on all out-of-fold rows, in the metric's own units.
    pooling : Pooling
        How their predictions become one.
    thresholds : tuple of float
        One a class, where the metric reads the label and they are better than none.
    """

    members: tuple[tuple[Trial, float], ...]
    score: float
    pooling: Pooling = LINEAR
    thresholds: tuple[float, ...] = ()


def select(
    trials: Sequence[Trial],
    y: Array,
    folds: npt.NDArray[np.integer],
    metric: Metric,
    *,
    max_members: int,
    iterations: int,
    seed: int,
    seconds: float,
    limits: Limits | None = None,
    row_seconds: float = np.inf,
    stacking: bool = True,
    thresholds: bool = True,
    weights: Array | None = None,
    groups: npt.NDArray[np.int64] | None = None,
) -> Selection:
    """Select an ensemble from trials that gave a model.

    Parameters
    ----------
    trials : sequence of Trial
        At least one, each with a score on the same rows (`regatta.ensemble.candidates.Race`).
    y : ndarray of shape (n_train_rows,), float64
        Class codes or values.
    folds : ndarray of shape (n_repeats, n_train_rows), int
        Fold that validates each row, in each repeat another one.
    metric : Metric
        What is optimised.
    max_members : int
        Most distinct members.
    iterations : int
        Most steps of the selection.
    seed : int
        Seed of the rows it looks at, when there are very many.
    seconds : float
        Time for the selection; stacking may take as long again.
    limits : Limits, optional
        What all members together may cost.
    row_seconds : float, default inf
        Time in which all members together should predict a row among many, in seconds, as measured
        in the race. Where no trial does, the fastest is taken.
    stacking : bool, default True
        Whether the pool of a classification may be learnt (`regatta.ensemble.stacking`).
    thresholds : bool, default True
        Whether its classes may get thresholds (`regatta.ensemble.thresholds`).
    weights : ndarray of shape (n_train_rows,), float64, or None
        What each row counts, of mean 1; None: all the same.
    groups : ndarray of shape (n_train_rows,), int64, or None
        Group of each row: rows of one are never judged by what was learnt from others of it.

    Returns
    -------
    Selection
        The single best trial alone, where no blend is better on all out-of-fold rows.

    Raises
    ------
    SearchError
        No trial keeps the limits.
    """
    ranked = sorted(trials, key=lambda trial: _rank(trial, metric))
    shares: Mapping[str, tuple[float, ...]] = shares_of(ranked, limits, seconds) if limits else {}
    if shares:
        ranked = [trial for trial in ranked if trial.record.id in shares]
    if np.isfinite(row_seconds):
        ranked, shares = _soon_enough(ranked, shares, row_seconds)
    best = ranked[0].oof()
    rows = np.flatnonzero(np.isfinite(best[:, 0]))
    # A row has a prediction in each repeat. Whatever is learnt from them may not know any of one
    # row when it is judged on another.
    n_repeats = len(folds)
    each = np.tile(y, n_repeats), np.tile(folds[0], n_repeats)
    weighed = None if weights is None else np.tile(weights, n_repeats)
    together = None if groups is None else np.tile(groups, n_repeats)
    search = _Search(*each, n_repeats, rows, best.shape[1], metric, seed, weighed, together)
    selection = search.greedy(ranked, shares, max_members, iterations, seconds)
    if stacking and selection.pooling.kind == "log":
        selection = search.stacked(selection, seconds)
    return search.labelled(selection, seconds) if thresholds else selection


def pooling_for(metric: Metric) -> Pooling:
    """Return how predictions are pooled where nothing is learnt: values, or logarithms."""
    return Pooling("linear" if "regression" in metric.tasks else "log")


@dataclass(frozen=True)
class _Search:
    """The predictions by which ensembles are compared, each with its row's target and fold."""

    y: Array
    folds: npt.NDArray[np.integer]
    n_repeats: int
    rows: npt.NDArray[np.intp]
    width: int
    metric: Metric
    seed: int
    weights: Array | None
    groups: npt.NDArray[np.int64] | None

    def greedy(
        self,
        ranked: Sequence[Trial],
        shares: Mapping[str, tuple[float, ...]],
        max_members: int,
        iterations: int,
        seconds: float,
    ) -> Selection:
        """Select members and their weights step by step."""
        deadline = time.perf_counter() + seconds
        pooling = pooling_for(self.metric)
        best = ranked[0]
        alone = Selection(((best, 1.0),), _score(best), pooling)
        if len(ranked) == 1 or max_members == 1:
            return alone
        chosen = _candidates(ranked, len(self.rows) * self.width)
        sample = self._sample(min(ROWS, ROW_CELLS // self.width))
        weights = greedy_weights(
            np.stack([pooling.terms(trial.oof()[sample]) for trial in chosen]),
            lambda blend: self.loss(sample, pooling.pool(blend)),
            iterations=iterations,
            max_members=max_members,
            seconds=deadline - time.perf_counter(),
            shares=np.array([shares[trial.record.id] for trial in chosen]) if shares else None,
        )
        blended = self._scored(chosen, weights, pooling)
        better = self.metric.loss(blended.score) < self.metric.loss(alone.score)
        return blended if better else alone

    def stacked(self, selection: Selection, seconds: float) -> Selection:
        """Learn the pool of a selection, where that is better; else calibrate it, where it is."""
        trials = [trial for trial, _ in selection.members]
        weights = np.array([weight for _, weight in selection.members])
        sample = self._sample(max(STACK_CELLS // (self.width * len(trials)), 1))
        logs = np.stack([selection.pooling.terms(trial.oof()[sample]) for trial in trials])
        y, folds = self.y[sample], self._parts(sample)
        each = self.weighing(sample)
        stack = partial(stack_if_better, n_repeats=self.n_repeats, seconds=seconds, weights=each)
        found = stack(logs, y, weights, folds, lambda at, p: self.loss(sample[at], p))
        by_metric = found is not None
        if found is None and self.metric.key in OF_ORDER and self.width == 2:
            mean = np.tensordot(weights, logs, 1)[None]
            log_loss = get_metric("log_loss", "binary")
            found = stack(
                *(mean, y, np.ones(1), folds),
                lambda at, p: log_loss.loss(
                    log_loss.score(y[at], p, None if each is None else each[at])
                ),
            )
            found = found and Stack(found.weights * weights, found.bias)
        if found is None:
            return selection
        slope = float(found.weights.sum())
        pooling = Pooling("log", slope, tuple(found.bias.tolist()))
        stacked = self._scored(trials, found.weights / slope, pooling)
        worse = self.metric.loss(stacked.score) > self.metric.loss(selection.score)
        # A sample of few rows a class may mislead; a calibration leaves the metric as it is.
        return selection if by_metric and worse else stacked

    def labelled(self, selection: Selection, seconds: float) -> Selection:
        """Choose thresholds of the classes, where the metric reads labels and they are better."""
        # The most probable class is right most often.
        if not self.metric.by_label or self.metric.key == "accuracy":
            return selection
        sample = self._sample(ROWS)
        found = thresholds_if_better(
            self._pooled(selection.members, selection.pooling, sample),
            self.y[sample],
            self._parts(sample),
            lambda at, weighed: self.loss(sample[at], weighed),
            seconds=seconds,
            weights=self.weighing(sample),
        )
        if not found:
            return selection
        pooled = self._pooled(selection.members, selection.pooling, self.rows)
        score = self.score(self.rows, decided(pooled, found))
        return replace(selection, thresholds=found, score=score)

    def loss(self, rows: npt.NDArray[np.intp], predicted: npt.NDArray[np.floating]) -> float:
        """Return the loss of predictions of some rows."""
        return self.metric.loss(self.score(rows, predicted))

    def score(self, rows: npt.NDArray[np.intp], predicted: npt.NDArray[np.floating]) -> float:
        """Return the score of predictions of some rows."""
        return _score_of(self.metric, self.y[rows], predicted, self.weighing(rows))

    def weighing(self, rows: npt.NDArray[np.intp]) -> Array | None:
        """Return what some rows count; None: all the same."""
        return None if self.weights is None else self.weights[rows]

    def _scored(self, trials: Sequence[Trial], weights: Array, pooling: Pooling) -> Selection:
        """Return those that have a weight, the greatest first, with their score on all rows."""
        pairs = zip(trials, weights, strict=True)
        members = sorted(
            ((trial, float(weight)) for trial, weight in pairs if weight),
            key=lambda member: -member[1],
        )
        predicted = self._pooled(members, pooling, self.rows)
        return Selection(tuple(members), self.score(self.rows, predicted), pooling)

    def _pooled(
        self,
        members: Sequence[tuple[Trial, float]],
        pooling: Pooling,
        rows: npt.NDArray[np.intp],
    ) -> Array:
        """Return what members say of some rows together."""
        terms = sum(
            weight * pooling.terms(trial.oof()[rows].astype(np.float64))
            for trial, weight in members
        )
        return pooling.pool(np.asarray(terms))

    def _sample(self, most: int) -> npt.NDArray[np.intp]:
        """Draw at most so many of the rows."""
        return _sample(self.rows, most, self.y, self.metric, self.seed)

    def _parts(self, rows: npt.NDArray[np.intp]) -> npt.NDArray[np.integer]:
        """Return what is judged together: folds, or parts of a holdout."""
        found = self.folds[rows]
        if len(np.unique(found)) > 1:
            return found
        rng = np.random.default_rng(np.random.SeedSequence([self.seed, 8]))
        if self.groups is None:
            return rng.permutation(len(rows)) % PARTS
        _, groups = np.unique(self.groups[rows], return_inverse=True)
        return (rng.permutation(groups.max() + 1) % PARTS)[groups]


def _score(trial: Trial) -> float:
    """Return the score of a trial that has one."""
    return float(trial.record.score if trial.record.score is not None else np.nan)


def _rank(trial: Trial, metric: Metric) -> tuple[float, str]:
    """Return what trials are sorted by: loss, then id."""
    return metric.loss(_score(trial)), trial.record.id


def _soon_enough(
    ranked: Sequence[Trial], shares: Mapping[str, tuple[float, ...]], row_seconds: float
) -> tuple[list[Trial], dict[str, tuple[float, ...]]]:
    """Return the trials that predict a row in time, and what they use up of this limit, too."""
    took = [trial.record.predict_seconds_per_row for trial in ranked]
    most = max(row_seconds, min(took))
    kept = [(trial, each / most) for trial, each in zip(ranked, took, strict=True) if each <= most]
    known = {t.record.id: (*shares.get(t.record.id, ()), share) for t, share in kept}
    return [trial for trial, _ in kept], known


def _candidates(ranked: Sequence[Trial], cells: int) -> list[Trial]:
    """Return the best trials, and the best one of each learner, which errs differently."""
    most = max(2, min(CANDIDATES, CELLS // max(cells, 1)))
    firsts: dict[str, Trial] = {}
    for trial in ranked:
        firsts.setdefault(trial.record.recipe.learner, trial)
    wanted = {id(trial) for trial in (*ranked[:most], *firsts.values())}
    return [trial for trial in ranked if id(trial) in wanted]


def _sample(
    rows: npt.NDArray[np.intp], most: int, y: Array, metric: Metric, seed: int
) -> npt.NDArray[np.intp]:
    """Draw rows for the selection; of classes, in proportion, but no one of a few is left out."""
    if len(rows) <= most:
        return rows
    rng = np.random.default_rng(np.random.SeedSequence([seed, 7]))
    shuffled = rng.permutation(rows)
    if "regression" not in metric.tasks:
        # One of each class first, then whatever comes.
        _, firsts = np.unique(y[shuffled], return_index=True)
        if len(firsts) > FIRSTS_SHARE * most:
            return np.sort(shuffled[:most])
        front = np.zeros(len(shuffled), dtype=bool)
        front[firsts] = True
        shuffled = np.concatenate([shuffled[front], shuffled[~front]])
    return np.sort(shuffled[:most])


def _score_of(
    metric: Metric,
    y: Array,
    predicted: npt.NDArray[np.floating],
    weights: Array | None = None,
) -> float:
    """Score predictions, which are of float32 where they come from a trial."""
    return metric.score(y, predicted.astype(np.float64, copy=False), weights)
