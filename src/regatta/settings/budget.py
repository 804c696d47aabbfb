"""How long the whole run may take."""

from pydantic import Field

from regatta.settings.group import Group

__all__ = ["BudgetSettings"]


class BudgetSettings(Group):
    """How long the whole run may take."""

    seconds: float = Field(default=300, gt=0)
    """Wall-clock of the whole command. On a cluster it begins when the lanes start: pods, reading
    and planning before that come on top."""
    started_at: float = Field(default=0, ge=0)
    """When the budget began, in seconds since the epoch; 0: when the lane starts."""
