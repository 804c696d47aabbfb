"""The schema of a table: what every column is, and whether it can be learnt from."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from regatta.errors import TargetError
from regatta.settings import Task

__all__ = ["Column", "Kind", "Schema"]

Kind = Literal["numeric", "boolean", "categorical", "text", "datetime"]


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes
    ----------
    name : str
        Its name, unique in the table.
    kind : {"numeric", "boolean", "categorical", "text", "datetime"}
        What it means to a learner.
    dtype : {"int64", "float64", "bool", "string", "timestamp"}
        How it is stored in Parquet.
    used : bool
        Whether it is a feature.
    reason : str
        Why it is none: ``target``, ``weight``, ``group``, ``ignored``, ``constant``, ``empty``,
        ``id``; else ``""``.
    missing : int
        Number of rows without a value.
    unique : int
        Number of distinct values, missing ones not counted.
    categories : tuple of str
        Most frequent values of a categorical or boolean column, at most 1,000.
    minimum, maximum : float or None
        Range of a numeric column; of a datetime, in seconds since the epoch.
    example : str, float, bool or None
        One value, for requests and documentation. A datetime's is in ISO 8601.
    na_values : tuple of str
        Texts that mean a missing value in this column.
    format : str
        How its dates were written (`strptime`), besides ISO 8601; ``""`` for ISO 8601 alone.
    """

    name: str
    kind: Kind
    dtype: str
    used: bool = True
    reason: str = ""
    missing: int = 0
    unique: int = 0
    categories: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    example: str | float | bool | None = None
    na_values: tuple[str, ...] = ()
    format: str = ""

    def __post_init__(self) -> None:
        # A list, as it comes out of JSON, would make the column unhashable.
        object.__setattr__(self, "categories", tuple(self.categories))
        object.__setattr__(self, "na_values", tuple(self.na_values))


