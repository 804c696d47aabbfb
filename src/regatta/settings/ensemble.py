"""How trials are combined."""

from pydantic import Field

from regatta.settings.group import Group

__all__ = ["EnsembleSettings"]


class EnsembleSettings(Group):
    """How trials are combined."""

    max_members: int = Field(default=8, ge=1)
    """Most trials in the ensemble. More of them add little to the score and cost latency."""
    iterations: int = Field(default=50, ge=1)
    """Steps of the greedy selection (Caruana et al., 2004)."""
    stacking: bool = True
    """Whether the members of a classification are weighted and calibrated by a logistic regression
    on their out-of-fold predictions, where that is better on folds that it has not seen."""
    max_row_milliseconds: float = Field(default=0, ge=0)
    """Longest time to predict one row with all members, measured on this machine; 0: no limit."""
    max_bytes: int = Field(default=0, ge=0)
    """Largest size of all members' models on disk; 0: no limit."""
    refit: bool = True
    """Whether the members are fitted again, with the locked rows, once they are measured. On a
    small table that is worth more than further trials."""
