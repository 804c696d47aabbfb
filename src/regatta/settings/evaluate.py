"""How the winner is measured on the locked rows."""

from pydantic import Field

from regatta.settings.group import Group

__all__ = ["EvaluateSettings"]


class EvaluateSettings(Group):
    """How the winner is measured on the locked rows."""

    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    """Level of the intervals."""
    resamples: int = Field(default=1000, ge=50)
    """Bootstrap resamples of the locked rows; large locked parts take fewer."""
    max_rows: int = Field(default=50_000, ge=100)
    """Most locked rows that are scored, drawn at random. More would take time and hardly narrow
    an interval: with 50,000 rows, that of an accuracy is at most 0.9 points wide."""
