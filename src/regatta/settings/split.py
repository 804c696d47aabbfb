"""How rows are set apart."""

from pydantic import Field

from regatta.settings.group import Group

__all__ = ["SplitSettings"]


class SplitSettings(Group):
    """How rows are set apart."""

    locked_share: float = Field(default=0, ge=0, lt=0.9)
    """Share of rows that are locked away until the winner is measured; 0: a fifth up to
    12,500 rows, 2,500 rows up to 25,000, a tenth above."""
    folds: int = Field(default=0, ge=0, le=20)
    """Number of cross-validation folds, 1 for one holdout; 0: by table size and budget."""
    repeats: int = Field(default=0, ge=0, le=10)
    """How often a trial deals the rows to folds anew, so that chance says less in a small table;
    0: by table size and budget, or once where ``folds`` is set."""
