"""Row-wise features: what one row says by itself, the same in training and in service.

Nothing here is fitted. `RowFeatures.plan` decides by the schema which features a column gives,
`RowFeatures.transform` computes them for any rows with the same raw columns.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from regatta.dataset.schema import Column, Schema
from regatta.errors import ArtifactError
from regatta.features.dates import DAY, PERIODS, date_parts, datetimes, parts_that_vary, seconds
from regatta.features.words import MARKS, text_measures, text_terms

__all__ = ["Feature", "FeatureKind", "RowFeatures"]

FeatureKind = Literal["numeric", "categorical", "text"]
Arrays = dict[str, npt.NDArray[Any]]

MAX_WORDS = 400
"""Words read of one text, where the table is small."""
WORDS_IN_ALL = 5_000_000
"""Words read of one table (about a microsecond each), spread over its texts."""
LARGEST = 1e30
"""Greater numbers are cut here: their squares still fit what learners compute with."""
EXACT = 2.0**24
"""Above this, float32 does not hold every whole number."""
MAX_DATE_PAIRS = 6
ROWS_A_TEXT = 3
"""Texts that have so many rows each, in the mean, name something: they are categories, too."""
MANY_ROWS = 100


@dataclass(frozen=True)
class Feature:
    """One column after the row-wise step.

    Attributes
    ----------
    name : str
        Unique among the features: the source's name, or ``source:part``.
    kind : {"numeric", "categorical", "text"}
        float32 numbers with NaN; text values with None; arrays of hashed words with None.
    source : str
        Raw column.
    raw : {"numeric", "boolean", "categorical", "text", "datetime"}
        Kind of the raw column.
    part : str
        What of the source it is: ``""`` the value itself, a date part, ``chars``, ``words``,
        ``marks``, ``value`` for a text as a category, or ``minus`` for the days since `other`.
    other : str
        Second raw column of ``minus``.
    period : int
        Number of steps after which the value comes round again; 0: never.
    offset : float
        Subtracted from a number before it becomes float32; of a date, origin of ``days``.
    """

    name: str
    kind: FeatureKind
    source: str
    raw: str
    part: str = ""
    other: str = ""
    period: int = 0
    offset: float = 0.0


class RowFeatures:
    """Row-wise features of a table.

    Parameters
    ----------
    columns : sequence of Feature
        The features, in order.
    max_words : int, default 400
        Words read of each text.
    """

    def __init__(self, columns: Sequence[Feature], max_words: int = MAX_WORDS) -> None:
        self.columns = tuple(columns)
        self.max_words = max_words
        groups: dict[str, list[Feature]] = {}
        for feature in self.columns:
            groups.setdefault(feature.source, []).append(feature)
        self.groups = tuple(tuple(group) for group in groups.values())

    @classmethod
    def plan(cls, schema: Schema) -> "RowFeatures":
        """Decide which features a table gives.

        Parameters
        ----------
        schema : Schema
            Its columns; those with ``used`` are read.
        """
        taken: set[str] = set()
        features = [
            feature
            for column in schema.features
            for feature in _plan_column(column, schema.n_rows, taken)
        ]
        dates = [column for column in schema.features if column.kind == "datetime"]
        for first, second in list(combinations(dates, 2))[:MAX_DATE_PAIRS]:
            name = _free(f"{first.name}:minus {second.name}", taken)
            features.append(Feature(name, "numeric", first.name, "datetime", "minus", second.name))
        n_texts = sum(column.kind == "text" for column in schema.features)
        words = WORDS_IN_ALL // max(schema.n_rows * n_texts, 1)
        return cls(features, max(8, min(MAX_WORDS, words)))

    @property
    def sources(self) -> tuple[str, ...]:
        """The raw columns that are read, each once."""
        return tuple(group[0].source for group in self.groups)

    def transform(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Compute the features of rows.

        Parameters
        ----------
        frame : DataFrame of shape (n_rows, n_raw_columns)
            Typed raw columns, as `regatta.dataset.conform` returns them.

        Returns
        -------
        DataFrame of shape (n_rows, n_features)
            In the order of `columns`, with the index of `frame`.
        """
        arrays = self.arrays(frame)
        ordered = {feature.name: arrays[feature.name] for feature in self.columns}
        return pd.DataFrame(ordered, index=frame.index, copy=False)

    def arrays(
        self, frame: pd.DataFrame, groups: Sequence[Sequence[Feature]] | None = None
    ) -> Arrays:
        """Compute features as arrays by name: what `transform` puts into its frame.

        Parameters
        ----------
        frame : DataFrame of shape (n_rows, n_raw_columns)
            Typed raw columns.
        groups : sequence of sequences of Feature, or None
            Some of `groups`, to work through a large table column by column; None: all.
        """
        found: Arrays = {}
        for group in self.groups if groups is None else groups:
            values = frame[group[0].source]
            compute = _COMPUTE[group[0].raw]
            found.update(compute(values, group, frame, self.max_words))
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {"max_words": self.max_words, "columns": [asdict(item) for item in self.columns]}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "RowFeatures":
        """Read what `to_dict` returned.

        Raises
        ------
        ArtifactError
            The values are not what `to_dict` returns.
        """
        try:
            features = [Feature(**item) for item in values["columns"]]
            strange = [item.raw for item in features if item.raw not in _COMPUTE]
            if strange or not isinstance(values["max_words"], int):
                raise ValueError(f"unknown kind {strange[:1]}")
        except (KeyError, TypeError, ValueError) as err:
            raise ArtifactError(
                f"the row features cannot be read ({err})",
                expected="what `RowFeatures.to_dict` returned",
                fix="run the stage that writes them again",
            ) from err
        return cls(features, values["max_words"])


