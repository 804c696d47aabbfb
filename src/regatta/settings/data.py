"""How the table is read and understood."""

from typing import Literal

from pydantic import Field

from regatta.settings.group import Group

__all__ = ["ColumnKind", "DataSettings", "Task", "TaskChoice"]

Task = Literal["binary", "multiclass", "regression"]
TaskChoice = Literal["auto", "binary", "multiclass", "regression"]
ColumnKind = Literal["numeric", "boolean", "categorical", "text", "datetime", "ignore"]


class DataSettings(Group):
    """How the table is read and understood."""

    source: str = ""
    """Path of the table: CSV, Parquet or JSON lines."""
    target: str = ""
    """Column to predict."""
    weight: str = ""
    """Column with the weight of each row: a number, 0 or more, such as how many cases the row
    stands for. Weights count in training and in all scores; the column is not a feature, and rows
    of weight 0 are left out. Empty: all rows weigh the same."""
    task: TaskChoice = "auto"
    """What kind of prediction; ``auto`` decides by the target's type and number of values."""
    delimiter: str = ""
    """Field separator of a CSV file; empty: detected from the first lines."""
    encoding: str = ""
    """Encoding of a CSV or JSON-lines file; empty: UTF-8, or what a byte-order mark says."""
    na_values: tuple[str, ...] = (
        "",
        "NA",
        "N/A",
        "n/a",
        "#N/A",
        "<NA>",
        "NaN",
        "nan",
        "NaT",
        "null",
        "NULL",
        "None",
        "?",
    )
    """Texts that mean a missing value, compared without the blanks around them. ``None`` stays a
    value in a column of texts where it is common (see `regatta.dataset`); among numbers and dates
    ``.``, ``-``, ``*``, errors of Excel such as ``#DIV/0!`` and the like are missing values,
    too."""
    ignore: tuple[str, ...] = ()
    """Columns that are not used."""
    kinds: dict[str, ColumnKind] = Field(default_factory=dict)
    """Kind of a column, by name, where the detection should be overruled, such as ``{"zip":
    "categorical"}``; a column of kind ``ignore`` is not used."""
    max_field_bytes: int = Field(default=8_388_608, ge=1024)
    """Longest field of a CSV file, in bytes; a longer one is nearly always a quote left open."""
    max_classes: int = Field(default=100, ge=2)
    """More classes than this are taken for a wrong target."""
