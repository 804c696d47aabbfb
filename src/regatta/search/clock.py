"""When the race of a lane ends."""

import time
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import NamedTuple

from regatta.search.budget import (
    LEAST_RACE_SECONDS,
    LOADS,
    REFIT_IMPORT_SECONDS,
    REFIT_LONGER,
    REFIT_START_SECONDS,
    refit_wait,
)

__all__ = ["Clock", "Price"]

# Passes over the locked rows, each by all members; there is a time of its own for the columns.
PASSES = 2.0
MEMBERS, LEARNERS = 6, 3
# Members may predict for longer than the best would by this share of the time.
LONGER_SHARE = 0.03
# Where the race is so long, further recipes are worth less than a further draw of each member.
LONG_SECONDS, LONG_DRAWS = 100.0, 2
# Trials to come may replace some that an ensemble would take now, and take longer to fit again.
REPLACED = 1.25


class Price(NamedTuple):
    """What a candidate for the ensemble costs; the best one is the least.

    Attributes
    ----------
    loss : float
        Its loss.
    predict_seconds_per_row : float
        To predict a row among many, in seconds, as are the others.
    again_seconds, fit_seconds : float
        To fit it again, as often as there is time kept for, and once.
    encode_seconds : float
        To encode the rows for that.
    load_seconds : float
        To load its models.
    learner, encoding, trial : str
        Learner, encoding and id of the trial.
    """

    loss: float
    predict_seconds_per_row: float = 0.0
    again_seconds: float = 0.0
    fit_seconds: float = 0.0
    encode_seconds: float = 0.0
    load_seconds: float = 0.0
    learner: str = ""
    encoding: str = ""
    trial: str = ""


@dataclass
class Clock:
    """When the race of a lane ends.

    Attributes
    ----------
    began : float
        Start of the lane's race, in seconds since the epoch.
    end : float
        When the budget ends.
    tail : float
        What comes after the race on this machine, predictions not counted.
    refit : float
        Most of it that fitting the winner again may take.
    slots : int
        Trials side by side.
    head : float
        What came before the race, in seconds.
    scored_rows : int
        Rows that the winner will have to predict.
    warm : bool
        Whether the refit is forked from a warm interpreter.
    """

    began: float
    end: float
    tail: float
    head: float = 0.0
    scored_rows: int = 0
    refit: float = 0.0
    slots: int = 1
    warm: bool = False
    _prices: list[Price] = field(default_factory=list)
    _members: frozenset[str] = frozenset()

    @property
    def deadline(self) -> float:
        """When the race ends, in seconds since the epoch."""
        best = self._best
        loading = LOADS * sum(price.load_seconds for price in best)
        deadline = self.end - self.tail - self._predicting - loading
        if best:
            # Small models are fitted again in less time than was kept for it.
            needed = self._again(self._likely)
            if members := [price for price in self._prices if price.trial in self._members]:
                needed = min(needed, REPLACED * self._again(members))
            deadline += max(refit_wait(self.refit) - self._wait_for(needed), 0.0)
        # The plan has found that a trial fits: only a budget that is over already ends the race.
        return max(deadline, self.began + LEAST_RACE_SECONDS) if self.began < self.end else self.end

    @property
    def row_seconds(self) -> float:
        """Time in which all members have to predict a row among many, in seconds.

        The best are not all that an ensemble takes: for neighbours, which are slow and err
        differently, no time has been kept.
        """
        most = self._predicting + LONGER_SHARE * (self.end - self.began)
        return most / (PASSES * max(self.scored_rows, 1))

    @property
    def _best(self) -> list[Price]:
        """What an ensemble will be made of, for the most part."""
        return sorted(self._prices)[:MEMBERS]

    def _again(self, prices: Collection[Price]) -> float:
        """Return how long it takes to fit all these again, in seconds."""
        # What several are fitted behind is encoded once.
        encodings = {price.encoding: price.encode_seconds for price in prices}
        seconds = sum(encodings.values()) + sum(price.again_seconds for price in prices)
        longest = max(price.encode_seconds + price.fit_seconds for price in prices)
        return REFIT_LONGER * max(seconds / self.slots, longest)

    def _wait_for(self, again: float) -> float:
        """Return how much later the run ends by fits that take so long, in seconds."""
        start = REFIT_START_SECONDS + (0.0 if self.warm else REFIT_IMPORT_SECONDS)
        return refit_wait(start + again)

    @property
    def _likely(self) -> list[Price]:
        """The best, and the best of other learners: what time is kept for to fit again."""
        best = self._best
        return [*best, *(first for first in self._firsts if first not in best)]

    @property
    def kept(self) -> float:
        """What of the race is kept for fitting them again, in seconds."""
        if not self._prices:
            return refit_wait(self.refit)
        return min(refit_wait(self.refit), self._wait_for(self._again(self._likely)))

    @property
    def _predicting(self) -> float:
        """Time in which they predict the rows that are scored, in seconds."""
        row_seconds = sum(price.predict_seconds_per_row for price in self._best)
        return PASSES * self.scored_rows * row_seconds

    @property
    def _firsts(self) -> list[Price]:
        """The best of each good learner: an ensemble takes what errs differently."""
        firsts: dict[str, Price] = {}
        for price in sorted(self._prices):
            firsts.setdefault(price.learner, price)
        return list(firsts.values())[:LEARNERS]

    @property
    def is_long(self) -> bool:
        """Whether the race is so long that what comes after it is worth a closer look."""
        return self.end - self.began > LONG_SECONDS

    @property
    def draws(self) -> int:
        """How many times as many fits of each member as have to be there is time kept for."""
        return LONG_DRAWS if self.is_long else 1

    @property
    def race(self) -> float:
        """How long the race takes, in seconds."""
        return max(self.deadline - self.began, 0.0)

    @property
    def left(self) -> float:
        """What is left of it, in seconds."""
        return self.deadline - time.time()

    def learn(self, price: Price) -> None:
        """Take note of what a candidate for the ensemble costs."""
        self._prices.append(price)

    def expect(self, members: Collection[str]) -> None:
        """Keep no more time than it takes to fit again what an ensemble would take now.

        Parameters
        ----------
        members : collection of str
            Ids of these trials; empty: that is not known.
        """
        self._members = frozenset(members)
