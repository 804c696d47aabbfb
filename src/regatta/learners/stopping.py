"""When boosting ends: no better for a while, or out of time."""

import math
import time

__all__ = ["Stopping"]


class Stopping:
    """Watch the validation loss, round by round.

    Parameters
    ----------
    patience : int
        Rounds without a better loss after which it ends.
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
        if number - self.best_round >= self.patience:
            return True
        self.truncated = time.time() >= self.deadline
        return self.truncated
