"""When boosting ends: no better for a while, or out of time."""

import math
import time

__all__ = ["Stopping"]

WORTH = 1e-4
PERFECT = 1e-6


class Stopping:
    """Watch the validation loss, round by round.

    Parameters
    ----------
    patience : int
        Rounds after which it ends if the loss has not fallen by a 10,000th. It ends, too, where
        the loss is next to nothing.
    deadline : float
        Time since the epoch, in seconds, at which it ends.

    Attributes
    ----------
    best_round : int
        Round of the lowest loss, counted from 0.
    truncated : bool
        Whether time ended it.
    """

    def __init__(self, patience: int, deadline: float) -> None:
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
        return self.truncated
