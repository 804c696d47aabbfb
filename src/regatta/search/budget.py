"""How the time of a run is shared: what the race gets, and what comes after it.

The race ends early enough for the stages behind it: combining the trials, measuring the winner on
the locked rows, the report, the registry, the service. What they need is estimated from the
table's size for a reference machine, and scaled by how fast this machine was seen to be.
"""

import math
from dataclasses import dataclass

from regatta.errors import BudgetError

__all__ = [
    "LEAST_RACE_SECONDS",
    "WARM_IMPORT_SECONDS",
    "Tail",
    "bounded_tail",
    "check_budget",
    "columns_seconds",
    "estimate_tail",
    "head_seconds",
    "least_budget",
    "refit_seconds",
    "refit_wait",
    "release_seconds",
    "selection_seconds",
    "speed_factor",
]

# Measured on the reference machine (2 idle cores), in seconds.
IMPORT_SECONDS = 1.9
# The same of a warm interpreter, which imports more, beside the start of the run.
WARM_IMPORT_SECONDS = 3.0
HEAD_SECONDS = 4.5
HEAD_SECONDS_PER_CELL = 1.5e-7
HEAD_SECONDS_PER_COLUMN = 5e-4
ENSEMBLE_SECONDS = 0.8
EVALUATE_SECONDS = 2.5
RELEASE_SECONDS = 0.5
# What the start of a task takes besides, where it is not forked from a warm interpreter.
START_SECONDS = 1.0
TAIL_TASKS = 3
# A process here; pods of a candidate and of the service there.
DEPLOY_SECONDS = {"none": 0.0, "local": 4.5, "kserve": 25.0}
# Intervals and curves, by scored outputs; reading the table and blending, by cells and outputs.
SECONDS_PER_SCORED_OUTPUT = 3e-5
SECONDS_PER_CELL = 8e-8
SECONDS_PER_TRAINING_OUTPUT = 4e-6
# Selection and intervals look at fewer rows where there are very many classes.
OUTPUTS_AT_MOST = 4.0
# ``ensemble`` selects for this share of the budget at most (bounds in seconds), and may learn the
# pool of a classification for as long again.
SELECTION_SHARE, SELECTION_BOUNDS = 0.03, (1.0, 15.0)
SELECTION_SECONDS_PER_OUTPUT, SELECTION_OUTPUTS = 6e-5, 60_000
# A shorter race has few trials to select from.
SELECTION_BUDGET = 30.0
# ``evaluate`` measures the columns for this share of the budget at most (bounds in seconds), and a
# few columns for less.
COLUMNS_SHARE, COLUMNS_BOUNDS = 0.04, (1.0, 20.0)
SECONDS_PER_COLUMN = 0.3
# ``evaluate`` loads the models of the folds, then what is released, which is seldom as large.
LOADS = 1.6
# Each column of each request and of each prediction has a price, however few the rows.
TAIL_SECONDS_PER_COLUMN = 1.2e-3
# A task on a cluster costs about 12 s of pods; three of them come after the race.
POD_TAIL_SECONDS = 36.0

# Share of the race in which the winner is fitted again with the locked rows. On eight small tables
# that was worth 0.2 to 7 % of the loss, on each of them. Each cell takes so long at least: of a
# large table only a long race has time for it.
REFIT_SHARE = 0.3
REFIT_SECONDS_PER_CELL = 2e-6
# Its process has features to write, and imports besides if it is not forked; more rows take longer.
REFIT_LEAST_SECONDS = 3.0
REFIT_START_SECONDS, REFIT_IMPORT_SECONDS = 0.7, 1.8
REFIT_LONGER = 1.1
# So long it runs beside the measurement of the winner.
REFIT_BESIDE_SECONDS = 4.5
# The report, the bundle and a margin for what the estimates do not see. Where both of these were
# 1.5 s, 5 to 6 s were left on twelve tables.
CLOSING_SECONDS = 1.0
# After the last task: the runner, the warm interpreters and the command line say goodbye.
END_SECONDS = 0.8

