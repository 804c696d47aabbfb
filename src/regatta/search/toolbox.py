"""Where a lane gets learners and encoders from; tests put their own in."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from regatta.learners.base import Learner

if TYPE_CHECKING:
    from regatta.features.encoders import Encoder
    from regatta.features.rows import RowFeatures

__all__ = ["Toolbox"]


def _learner(key: str) -> Learner:
    from regatta.learners import get_learner

    return get_learner(key)


def _encoder(key: str, features: "RowFeatures") -> "Encoder":
    from regatta.features import encoders

    return encoders.create(key, features)


def _learners_for(task: str) -> list[str]:
    from regatta.learners import LEARNERS, learners_for

    return learners_for(task) if task else list(LEARNERS)


@dataclass(frozen=True)
class Toolbox:
    """Makers of what a trial uses.

    Attributes
    ----------
    learner : callable
        ``learner(key) -> Learner``; by default `regatta.learners.get_learner`.
    encoder : callable
        ``encoder(key, features) -> Encoder``; by default `regatta.features.encoders.create`.
    learners_for : callable
        ``learners_for(task) -> list of keys``, of all learners for ``""``.
    """

    learner: Callable[[str], Learner] = _learner
    encoder: Callable[[str, "RowFeatures"], "Encoder"] = _encoder
    learners_for: Callable[[str], list[str]] = _learners_for
