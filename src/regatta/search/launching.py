"""How a trial is begun: what it finds imported, and how long it may take until it is killed.

Where the budget decides how many trials there are, each gets a share of the race and stops with
what it has. Where a number of trials was asked for, nothing but the end of the race, or a limit
that was set, ends one: what it learns must not depend on how fast the machine was.
"""

import math
from dataclasses import dataclass
from importlib import import_module

from regatta.search.budget import LEAST_RACE_SECONDS
from regatta.search.clock import Clock

__all__ = ["OTHER_SHARE", "Times", "import_all", "import_for", "is_short", "times_of"]

# Imported before the first fork that needs them, so that children start with them.
COMMON = ("threadpoolctl", "pyarrow.parquet", "sklearn.metrics", "regatta.features.encoders")
NATIVE: dict[str, tuple[str, ...]] = {
    "lightgbm": ("lightgbm",),
    "xgboost": ("xgboost",),
    # Imported before a fork, it may hang in the child: each child imports it for itself.
    "catboost": (),
    # It takes half a gigabyte: children that do not fit it shall not count that as their own.
    "tabm": (),
    "linear": ("sklearn.linear_model",),
    "extra_trees": ("sklearn.ensemble",),
    "random_forest": ("sklearn.ensemble",),
    "hist_gradient_boosting": ("sklearn.ensemble",),
    "svm": ("sklearn.svm",),
}

# Share of the race that fitting one trial may take, the first one and any other.
FIRST_SHARE, FIRST_MOST = 0.15, 20.0
OTHER_SHARE = 0.3
# Share after which a trial is killed that does not stop by itself.
KILL_SHARE = 0.6
# Share of the race that encoding all folds may take, once for each encoding.
ENCODE_SHARE = 0.5
# As long as there is no model, a trial may finish so much after the race.
GRACE_SECONDS = 3.0


# What proposes recipes, besides the learners that the first trials use.
PROPOSING = ("optuna",)


@dataclass(frozen=True)
class Times:
    """The times of a trial, in seconds or in seconds since the epoch.

    Attributes
    ----------
    fit_seconds : float
        To fit all folds.
    encode_seconds : float
        To encode a fold.
    deadline : float
        When all must be written.
    partial : bool
        Whether fewer folds are better than none.
    killed_at : float
        When it is killed.
    why : str
        What ended then.
    """

    fit_seconds: float
    encode_seconds: float
    deadline: float
    partial: bool
    killed_at: float
    why: str


def import_for(learner: str) -> None:
    """Import what the trials of a learner need, before one is forked.

    Parameters
    ----------
    learner : str
        Key of the learner.
    """
    for name in (*COMMON, *NATIVE.get(learner, ())):
        import_module(name)


def import_all() -> None:
    """Import what a whole race needs, before a lane is forked that so begins at once."""
    for learner in NATIVE:
        import_for(learner)
    for name in PROPOSING:
        import_module(name)


def is_short(clock: Clock) -> bool:
    """Return whether the first trial gets a share of the race; of a long one it gets less."""
    return FIRST_SHARE * clock.race <= FIRST_MOST


def times_of(
    clock: Clock,
    now: float,
    *,
    longest: float,
    n_folds: int,
    first: bool,
    hopeful: bool,
    fixed: bool,
) -> Times:
    """Return the times of a trial that begins now.

    Parameters
    ----------
    clock : Clock
        When the race ends.
    now : float
        Seconds since the epoch.
    longest : float
        Longest time for one trial that the user has set; 0: none.
    n_folds : int
        Number of folds.
    first : bool
        Whether no trial has begun before.
    hopeful : bool
        Whether there is no model yet.
    fixed : bool
        Whether the trials are fixed beforehand.
    """
    race_seconds = clock.race
    most = longest or (math.inf if fixed else max(KILL_SHARE * race_seconds, LEAST_RACE_SECONDS))
    ends = min(now + most, clock.deadline)
    why = "the time of a trial" if ends < clock.deadline else "the race"
    if fixed:
        return Times(math.inf, math.inf, math.inf, False, ends, why)
    partial = hopeful and not longest
    share = _first_seconds(race_seconds) if first else OTHER_SHARE * race_seconds
    return Times(
        fit_seconds=min(share, longest or share),
        encode_seconds=ENCODE_SHARE * race_seconds / n_folds,
        # What a child needs to write its files after the last fold.
        deadline=ends - min(0.05 * (ends - now) + 0.1, 2.0),
        partial=partial,
        killed_at=ends + (GRACE_SECONDS if partial else 0.0),
        why=why,
    )


def _first_seconds(race_seconds: float) -> float:
    """Return the time of the first trial: short, for there shall be a model soon."""
    return min(max(FIRST_SHARE * race_seconds, min(2.0, race_seconds)), FIRST_MOST)
