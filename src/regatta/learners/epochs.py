"""When a network that learns in epochs goes back to its best, slows down, and ends."""

from collections.abc import Callable
from typing import Protocol, TypeVar

import numpy as np

from regatta.learners.base import Params

__all__ = ["DROPS", "Restartable", "best_epoch"]

# A network begins again from its best weights, at a lower rate, so often.
DROPS = 2

Weights = TypeVar("Weights")


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
) -> tuple[Weights, bool]:
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
        ``epochs``, at most; ``patience``, epochs without a lower loss after which it restarts,
        longer after each time.
    best_loss : float, default inf
        Loss of the network as it is given.

    Returns
    -------
    Weights, bool
        What had the lowest loss, and whether time ended it.
    """
    best, best_at, drops = network.copy(), 0, 0
    for number in range(int(params["epochs"])):
        truncated = not epoch()
        found = loss()
        if found < best_loss:
            best, best_loss, best_at = network.copy(), found, number
        elif number - best_at >= params["patience"] * (1 + drops):
            drops += 1
            network.restart(best)
        if truncated or drops > DROPS:
            return best, truncated
    return best, False
