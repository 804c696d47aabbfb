"""Which family of models is refined next: a bandit on what its seconds have brought.

Each family is an arm. How soon it is expected to gain decides how often it is pulled: one that
gained lately, in little time, more often than one that has been tried in vain for long. And the
further behind its best trial is, by rank, the less of the time it gets: an ensemble lives from
several families, but not from those that are far behind.

References
----------
C. Wang et al., FLAML: a fast and lightweight AutoML library, MLSys 2021, section 4.2: chances in
proportion to the inverse of the estimated cost for improvement. We differ in how a family that is
behind is judged: by rank, and not by how long it would take to catch up at its pace. Families begin
with proven recipes, the first of which is often the best, so that there is no pace to speak of.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Families"]

# Of the time of the family ranked before it, what one gets that gains as soon.
RANK_SHARE = 0.6
# A family whose trials took less would be pulled for ever.
LEAST_SECONDS = 0.1


@dataclass
class _Arm:
    """The trials of a family, in the order in which they ended.

    Attributes
    ----------
    seconds : float
        What all of them took.
    best : float
        Least loss; infinity where there is none.
    spent : float
        What all trials up to the best one took.
    gain : float
        What of that came after the one that was the best before.
    """

    seconds: float = 0.0
    best: float = np.inf
    spent: float = 0.0
    gain: float = 0.0

    @property
    def next_gain(self) -> float:
        """Seconds until it is better once more, if all goes on as it did."""
        return max(self.seconds - self.spent, self.gain, LEAST_SECONDS)


class Families:
    """What is known of each family, and the draw of the next one."""

    def __init__(self) -> None:
        self._arms: dict[str, _Arm] = {}

    def tell(self, key: str, loss: float | None, seconds: float) -> None:
        """Learn what came of a trial.

        Parameters
        ----------
        key : str
            Its family.
        loss : float or None
            Its loss; None after a failure, which costs time all the same.
        seconds : float
            What it took.
        """
        arm = self._arms.setdefault(key, _Arm())
        arm.seconds += seconds
        if loss is not None and loss < arm.best:
            arm.best = loss
            arm.gain, arm.spent = arm.seconds - arm.spent, arm.seconds

    def known(self, key: str) -> bool:
        """Return whether a family has a trial with a score."""
        return key in self._arms and self._arms[key].best < np.inf

    def draw(self, keys: Sequence[str], rng: np.random.Generator) -> str:
        """Draw a family.

        Parameters
        ----------
        keys : sequence of str
            Those that may be drawn. One that nothing is known of, perhaps because there was no time
            for it, has the chances of the most promising one.
        rng : numpy.random.Generator
            Source of the draw.
        """
        known = sorted((key for key in keys if self.known(key)), key=lambda k: self._arms[k].best)
        chances = {
            key: RANK_SHARE**rank / self._arms[key].next_gain for rank, key in enumerate(known)
        }
        most = max(chances.values(), default=1.0)
        shares = np.array([chances.get(key, most) for key in keys])
        return str(rng.choice(list(keys), p=shares / shares.sum()))
