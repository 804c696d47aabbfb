"""Which trials race."""

from typing import Literal

from pydantic import Field

from regatta.settings.group import Group

__all__ = ["SearchSettings", "Strategy"]

Strategy = Literal["portfolio", "grid", "random", "bayes", "halving"]


class SearchSettings(Group):
    """Which trials race."""

    metric: str = "auto"
    """Metric to optimise; ``auto``: ROC AUC (binary), log-loss (multiclass), RMSE (regression)."""
    strategy: Strategy = "portfolio"
    """Which recipes are tried, in which order. ``portfolio``: proven recipes, then refined around
    the best; ``bayes``: refined from the start; ``halving``: many recipes on few rows, the best on
    more."""
    learners: tuple[str, ...] = ()
    """Keys of the learners to use; empty: all that suit the task."""
    lanes: int = Field(default=1, ge=1, le=256)
    """Number of trial tasks (``regatta run --workers``): one lane is one pod on a cluster."""
    cores: int = Field(default=0, ge=0)
    """Cores for each lane; 0: all cores of the machine or pod, shared by its lanes."""
    max_trials: int = Field(default=0, ge=0)
    """Trials over all lanes (``--trials``), retries not counted; 0: as many as the budget holds. A
    number fixes every recipe beforehand, so that a seed gives one leaderboard whatever the number
    of lanes and cores; recipes after those of the strategy are random draws, for ``bayes`` too. Set
    ``search.memory_bytes`` as well where memory is short: the default limit depends on the lanes."""
    memory_bytes: int = Field(default=0, ge=0)
    """Memory limit of one trial; 0: 80 % of what is free, shared by the trials at work."""
    trial_seconds: float = Field(default=0, ge=0)
    """Longest time for one trial; 0: what the plan gives it."""
