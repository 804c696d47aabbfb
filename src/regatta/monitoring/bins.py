"""The bins that a column is counted in: tenths of its numbers, or its frequent categories.

What the reference of a version keeps of a column is the ends of its bins and how many rows fell
into each: no rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Bins", "labels_of", "numbers_of"]

Array = npt.NDArray[np.float64]

TENTHS = 10
MOST_LABELS = 15
LEAST_SHARE = 0.01
LEAST_ROWS = 20
"""A category with fewer rows has no bin of its own: that it was frequent would be luck."""


@dataclass(frozen=True)
class Bins:
    """How the values of a column are counted.

    The last bin holds missing values. Of categories, the last but one holds all that have no bin
    of their own.

    Attributes
    ----------
    name : str
        Name of the column.
    kind : {"numeric", "boolean", "categorical", "text", "datetime"}
        A text is counted by its length in letters, a datetime by its seconds since the epoch.
    edges : tuple of float
        Upper ends, which belong to the bin, of all bins of numbers but the last, ascending. Where
        the least or the greatest value has a bin of its own, another one, empty at first, holds
        what is below or above it.
    labels : tuple of str
        Categories that have a bin of their own.
    """

    name: str
    kind: str
    edges: tuple[float, ...] = ()
    labels: tuple[str, ...] = ()

    @property
    def of_labels(self) -> bool:
        """Whether categories are counted."""
        return self.kind in ("boolean", "categorical")

    @property
    def count(self) -> int:
        """Number of bins."""
        return (len(self.labels) if self.of_labels else len(self.edges)) + 2

    @classmethod
    def of(cls, name: str, kind: str, values: "pd.Series[Any]", groups: int = 0) -> "Bins":
        """Choose bins by the values of the reference.

        Parameters
        ----------
        name : str
            Name of the column.
        kind : str
            Its kind.
        values : Series of shape (n_rows,)
            Its values, as `regatta.dataset.conform` types them.
        groups : int, default 0
            Number of groups that the rows are of; 0 where each is by itself.
        """
        if kind in ("boolean", "categorical"):
            return cls(name, kind, labels=_frequent(labels_of(values), groups or len(values)))
        return cls(name, kind, edges=_edges(numbers_of(values, kind)))

    @property
    def names(self) -> tuple[str, ...]:
        """What each bin holds, in words.

        Examples
        --------
        >>> Bins("city", "categorical", labels=("Bern",)).names
        ('Bern', 'other', 'missing')
        >>> Bins("age", "numeric", edges=(30.0, 50.0)).names
        ('up to 30', 'up to 50', 'above 50', 'missing')
        """
        if self.of_labels:
            return (*self.labels, "other" if self.labels else "any", "missing")
        if not self.edges:
            return ("any", "missing")
        texts = [_text(edge, self.kind) for edge in self.edges]
        names = [f"up to {text}" for text in texts]
        if len(texts) > 1 and self.edges[0] == np.nextafter(self.edges[1], -np.inf):
            names[0] = f"below {texts[1]}"
        return (*names, f"above {texts[-1]}", "missing")

    def counts(self, values: "pd.Series[Any]") -> npt.NDArray[np.int64]:
        """Count values.

        Parameters
        ----------
        values : Series of shape (n_rows,)
            Values of the column, as `regatta.dataset.conform` types them.

        Returns
        -------
        ndarray of shape (count,), int64
            Rows in each bin.

        Examples
        --------
        >>> import pandas as pd
        >>> Bins("city", "categorical", labels=("Bern",)).counts(pd.Series(["Bern", "Ulm", None]))
        array([1, 1, 1])
        >>> Bins("age", "numeric", edges=(30.0, 50.0)).counts(pd.Series([30.0, 31.0, 70.0]))
        array([1, 1, 1, 0])
        """
        if self.of_labels:
            codes = {label: place for place, label in enumerate(self.labels)}
            texts = labels_of(values)
            known = texts.map(codes).fillna(len(self.labels)).to_numpy(np.int64)
            places = np.where(texts.isna(), self.count - 1, known)
        else:
            numbers = numbers_of(values, self.kind)
            missing = np.isnan(numbers)
            found = np.searchsorted(np.asarray(self.edges), numbers, side="left")
            places = np.where(missing, self.count - 1, found)
        return np.bincount(places, minlength=self.count).astype(np.int64)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        ends = {"labels": list(self.labels)} if self.of_labels else {"edges": list(self.edges)}
        return {"name": self.name, "kind": self.kind, **ends}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Bins":
        """Read what `to_dict` returned."""
        edges = tuple(float(edge) for edge in values.get("edges", ()))
        labels = tuple(str(label) for label in values.get("labels", ()))
        return cls(str(values["name"]), str(values["kind"]), edges, labels)


def numbers_of(values: "pd.Series[Any]", kind: str) -> Array:
    """Return the numbers that a column is counted by, NaN where missing.

    Parameters
    ----------
    values : Series of shape (n_rows,)
        Numbers, datetimes (seconds since the epoch are returned) or texts (their lengths).
    kind : {"numeric", "text", "datetime"}
        What they are.
    """
    if kind == "datetime":
        moments = values.to_numpy().astype("datetime64[us]")
        return np.where(np.isnat(moments), np.nan, moments.astype(np.int64) / 1e6)
    if kind == "text":
        lengths = [np.nan if value is None else float(len(value)) for value in values]
        return np.asarray(lengths, np.float64)
    return values.to_numpy(np.float64)


def labels_of(values: "pd.Series[Any]") -> "pd.Series[Any]":
    """Return the categories of a column as texts, missing ones as None."""
    if values.dtype == object and not values.isin([True, False]).any():
        return values
    texts = values.map({True: "true", False: "false"})
    return texts.astype(object).where(texts.notna(), None)


def _text(edge: float, kind: str) -> str:
    """Write the end of a bin as people do."""
    if kind == "datetime":
        return str(np.datetime64(int(edge), "s"))[:10]
    letters = " letters" if kind == "text" else ""
    return f"{edge:.4g}{letters}"


def _frequent(texts: "pd.Series[Any]", size: int) -> tuple[str, ...]:
    """Return the categories that get bins, the most frequent first.

    The rows are worth `size` rows that do not repeat each other.
    """
    counts = texts.value_counts()
    least = max(LEAST_ROWS * len(texts) / max(size, 1), LEAST_SHARE * len(texts))
    ranked = sorted(counts[counts >= least].items(), key=lambda item: (-item[1], str(item[0])))
    return tuple(str(label) for label, _ in ranked[:MOST_LABELS])


def _edges(numbers: Array) -> tuple[float, ...]:
    """Return the ends of tenths, or of the single values where there are few."""
    known = np.sort(numbers[~np.isnan(numbers)])
    if not len(known):
        return ()
    single = np.unique(known)
    edges: list[float] = single.tolist()
    if len(single) > TENTHS:
        tenths = -(-np.arange(1, TENTHS) * len(known) // TENTHS) - 1
        edges = np.unique(known[tenths]).tolist()
        if edges[-1] == known[-1]:
            # More than a tenth of the rows have the greatest value: it gets a bin of its own.
            edges = sorted({*edges, float(single[-2])})
    if edges[0] == known[0]:
        # A bin of one value is closed: what is beyond it was never seen, and is no such value.
        edges.insert(0, float(np.nextafter(known[0], -np.inf)))
    return tuple(edges)