LEAST_RACE_SECONDS = 2.5
# Share of what is left at the start of a lane that the race gets, if the tail of the reference
# machine fits into the rest. How slow a machine seems is a guess; a run without a model is none.
RACE_SHARE = 0.4
SPEED_BOUNDS = 0.8, 4.0
# The budget may be overrun by 5 s or a tenth; a tight one may count on a part of that.
OVERRUN_SECONDS = 2.0


@dataclass(frozen=True)
class Tail:
    """What comes after the race.

    Attributes
    ----------
    work : float
        Seconds on the reference machine.
    wait : float
        Seconds that are the same on every machine.
    """

    work: float
    wait: float

    def seconds(self, speed: float = 1.0) -> float:
        """Return the length on a machine that is `speed` times slower than the reference."""
        return speed * self.work + self.wait


def estimate_tail(
    n_rows: int,
    n_columns: int,
    n_outputs: int,
    *,
    scored_rows: int,
    budget_seconds: float,
    deploy: str,
    pods: bool,
    warm: bool = False,
) -> Tail:
    """Estimate what comes after the race.

    Parameters
    ----------
    n_rows : int
        Training rows.
    n_columns, n_outputs : int
        Features, and width of a prediction.
    scored_rows : int
        Locked rows that ``evaluate`` scores.
    budget_seconds : float
        Budget of the run.
    deploy : {"none", "local", "kserve"}
        Where a service is started.
    pods : bool
        Whether each task has a pod.
    warm : bool, default False
        Whether tasks are forked from a warm interpreter.
    """
    work = (
        ENSEMBLE_SECONDS
        + EVALUATE_SECONDS
        + RELEASE_SECONDS
        + END_SECONDS
        + (0.0 if warm else TAIL_TASKS * START_SECONDS)
        + DEPLOY_SECONDS[deploy]
        + min(scored_rows * n_outputs * SECONDS_PER_SCORED_OUTPUT, OUTPUTS_AT_MOST)
        + n_columns * TAIL_SECONDS_PER_COLUMN
        + min(n_rows * n_columns * SECONDS_PER_CELL, 30.0)
        + min(n_rows * n_outputs * SECONDS_PER_TRAINING_OUTPUT, OUTPUTS_AT_MOST)
    )
    wait = columns_seconds(budget_seconds, n_columns) + (POD_TAIL_SECONDS if pods else 0.0)
    if n_outputs > 1 and budget_seconds >= SELECTION_BUDGET:
        outputs = min(n_rows * n_outputs, SELECTION_OUTPUTS)
        likely = outputs * SELECTION_SECONDS_PER_OUTPUT
        wait += min(likely, 2 * selection_seconds(budget_seconds))
    return Tail(round(work, 3), round(wait, 3))


def selection_seconds(budget_seconds: float) -> float:
    """Return how long members may be selected at most, in seconds.

    Parameters
    ----------
    budget_seconds : float
        Budget of the run.

    Examples
    --------
    >>> selection_seconds(60), selection_seconds(10), selection_seconds(3600)
    (1.8, 1.0, 15.0)
    """
    low, high = SELECTION_BOUNDS
    return round(min(max(SELECTION_SHARE * budget_seconds, low), high), 3)


def columns_seconds(budget_seconds: float, n_columns: int) -> float:
    """Return how long the columns of the winner are measured, in seconds.

    Parameters
    ----------
    budget_seconds : float
        Budget of the run.
    n_columns : int
        Features.

    Examples
    --------
    >>> columns_seconds(60, 20), columns_seconds(240, 10), columns_seconds(10, 20)
    (2.4, 3.0, 1.0)
    """
    low, high = COLUMNS_BOUNDS
    share = min(COLUMNS_SHARE * budget_seconds, SECONDS_PER_COLUMN * n_columns, high)
    return round(max(share, low), 3)


