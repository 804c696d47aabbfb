"""Which family of models is refined next: a bandit on what its seconds have brought.

Each family is an arm. What a pull of it is expected to cost before something is gained decides how
often it is pulled: one that gained lately, in little time, more often than one that has been tried
in vain for long; one that is far behind only if its own trials differ so much that it may catch up.

References
----------
C. Wang et al., FLAML: a fast and lightweight AutoML library, MLSys 2021, section 4.2: chances in
proportion to the inverse of the estimated cost for improvement. We differ in how a family that is
behind is judged: by how much its best trial is ahead of its median one, which a first trial that
was the best already does not hide. One that was tried once is given the widest such lead of all.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

import numpy as np

__all__ = ["Families"]

# A trial that cost less would be pulled for ever.
LEAST_SECONDS = 0.1


@dataclass
class _Arm:
    """The trials of a family, in the order in which they ended.

    Attributes
    ----------
    seconds : float
        What all of them took.
    losses : list of float
        Those with a score.
    gains : list of float
        What had been spent at each best loss so far, failures and all.
    """

    seconds: float = 0.0
    losses: list[float] = field(default_factory=list)
    gains: list[float] = field(default_factory=list)

    @property
    def best(self) -> float:
        return min(self.losses)

    @property
    def next_gain(self) -> float:
        """Seconds until it is better once more, if all goes on as it did."""
        last, before = self.gains[-1], self.gains[-2] if len(self.gains) > 1 else 0.0
        return max(self.seconds - last, last - before, LEAST_SECONDS)

    @property
    def spread(self) -> float:
        """By how much the best trial is ahead of the median one; 0 of a single one."""
        return median(self.losses) - self.best

    def catching_up(self, best: float, spread: float) -> float:
        """Seconds until it is as good as the best family, at a pace of `spread` for all it took."""
        gap = self.best - best
        if gap <= 0:
            return 0.0
        return gap * self.seconds / spread if spread > 0 else np.inf


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
        if loss is None:
            return
        if not arm.losses or loss < arm.best:
            arm.gains.append(arm.seconds)
        arm.losses.append(loss)

    def known(self, key: str) -> bool:
        """Return whether a family has a trial with a score."""
        return key in self._arms and bool(self._arms[key].losses)

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
        arms = {key: self._arms[key] for key in keys if self.known(key)}
        best = min((arm.best for arm in arms.values()), default=0.0)
        # Further trials of a family may differ as much as those of any other.
        widest = max((arm.spread for arm in arms.values()), default=0.0)
        costs = {}
        for key, arm in arms.items():
            spread = arm.spread if len(arm.losses) > 1 else widest
            costs[key] = max(arm.next_gain, arm.catching_up(best, spread))
        least = min(costs.values(), default=1.0)
        chances = np.array([1 / costs.get(key, least) for key in keys])
        return str(rng.choice(list(keys), p=chances / chances.sum()))