def _plan_column(column: Column, n_rows: int, taken: set[str]) -> list[Feature]:
    """Return the features of one raw column."""
    name, kind = column.name, column.kind
    if kind in ("numeric", "boolean"):
        free = _free(name, taken)
        return [Feature(free, "numeric", name, raw=kind, offset=_offset(column))]
    if kind == "categorical":
        return [Feature(_free(name, taken), "categorical", name, raw=kind)]
    if kind == "text":
        measures = [
            Feature(_free(f"{name}:{part}", taken), "numeric", name, raw=kind, part=part)
            for part in MARKS
        ]
        words = Feature(_free(name, taken), "text", name, raw=kind)
        if not 0 < column.unique * ROWS_A_TEXT <= n_rows - column.missing:
            return [*measures, words]
        value = Feature(_free(f"{name}:value", taken), "categorical", name, raw=kind, part="value")
        return [*measures, words, value]
    return [
        Feature(
            _free(f"{name}:{part}", taken),
            "numeric",
            name,
            raw=kind,
            part=part,
            period=PERIODS.get(part, 0),
            offset=column.minimum or 0.0,
        )
        for part in parts_that_vary(column.minimum, column.maximum)
    ]


def _free(name: str, taken: set[str]) -> str:
    """Return a name that no other feature has."""
    while name in taken:
        name += "_"
    taken.add(name)
    return name


def _offset(column: Column) -> float:
    """Return what to subtract so that float32 tells long numbers apart."""
    low, high = column.minimum, column.maximum
    if low is None or high is None or not np.isfinite(high - low):
        return 0.0
    largest = max(abs(low), abs(high))
    return float(low) if largest > EXACT and high - low < largest / 2 else 0.0


def _numbers(
    values: "pd.Series[Any]", group: Sequence[Feature], frame: pd.DataFrame, max_words: int
) -> Arrays:
    """Return one numeric or boolean column as float32."""
    dtype = values.dtype
    if isinstance(dtype, np.dtype) and dtype.kind in "fiub":
        numbers = values.to_numpy().astype(np.float64)
    else:
        numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
    feature = group[0]
    if feature.offset:
        numbers = numbers - feature.offset
    # An infinite value says that something could not be computed: it is missing.
    numbers = np.where(np.isinf(numbers), np.nan, np.clip(numbers, -LARGEST, LARGEST))
    return {feature.name: numbers.astype(np.float32)}


def _category(value: Any) -> str | None:
    """Return a category as text, whatever the type of the column it came in.

    Examples
    --------
    >>> [_category(value) for value in (" a ", 3.0, 3, True, None, float("nan"))]
    ['a', '3', '3', 'true', None, None]
    """
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool | np.bool_):
        return str(value).lower()
    if value is None or value is pd.NA or value is pd.NaT or value != value:
        return None
    if isinstance(value, float | np.floating) and value.is_integer():
        return str(int(value))
    return str(value)


def _categories(
    values: "pd.Series[Any]", group: Sequence[Feature], frame: pd.DataFrame, max_words: int
) -> Arrays:
    """Return one categorical column as texts."""
    found = np.empty(len(values), dtype=object)
    if isinstance(values.dtype, pd.CategoricalDtype):
        labels = np.array([*map(_category, values.cat.categories), None], dtype=object)
        found[:] = labels[values.cat.codes.to_numpy()]
    elif len(values) > MANY_ROWS:
        # Few different values: each is turned into text once.
        codes, several = pd.factorize(values, use_na_sentinel=True)
        texts = [*map(_category, several.tolist()), None]
        found[:] = np.array(texts, dtype=object)[codes]
    else:
        found[:] = [_category(value) for value in values.tolist()]
    return {group[0].name: found}


def _texts(
    values: "pd.Series[Any]", group: Sequence[Feature], frame: pd.DataFrame, max_words: int
) -> Arrays:
    """Return the measures and hashed words of one text column, and its texts as categories."""
    texts = [value if isinstance(value, str) else _category(value) for value in values.tolist()]
    found: Arrays = text_measures(texts)
    for feature in group:
        if feature.part == "value":
            found["value"] = _categories(values, [feature], frame, max_words)[feature.name]
        elif not feature.part:
            found[""] = text_terms(texts, max_words)
    return {feature.name: found[feature.part] for feature in group}


def _dates(
    values: "pd.Series[Any]", group: Sequence[Feature], frame: pd.DataFrame, max_words: int
) -> Arrays:
    """Return the parts of one datetime column, and its distance from others."""
    moments = datetimes(values)
    names = {feature.part: feature.name for feature in group if feature.part != "minus"}
    parts = date_parts(moments, names, group[0].offset)
    found: Arrays = {names[part]: value for part, value in parts.items()}
    for feature in group:
        if feature.part == "minus":
            other = seconds(datetimes(frame[feature.other]))
            found[feature.name] = ((seconds(moments) - other) / DAY).astype(np.float32)
    return found


_COMPUTE: dict[str, Callable[["pd.Series[Any]", Sequence[Feature], pd.DataFrame, int], Arrays]] = {
    "numeric": _numbers,
    "boolean": _numbers,
    "categorical": _categories,
    "text": _texts,
    "datetime": _dates,
}