def refit_seconds(seconds: float, n_rows: int, n_columns: int) -> float:
    """Return how long the winner may be fitted again, with the locked rows, before its release.

    Parameters
    ----------
    seconds : float
        What the budget leaves for the race and for this.
    n_rows, n_columns : int
        Training rows and features; a large table takes long.

    Examples
    --------
    >>> refit_seconds(40, 5_000, 20), refit_seconds(9, 500, 20)
    (12.0, 0.0)
    >>> refit_seconds(40, 1_000_000, 20), refit_seconds(400, 1_000_000, 20)
    (0.0, 120.0)
    """
    share = REFIT_SHARE * seconds
    least = max(REFIT_LEAST_SECONDS, n_rows * n_columns * REFIT_SECONDS_PER_CELL)
    return 0.0 if share < least else round(share, 3)


def refit_wait(seconds: float) -> float:
    """Return how much later the run ends by a refit: it begins with the measurement."""
    return max(seconds - REFIT_BESIDE_SECONDS, 0.0)


def release_seconds(
    deploy: str, load_seconds: float, *, speed: float = 1.0, warm: bool = False
) -> float:
    """Estimate what comes after the refit, in seconds.

    Parameters
    ----------
    deploy : {"none", "local", "kserve"}
        Where a service is started.
    load_seconds : float
        Time to load the models of the folds on the reference machine.
    speed : float, default 1
        How many times slower this machine is.
    warm : bool, default False
        Whether tasks are forked from a warm interpreter.
    """
    start = END_SECONDS + (0.0 if warm else START_SECONDS)
    work = (LOADS - 1) * load_seconds + start + RELEASE_SECONDS + DEPLOY_SECONDS[deploy]
    return CLOSING_SECONDS + speed * work


def speed_factor(import_seconds: float, reference: float = IMPORT_SECONDS) -> float:
    """Return how much slower this machine is than the reference machine.

    Parameters
    ----------
    import_seconds : float
        How long the lane took to import its libraries.
    reference : float, default IMPORT_SECONDS
        How long the reference machine takes.
    """
    low, high = SPEED_BOUNDS
    return min(max(import_seconds / reference, low), high)


def bounded_tail(tail: Tail, speed: float, left: float) -> float:
    """Return how much time to keep for what comes after the race, in seconds.

    Parameters
    ----------
    tail : Tail
        What comes after the race.
    speed : float
        How much slower this machine seems than the reference machine.
    left : float
        What is left of the budget when the lane starts, in seconds.
    """
    return min(tail.seconds(speed), max(tail.seconds(), (1 - RACE_SHARE) * left))


def head_seconds(n_rows: int, n_columns: int) -> float:
    """Estimate what comes before the race on the reference machine, in seconds."""
    cells = n_rows * n_columns
    return HEAD_SECONDS + cells * HEAD_SECONDS_PER_CELL + n_columns * HEAD_SECONDS_PER_COLUMN


def least_budget(tail: float, head: float = HEAD_SECONDS) -> int:
    """Return the smallest budget that leaves time for a trial, in whole seconds.

    Parameters
    ----------
    tail : float
        What comes after the race, in seconds.
    head : float
        What comes before it, in seconds.
    """
    return math.ceil(head + tail + LEAST_RACE_SECONDS)


def check_budget(seconds: float, tail: float, head: float = HEAD_SECONDS) -> None:
    """Refuse a budget that no trial fits into.

    Parameters
    ----------
    seconds : float
        The budget.
    tail, head : float
        What comes after and before the race, in seconds.

    Raises
    ------
    BudgetError
        Even with the overrun that is allowed, there is no time for a trial.
    """
    least = least_budget(tail, head)
    if seconds + OVERRUN_SECONDS < least:
        raise BudgetError(
            f"the budget of {seconds:g} s leaves no time for a trial",
            expected=f"at least {least} s for this table",
            fix=f"use --budget {least}s or more",
        )
