"""When served rows differ so much from those of training that a model should be trained again."""

from pydantic import Field

from regatta.settings.group import Group

__all__ = ["MonitorSettings"]


class MonitorSettings(Group):
    """When served rows differ so much that a model should be trained again."""

    psi: float = Field(default=0.2, gt=0)
    """Population stability index from which a column or the predictions have drifted, if it is
    also more than chance. By custom 0.1 is a small shift and 0.2 a large one."""
    false_alarms: float = Field(default=0.001, gt=0, lt=0.5)
    """Share of checks of unchanged rows that may find a drift or a worse score. It is shared out
    among all tests of a check, and says which index would still be chance, given the number of
    rows."""
    unseen: float = Field(default=0.1, gt=0, le=1)
    """Share of rows with a category that training did not know, above what is expected of
    unchanged rows, from which a column has drifted."""
    importance: float = Field(default=0.1, ge=0, le=1)
    """Share of the importance of all columns that the drifted ones must have together for
    ``retrain``, where no score says that the model still does well."""
    lost_lead: float = Field(default=0.1, ge=0, le=1)
    """Share of the lead over a guess that the score must have lost for ``retrain``, if that is also
    more than chance."""
    max_rows: int = Field(default=50_000, ge=100)
    """Most rows that are compared, drawn at random."""
    ignore: tuple[str, ...] = ()
    """Columns that are not compared, such as dates, which move on by nature."""
