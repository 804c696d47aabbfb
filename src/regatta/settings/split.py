"""How rows are set apart."""

from pydantic import Field

from regatta.errors import SettingsError
from regatta.settings.group import Group

__all__ = ["SplitSettings", "check_split"]


class SplitSettings(Group):
    """How rows are set apart."""

    group: str = ""
    """Column that says which rows belong together, such as a customer or a patient: they are locked
    together, or learnt from together and validated by the same fold. The column is no feature; a
    row without a value is a group of its own. Empty: each row is drawn by itself."""
    time: str = ""
    """Column that says when each row was, in dates or numbers: the latest rows are locked, and
    trials learn from the earliest and are validated on those between, in one fold. The column stays
    a feature; rows without a time are left out. Empty: rows are drawn at random."""
    locked_share: float = Field(default=0, ge=0, lt=0.9)
    """Share of rows that are locked away until the winner is measured; 0: a fifth up to
    12,500 rows, 2,500 rows up to 25,000, a tenth above."""
    folds: int = Field(default=0, ge=0, le=20)
    """Number of cross-validation folds, 1 for one holdout; 0: by table size and budget."""
    repeats: int = Field(default=0, ge=0, le=10)
    """How often a trial deals the rows to folds anew, so that chance says less in a small table;
    0: by table size and budget, or once where ``folds`` is set."""


def check_split(split: SplitSettings) -> None:
    """Raise `SettingsError` for settings that cannot be kept together."""
    if split.group and split.time:
        raise SettingsError(
            f"rows are to be split by the groups of {split.group!r} and by the time {split.time!r}",
            expected="one of them",
            fix="leave out --group or --time",
        )
    for key in ("folds", "repeats"):
        number = getattr(split, key)
        if split.time and number > 1:
            raise SettingsError(
                f"split.{key} is {number}, and rows are split by the time {split.time!r}",
                expected="one fold: the latest rows validate what is learnt from earlier ones",
                fix=f"leave out split.{key} or --time",
            )
