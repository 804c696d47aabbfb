"""Which trials race."""

from typing import Literal

from pydantic import Field

from regatta.settings.group import Group

__all__ = ["DimensionSettings", "RecipeSettings", "SearchSettings", "Strategy"]

Strategy = Literal["portfolio", "grid", "random", "bayes", "halving"]

# In this order an integer of JSON stays one.
Value = bool | int | float | str | None


class DimensionSettings(Group):
    """What one parameter may be: between two bounds, or one of some choices."""

    low: float | None = Field(default=None, allow_inf_nan=False)
    """Least value; absent: that of the learner's own space."""
    high: float | None = Field(default=None, allow_inf_nan=False)
    """Greatest value; absent: that of the learner's own space."""
    log: bool | None = None
    """Whether to draw on a logarithmic scale; absent: as the learner does."""
    choices: tuple[Value, ...] = ()
    """The only values, instead of bounds."""


class RecipeSettings(Group):
    """A trial that shall be raced."""

    learner: str
    """Key of the learner."""
    params: dict[str, Value] = Field(default_factory=dict)
    """Parameters that shall differ from the learner's defaults."""
    rows: int = Field(default=0, ge=0)
    """Most training rows of a fold, drawn at random; 0: all."""


class SearchSettings(Group):
    """Which trials race."""

    metric: str = "auto"
    """Metric to optimise; ``auto``: ROC AUC (binary), log-loss (multiclass), RMSE (regression)."""
    strategy: Strategy = "portfolio"
    """Which recipes are tried, in which order. ``portfolio``: proven recipes, then refined around
    the best; ``bayes``: refined from the start; ``halving``: many recipes on few rows, the best on
    more."""
    refine: Literal["bayes", "random", "none"] = "bayes"
    """What follows the recipes of ``portfolio`` or ``bayes``. ``bayes``: the families that gain
    most for their time, by a Tree-structured Parzen Estimator; ``random``: draws from the spaces;
    ``none``: the race ends."""
    learners: tuple[str, ...] = ()
    """Keys of the learners to use; empty: all that suit the task."""
    spaces: dict[str, dict[str, DimensionSettings]] = Field(default_factory=dict)
    """Search spaces, by learner and parameter, that narrow or replace the learner's own:
    ``{"lightgbm": {"num_leaves": {"low": 4, "high": 32}, "extra_trees":
    {"choices": [true]}}}``."""
    recipes: tuple[RecipeSettings, ...] = ()
    """Trials to race before all others: ``[{"learner": "linear", "params": {"C": 1}, "rows":
    0}]``. With as many ``max_trials``, only these."""
    warm_start: bool = True
    """Whether to begin with what did best in earlier runs on a table with these columns and this
    target, or else on the one most like it, and to remember this run: on this machine, or, in pods,
    beside the models of the registry. Not with ``max_trials``."""
    median_stopping: bool = True
    """Whether to give up a trial that is worse on its first folds than half of the others, and than
    the best of its learner; or, if that has none yet, than all. For the strategies
    ``portfolio`` and ``bayes``; never a trial of ``recipes``, nor with ``max_trials``."""
    lanes: int = Field(default=1, ge=1, le=256)
    """Number of trial tasks (``regatta run --workers``): one lane is one pod on a cluster."""
    cores: int = Field(default=0, ge=0)
    """Trials side by side in a lane, one core each; 0: one per core of the machine, shared by its
    lanes, and at most two in a pod."""
    max_trials: int = Field(default=0, ge=0)
    """Trials over all lanes (``--trials``), retries not counted; 0: as many as the budget holds. A
    number fixes every recipe beforehand, so that a seed gives one leaderboard whatever the number
    of lanes and cores; recipes after those of the strategy are random draws, for ``bayes`` too.
    Where memory is short, set ``search.memory_bytes`` as well: its default depends on the lanes."""
    memory_bytes: int = Field(default=0, ge=0)
    """Memory limit of one trial; 0: 80 % of what is free, shared by the trials at work."""
    trial_seconds: float = Field(default=0, ge=0)
    """Longest time for one trial; 0: what the plan gives it."""
