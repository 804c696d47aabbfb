"""What the members of an ensemble may cost together: time to predict a row, and size."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from regatta.ensemble.candidates import CANDIDATES, Trial
from regatta.errors import SearchError
from regatta.features import encoders
from regatta.learners import load_model

__all__ = ["Limits", "shares_of"]

Row = Mapping[str, npt.NDArray[Any]]

REPEATS = 7


@dataclass(frozen=True)
class Limits:
    """Limits that the user has set.

    Attributes
    ----------
    row_seconds : float
        Time to predict one row; 0: any.
    size_bytes : int
        Size of all models on disk; 0: any.
    row : mapping of str to ndarray of shape (1,)
        Features of one training row, to measure with.
    """

    row_seconds: float
    size_bytes: int
    row: Row


def shares_of(
    trials: Sequence[Trial], limits: Limits, seconds: float
) -> dict[str, tuple[float, float]]:
    """Measure which share of each limit trials would use up.

    Parameters
    ----------
    trials : sequence of Trial
        Candidates, the best first.
    limits : Limits
        At least one of them set.
    seconds : float
        Time after which no more of them are measured, once there is one that keeps the limits.

    Returns
    -------
    dict of str to (float, float)
        Share of the time and of the size by id of those that keep the limits, `CANDIDATES` at most;
        0 where there is no limit. An encoding that several members share counts for each, so the
        ensemble is faster than the sum.

    Raises
    ------
    SearchError
        No trial keeps the limits.
    """
    deadline = time.perf_counter() + seconds
    found: dict[str, tuple[float, float]] = {}
    fastest = np.inf
    for trial in trials:
        if len(found) == CANDIDATES or (found and time.perf_counter() > deadline):
            break
        size = trial.record.model_bytes / limits.size_bytes if limits.size_bytes else 0.0
        row = 0.0
        if limits.row_seconds and size <= 1:
            took = _row_seconds(trial, limits.row)
            fastest, row = min(fastest, took), took / limits.row_seconds
        if max(row, size) <= 1:
            found[trial.record.id] = row, size
    if found:
        return found
    smallest = min(trial.record.model_bytes for trial in trials)
    best = [f"the fastest takes {1000 * fastest:.3g} ms a row"] if np.isfinite(fastest) else []
    best += [f"the smallest has {smallest:,} bytes"] if limits.size_bytes else []
    raise SearchError(
        f"none of {len(trials)} trials keeps the limits of the ensemble: {', '.join(best)}",
        expected=_told(limits),
        fix="raise ensemble.max_row_milliseconds or ensemble.max_bytes, use fewer folds"
        " (split.folds), or learners of small models, such as linear",
    )


def _told(limits: Limits) -> str:
    """Return the limits in words."""
    told = []
    if limits.row_seconds:
        told.append(f"at most {1000 * limits.row_seconds:g} ms a row")
    if limits.size_bytes:
        told.append(f"at most {limits.size_bytes:,} bytes")
    return " and ".join(told)


def _row_seconds(trial: Trial, row: Row) -> float:
    """Return the time in which a trial predicts one row, the shortest of several."""
    key = trial.record.recipe.learner
    fits = trial.member(1.0).fits
    pairs = [(encoders.load(fit.encoder), load_model(key, fit.model)) for fit in fits]
    times = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        for encoder, model in pairs:
            model.predict(encoder.transform(row))
        times.append(time.perf_counter() - began)
    return float(np.min(times))
