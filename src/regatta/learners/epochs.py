"""When a network that learns in epochs goes back to its best, slows down, and ends."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import numpy as np

from regatta.learners.base import Params, Shape

__all__ = [
    "DROPS",
    "Pace",
    "Restartable",
    "Schedule",
    "best_epoch",
    "follow",
    "products_seconds",
]

# A network begins again from its best weights, at a lower rate, so often.
DROPS = 2
# What learns in few epochs is waited for over few: at least so many, and this share of those that
# have led to the best.
LEAST_PATIENCE, PATIENCE_SHARE = 3, 0.6
# Share of the time, or of the planned epochs, in which steps become smaller.
SETTLING = 0.3

# Names of the parts of a schedule, among what a trial has learnt.
PARTS = tuple(f"epochs_{drop}" for drop in range(DROPS + 1))

Weights = TypeVar("Weights")


def products_seconds(shape: Shape, params: Params) -> float:
    """Estimate how long the products of all epochs take on the reference machine, in seconds.

    Parameters
    ----------
    shape : Shape
        Size of one fold's training rows, before they are encoded.
    params : mapping
        ``width`` and ``depth`` among them.
    """
    width, depth = params["width"], params["depth"]
    first, others = 5e-8 * shape.n_columns * width, 5e-9 * width**2 * (depth - 1)
    return float(shape.n_rows * (first + others))


@dataclass
class Pace:
    """How large the steps of a network are.

    In the last part of the time, or of the epochs that are planned, they become smaller, down to
    nothing at its end: where it ends before the loss has settled, the weights have settled all the
    same.

    Attributes
    ----------
    until : float
        When the time is over, in seconds since the epoch.
    planned : int, default 0
        Epochs that there will be; 0: as many as there is time for.
    began : float
        When it began, in seconds since the epoch; by default now.
    done : int
        Epochs that are over.
    """

    until: float
    planned: int = 0
    began: float = field(default_factory=time.time)
    done: int = 0

    def share(self, within: float) -> float:
        """Return how large a step is, as a share of the learning rate; 0: there is no time for it.

        Parameters
        ----------
        within : float
            Which part of its epoch is over.

        Examples
        --------
        >>> Pace(np.inf, began=0.0, planned=10, done=6).share(0.5)
        1.0
        >>> round(Pace(np.inf, began=0.0, planned=10, done=8).share(0.5), 3)
        0.5
        """
        left = 1.0
        if np.isfinite(self.until):
            left = (self.until - time.time()) / max(self.until - self.began, 1e-9)
        if self.planned:
            left = min(left, 1 - (self.done + within) / self.planned)
        return min(max(left / SETTLING, 0.0), 1.0)


@dataclass(frozen=True)
class Schedule:
    """How a network came to its best weights: with it, one needs no rows to validate.

    Attributes
    ----------
    epochs : tuple of float
        Epochs at the first learning rate, and after each drop of it.
    settled : float
        1 where time was short and made the steps smaller at the end; 0 where not. Of several
        folds, their mean.
    """

    epochs: tuple[float, ...]
    settled: float = 0.0

    def learnt(self) -> dict[str, float] | None:
        """Return it as parameters of a fit of all rows; None where nothing was learnt."""
        if not sum(self.epochs):
            return None
        epochs = zip(PARTS, map(float, self.epochs), strict=True)
        return {**dict(epochs), "settled": self.settled}

    @classmethod
    def among(cls, params: Params) -> "Schedule | None":
        """Return the one that parameters name; None where there is none.

        Examples
        --------
        >>> Schedule.among({"width": 64, "epochs_0": 9.6, "epochs_1": 3, "settled": 0})
        Schedule(epochs=(9.6, 3), settled=0)
        """
        epochs = tuple(params[name] for name in PARTS if name in params)
        return cls(epochs, params.get("settled", 0.0)) if epochs else None

    @property
    def planned(self) -> int:
        """Epochs over which the steps become smaller; 0 where they do not."""
        return sum(self.rounded) if self.settled > 0.5 else 0

    @property
    def rounded(self) -> tuple[int, ...]:
        """Whole epochs, at least one."""
        first, *others = (round(count) for count in self.epochs)
        return (max(first, 1), *others)


class Restartable(Protocol[Weights]):
    """A network that can be brought back."""

    def copy(self) -> Weights:
        """Return all that it has learnt."""

    def restart(self, earlier: Weights) -> None:
        """Go on from what `copy` returned, with a lower learning rate."""


def best_epoch(
    network: Restartable[Weights],
    epoch: Callable[[], bool],
    loss: Callable[[], float],
    params: Params,
    *,
    best_loss: float = np.inf,
) -> tuple[Weights, bool, Schedule]:
    """Train until the loss falls no more, or until there is no time.

    Parameters
    ----------
    network : Restartable
        What learns.
    epoch : callable
        Passes once over the rows; returns whether there was time for all.
    loss : callable
        Returns the validation loss.
    params : mapping
        ``epochs``, at most; ``patience``, most epochs without a lower loss after which it restarts
        or ends.
    best_loss : float, default inf
        Loss of the network as it is given.

    Returns
    -------
    Weights, bool, Schedule
        What had the lowest loss, whether time ended it, and how it came to its weights.
    """
    best, best_at, drops, began, truncated = network.copy(), 0, 0, 0, False
    epochs = [0.0] * (DROPS + 1)
    for number in range(int(params["epochs"])):
        truncated = not epoch()
        found = loss()
        if found < best_loss:
            best, best_loss, best_at = network.copy(), found, number
            epochs[drops] = number - began + 1.0
        elif number - max(best_at, began - 1) >= _patience(params["patience"], sum(epochs)):
            drops, began = drops + 1, number + 1
            network.restart(best)
        if truncated or drops > DROPS:
            break
    return best, truncated, Schedule(tuple(epochs), float(truncated))


def _patience(most: float, useful: float) -> float:
    """Return how many epochs to wait, after so many that were of use."""
    return min(most, max(LEAST_PATIENCE, PATIENCE_SHARE * useful))


def follow(
    network: Restartable[Weights], epoch: Callable[[], bool], schedule: Schedule
) -> tuple[Weights, bool]:
    """Train as a schedule says.

    Parameters
    ----------
    network : Restartable
        What learns.
    epoch : callable
        Passes once over the rows; returns whether there was time for all.
    schedule : Schedule
        What another network, or several in the mean, found out.

    Returns
    -------
    Weights, bool
        What was learnt last, and whether time ended it.
    """
    for drop, count in enumerate(schedule.rounded):
        if drop:
            network.restart(network.copy())
        for _ in range(count):
            if not epoch():
                return network.copy(), True
    return network.copy(), False
