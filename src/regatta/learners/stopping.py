"""When boosting ends, no better for a while or out of time, and how fast it learns for that."""

import math
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

__all__ = ["LEAST_SECONDS", "Stopping", "at_pace", "likely_rounds"]

Booster = TypeVar("Booster")

WORTH = 1e-4
PERFECT = 1e-6

# Sum of the learning rates of all rounds that most tables need.
WORK = 20.0
HIGHEST_RATE = 0.3
# The rounds whose time is taken; the very first one sets things up.
PILOT = 2, 10
# A rate that need not rise by more than this is left alone.
ENOUGH = 1.25
LEAST_PATIENCE = 10

LEAST_RATE = 1e-9
LEAST_SECONDS = 0.03
"""What a fit takes that has next to nothing to learn, in seconds."""


def likely_rounds(params: Mapping[str, Any]) -> float:
    """Return how many rounds boosting will take: as many as its pace needs for most tables.

    Examples
    --------
    >>> likely_rounds({"learning_rate": 0.05, "n_rounds": 5000})
    400.0
    """
    # A space of the user's may reach down to a rate of 0.
    return min(float(params["n_rounds"]), WORK / max(float(params["learning_rate"]), LEAST_RATE))


class Stopping:
    """Watch the validation loss, round by round.

    Parameters
    ----------
    patience : int
        Rounds after which it ends if the loss has not fallen by a 10,000th. It ends, too, where
        the loss is next to nothing.
    deadline : float
        Time since the epoch, in seconds, at which it ends.
    rate : float, default 0
        Learning rate, if it may be too low for the time there is; 0: it stays whatever happens.

    Attributes
    ----------
    best_round : int
        Round of the lowest loss, counted from 0.
    truncated : bool
        Whether time ended it.
    pace : float
        Learning rate that it watches.
    faster : float
        Learning rate to begin again with: it ended after a few rounds, because at its pace time
        would end it half-learnt. 0: it did not.
    """

    def __init__(self, patience: int, deadline: float, rate: float = 0.0) -> None:
        self.rate, self.pace, self.faster, self._pilot = rate, rate, 0.0, 0.0
        self.patience, self.deadline = patience, deadline
        self.best_round, self.best_loss, self.truncated = 0, math.inf, False
        self._mark_round, self._mark_loss = 0, math.inf

    def ends(self, number: int, loss: float) -> bool:
        """Take note of a round's loss; return whether it was the last.

        Examples
        --------
        >>> stopping = Stopping(patience=2, deadline=math.inf)
        >>> [stopping.ends(number, loss) for number, loss in enumerate((3, 1, 2, 2))]
        [False, False, False, True]
        >>> stopping.best_round
        1
        """
        if loss < self.best_loss:
            self.best_round, self.best_loss = number, loss
        if loss < self._mark_loss * (1 - WORTH):
            self._mark_round, self._mark_loss = number, loss
        if number - self._mark_round >= self.patience or loss < PERFECT:
            return True
        self.truncated = time.time() >= self.deadline
        return self.truncated or self._too_slow(number)

    def learnt(self, rounds: int = 0) -> dict[str, float]:
        """Return what a fit of more rows can do without validation rows (see `Model.learnt`).

        Parameters
        ----------
        rounds : int, default 0
            Rounds of the model; 0: up to the best one.
        """
        return {"learning_rate": self.pace, "n_rounds": float(rounds or self.best_round + 1)}

    def _too_slow(self, number: int) -> bool:
        """Return whether time will end it half-learnt; asked once, after the pilot rounds."""
        first, last = PILOT
        if self.rate and number == first:
            self._pilot = time.time()
        if not self.rate or number != last:
            return False
        now = time.time()
        seconds = max((now - self._pilot) / (last - first), 1e-6)
        wanted = min(WORK * seconds / max(self.deadline - now, 1e-6), HIGHEST_RATE)
        self.faster = wanted if wanted > ENOUGH * self.rate else 0.0
        return self.faster > 0


def at_pace(
    boost: Callable[[float, Stopping], Booster], rate: float, patience: int, deadline: float
) -> tuple[Booster, Stopping]:
    """Boost at a rate, or, where there is no time for that, from the start at a higher one.

    A model that has learnt fast to the end is better than one that was stopped half-way.

    Parameters
    ----------
    boost : callable
        ``boost(rate, stopping) -> booster``; it asks ``stopping.ends`` after each round.
    rate : float
        Learning rate that was asked for.
    patience : int
        Rounds without a gain at that rate.
    deadline : float
        Time since the epoch, in seconds.

    Returns
    -------
    Booster, Stopping
        What ``boost`` returned last, and what watched it.
    """
    stopping = Stopping(patience, deadline, rate)
    booster = boost(rate, stopping)
    if not stopping.faster:
        return booster, stopping
    rounds = max(LEAST_PATIENCE, round(patience * rate / stopping.faster))
    again = Stopping(rounds, deadline)
    again.pace = stopping.faster
    return boost(stopping.faster, again), again