@dataclass(frozen=True)
class Schema:
    """The columns of a table and what is predicted from them.

    Attributes
    ----------
    task : {"binary", "multiclass", "regression"}
        Kind of prediction.
    target : str
        Column to predict.
    classes : tuple of str
        Class labels as the file writes them, sorted (by number where all are numbers); ``()`` for
        a regression. Of a binary task the second is the positive one.
    columns : tuple of Column
        All columns in file order, the target among them.
    n_rows : int
        Number of rows of the table.
    class_values : tuple of str
        How `class_text` writes each class in the stored table; ``()``: as `classes`.
    weight : str
        Column that holds the weight of each row; ``""``: all weigh the same.
    group : str
        Column that says which rows are split together; ``""``: each by itself.
    time : str
        Column by which the latest rows are set apart; ``""``: rows are drawn.
    """

    task: Task
    target: str
    classes: tuple[str, ...]
    columns: tuple[Column, ...] = field(default_factory=tuple)
    n_rows: int = 0
    class_values: tuple[str, ...] = ()
    weight: str = ""
    group: str = ""
    time: str = ""

    @property
    def features(self) -> tuple[Column, ...]:
        """The columns to learn from, in file order."""
        return tuple(column for column in self.columns if column.used)

    @property
    def n_outputs(self) -> int:
        """Width of a prediction: one column a class, or one for a regression."""
        return len(self.classes) if self.classes else 1

    def column(self, name: str) -> Column:
        """Return a column by name."""
        return self._by_name[name]

    @cached_property
    def _by_name(self) -> dict[str, Column]:
        """The columns by name: a search for each of 10,000 would take minutes."""
        return {column.name: column for column in self.columns}

    def encode_target(self, values: "pd.Series[Any]") -> npt.NDArray[np.float64]:
        """Turn target values into numbers.

        Parameters
        ----------
        values : Series of shape (n_rows,)
            The target column as it is in the table.

        Returns
        -------
        ndarray of shape (n_rows,), float64
            Position in `classes`, or the value itself for a regression; NaN where missing.

        Raises
        ------
        TargetError
            A value is none of the classes.
        """
        if self.task == "regression":
            return values.to_numpy(dtype=np.float64, na_value=np.nan)
        encoded, strange = self.class_codes(values)
        if strange:
            raise TargetError(
                f"target {self.target!r} holds {strange[0]!r}",
                expected="one of the classes " + ", ".join(self.classes[:5]),
                fix="train again on a table that has this class",
            )
        return encoded

    def class_codes(self, values: "pd.Series[Any]") -> tuple[npt.NDArray[np.float64], list[str]]:
        """Turn class labels into numbers, strange ones too.

        Parameters
        ----------
        values : Series of shape (n_rows,)
            The target column as it is in a table.

        Returns
        -------
        codes : ndarray of shape (n_rows,), float64
            Position in `classes`; NaN where the label is missing or strange.
        strange : list of str
            The labels that are no class, each as often as it is there.

        Notes
        -----
        How `class_text` writes a number depends on the others: of a column of numbers 1, 1.0 and
        1.00 are one class. As texts '01' and '1' are two.
        """
        column = self._by_name.get(self.target)
        key: Any = _number if column and column.dtype in ("int64", "float64") else str
        codes = {key(label): float(code) for code, label in enumerate(self._written)}
        texts = class_text(values)
        different = [str(text) for text in texts.dropna().unique()]
        known = {text: codes[key(text)] for text in different if key(text) in codes}
        encoded = texts.map(known).to_numpy(dtype=np.float64, na_value=np.nan)
        strange = texts[np.isnan(encoded) & texts.notna().to_numpy()].astype(str).tolist()
        return encoded.astype(np.float64, copy=False), strange

    @property
    def _written(self) -> tuple[str, ...]:
        """The classes as `class_text` writes them in the stored table."""
        return self.class_values or self.classes

    @property
    def measured(self) -> tuple[str, ...]:
        """The columns that say how predictions are judged: the target, and the weight if any."""
        return (self.target, self.weight) if self.weight else (self.target,)

    def weights(self, frame: pd.DataFrame) -> npt.NDArray[np.float64] | None:
        """Return the weights of rows.

        Parameters
        ----------
        frame : DataFrame of shape (n_rows, n_columns)
            Rows as they are in the table, the column `weight` among them.

        Returns
        -------
        ndarray of shape (n_rows,), float64, or None
            As the table has them, NaN where missing; None where all weigh the same.
        """
        if not self.weight:
            return None
        return frame[self.weight].to_numpy(dtype=np.float64, na_value=np.nan)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        # `asdict` copies each value of each column: half a second where there are thousands.
        own = {item.name: getattr(self, item.name) for item in fields(self)}
        for name in ("weight", "group", "time"):
            # What has no weights or groups is written as it was before there were any.
            if not own[name]:
                del own[name]
        return {**own, "columns": tuple(dict(vars(column)) for column in self.columns)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Schema":
        """Read what `to_dict` returned."""
        columns = tuple(Column(**column) for column in values["columns"])
        own = {name: tuple(values.get(name, ())) for name in ("classes", "class_values")}
        return cls(**{**values, **own, "columns": columns})


def _number(text: str) -> int | float | str:
    """Return the number that a text is, or the text where it is none."""
    if "_" in text:
        return text
    # No digit of a whole number is lost, and 1 is the same key as 1.0.
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return text


def class_text(values: "pd.Series[Any]") -> "pd.Series[Any]":
    """Return class labels as text: whole numbers without a decimal point, missing ones as NA.

    Examples
    --------
    >>> class_text(pd.Series([1.0, 2.0, None])).tolist()
    ['1', '2', <NA>]
    """
    # Truths among missing values are objects.
    if pd.api.types.infer_dtype(values, skipna=True) == "boolean":
        return values.astype("boolean").astype("string").str.lower()
    if pd.api.types.is_float_dtype(values):
        whole = values.dropna().mod(1).eq(0).all()
        return values.astype("Int64" if whole else "Float64").astype("string")
    return values.astype("string")
