"""What a lane asks of a trial, and how far that has come."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from regatta.artifacts.records import Recipe, Status, TrialRecord
from regatta.search.median import NEVER, Bars

__all__ = ["Job", "Progress"]


@dataclass(frozen=True)
class Job:
    """What a lane asks of a child.

    Attributes
    ----------
    id : str
        Id of the trial.
    lane, number : int
        The lane, and the trial's place in it.
    recipe : Recipe
        What to try.
    seed : int
        Seed of its draws.
    threads : int
        Native threads.
    fit_seconds : float
        Time to fit all folds, encoding not counted.
    encode_seconds : float
        Time to encode a fold, if no trial has done so before; texts are read less closely to be
        ready by then.
    deadline : float
        When all must be written, in seconds since the epoch.
    partial : bool
        Whether fewer folds are better than none: while the lane has no model yet.
    memory_bytes : int
        Memory that the trial may use.
    started_at : float
        Start, in seconds since the epoch.
    folder : Path
        Where the trial's artifact shall be.
    probe : bool
        Whether one fold is enough if it is large, and a fit cannot learn all in its time.
    bars : Bars
        When the trial is given up.
    """

    id: str
    lane: int
    number: int
    recipe: Recipe
    seed: int
    threads: int
    fit_seconds: float
    encode_seconds: float
    deadline: float
    partial: bool
    memory_bytes: int
    started_at: float
    folder: Path
    probe: bool = False
    bars: Bars = NEVER

    def record(self, status: Status, reason: str = "", **values: Any) -> TrialRecord:
        """Return a record of this job that ends now."""
        seconds = time.time() - self.started_at
        return replace(
            TrialRecord(
                self.id,
                self.lane,
                self.number,
                self.recipe,
                self.seed,
                status,
                reason,
                seconds=round(seconds, 3),
                started_at=self.started_at,
            ),
            **values,
        )


class First(NamedTuple):
    """What was known when the first fold was done: times in seconds, and whether one was short."""

    seconds: float = 0.0
    fit_seconds: float = 0.0
    encoding: float = 0.0
    truncated: bool = False


@dataclass
class Progress:
    """What the folds have given so far.

    Attributes
    ----------
    oof : ndarray of shape (n_repeats * n_rows, n_outputs), float32
        Predictions of the rows by models that have not seen them, one repeat of the folds behind
        the other; NaN where there is none.
    scores : list of (float or None)
        Score of each fold that is done; None where it is undefined.
    params : dict
        All parameters, the learner's defaults included.
    encoders : list of str
        Encoder of each fold.
    waited_seconds, fit_seconds : float
        What encoding, or waiting for a trial that encodes the same, and all else took so far.
    predict_seconds_per_row : float
        By the models of all folds together.
    truncated : bool
        Whether a deadline stopped a fit.
    learnt : list of (mapping or None)
        What each fold's model has found out (`Model.learnt`).
    encode_seconds : float
        What it took to encode the folds, whichever trial has done so.
    first : First
        What was known when the first fold was done.
    settled : bool
        Whether one fold does.
    """

    oof: npt.NDArray[np.float32]
    scores: list[float | None] = field(default_factory=list)
    params: dict[str, Any] = field(default_factory=dict)
    encoders: list[str] = field(default_factory=list)
    waited_seconds: float = 0.0
    fit_seconds: float = 0.0
    predict_seconds_per_row: float = 0.0
    truncated: bool = False
    learnt: list[Mapping[str, float] | None] = field(default_factory=list)
    encode_seconds: float = 0.0
    first: First = field(default_factory=First)
    settled: bool = False

    @property
    def folds(self) -> int:
        """Folds that are done."""
        return len(self.scores)

    @property
    def fold_seconds(self) -> float:
        """What a fold took so far, in the mean; at least one is done."""
        return (self.waited_seconds + self.fit_seconds) / self.folds

    def settle_for_first(self, places: npt.NDArray[np.intp]) -> None:
        """Be content with the first fold, and forget what others have given.

        Parameters
        ----------
        places : ndarray of shape (n_valid,), intp
            Where the predictions of the first fold are in `oof`.
        """
        self.settled, self.truncated = True, self.first.truncated
        self.fit_seconds, self.encode_seconds = self.first.fit_seconds, self.first.encoding
        self.predict_seconds_per_row /= self.folds
        first = self.oof[places]
        self.oof[:] = np.nan
        self.oof[places] = first
        del self.scores[1:], self.encoders[1:], self.learnt[1:]
