"""What is counted and measured of one column: once, for its kind, the schema and the profile."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import compute as pc

__all__ = ["Measures", "measure"]

SAMPLE_ROWS = 20_000
MAX_CATEGORIES = 1_000
BINS = 20
TOP = 10
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True)
class Measures:
    """Measures of one column.

    Attributes
    ----------
    dtype : {"int64", "float64", "bool", "string", "timestamp"}
        How it is stored.
    n_rows, missing, unique : int
        Rows, rows without a value, distinct values.
    minimum, maximum : float or None
        Range of numbers; of dates in seconds since the epoch.
    values : tuple of str
        Most frequent values of a column of texts or booleans, the most frequent first.
    counts : tuple of int
        How often each of them occurs.
    words, letters : float
        Mean number of words and of letters of a text.
    example : str, float, bool or None
        A value: a frequent text, a middle number.
    infinite_row : int
        Row of the first infinite number, counted from 1; 0 for none.
    profile : dict
        Further measures for people, as JSON values.
    """

    dtype: str
    n_rows: int
    missing: int
    unique: int
    minimum: float | None = None
    maximum: float | None = None
    values: tuple[str, ...] = ()
    counts: tuple[int, ...] = ()
    words: float = 0.0
    letters: float = 0.0
    example: str | float | bool | None = None
    infinite_row: int = 0
    profile: dict[str, Any] = field(default_factory=dict)

    @property
    def present(self) -> int:
        """Number of rows with a value."""
        return self.n_rows - self.missing


def measure(column: pa.ChunkedArray) -> Measures:
    """Measure a column.

    Parameters
    ----------
    column : ChunkedArray
        int64, float64, bool, timestamp[us] or string.

    Returns
    -------
    Measures
        Exact but for the histogram, the words and the letters, which are those of at most 20,000
        rows taken at even distances.
    """
    if pa.types.is_boolean(column.type):
        return _truths(column)
    if pa.types.is_string(column.type):
        return _texts(column)
    if pa.types.is_timestamp(column.type):
        return _moments(column)
    return _numbers(column)


def _base(column: pa.ChunkedArray, dtype: str) -> dict[str, Any]:
    return {"dtype": dtype, "n_rows": len(column), "missing": column.null_count}


def _numbers(column: pa.ChunkedArray) -> Measures:
    whole = pa.types.is_integer(column.type)
    base = _base(column, "int64" if whole else "float64")
    infinite_row = 0
    ordered = np.sort((pc.drop_null(column) if column.null_count else column).to_numpy())
    if not whole and len(ordered) and np.isinf(ordered[[0, -1]]).any():
        infinite_row = pc.index(pc.is_inf(column), True).as_py() + 1
        ordered = ordered[~np.isinf(ordered)]
    if not len(ordered):
        return Measures(**base, unique=0, infinite_row=infinite_row)
    unique = 1 + int(np.count_nonzero(ordered[1:] != ordered[:-1]))
    middle = ordered[(len(ordered) - 1) // 2].item()
    # Numbers near the largest float have no finite deviation: that is left out, not warned of.
    with np.errstate(over="ignore", invalid="ignore"):
        mean, std = np.mean(ordered, dtype=np.float64), np.std(ordered, dtype=np.float64)
        histogram = _histogram(ordered.astype(np.float64))
    return Measures(
        **base,
        unique=unique,
        minimum=float(ordered[0]),
        maximum=float(ordered[-1]),
        example=middle,
        infinite_row=infinite_row,
        profile={
            "mean": _finite(mean),
            "std": _finite(std),
            "quantiles": {str(q): float(ordered[_place(q, len(ordered))]) for q in QUANTILES},
            "histogram": histogram,
        },
    )


def _place(quantile: float, n_rows: int) -> int:
    return round(quantile * (n_rows - 1))


def _finite(number: Any) -> float | None:
    return float(number) if np.isfinite(number) else None


def _histogram(ordered: npt.NDArray[np.float64]) -> dict[str, Any] | None:
    """Count how many values are in each of 20 bins of equal width."""
    width = ordered[-1] - ordered[0]
    if not np.isfinite(width) or width <= 0:
        return None
    edges = np.linspace(ordered[0], ordered[-1], BINS + 1)
    places = np.searchsorted(ordered, edges, side="left")
    counts = places[1:] - places[:-1]
    counts[-1] += len(ordered) - counts.sum()
    return {"edges": edges.tolist(), "counts": counts.tolist()}


def _moments(column: pa.ChunkedArray) -> Measures:
    base = _base(column, "timestamp")
    present = pc.drop_null(column).cast(pa.int64()).to_numpy()
    ordered = np.sort(present)
    if not len(ordered):
        return Measures(**base, unique=0)
    middle = np.datetime64(int(ordered[(len(ordered) - 1) // 2]), "us")
    edges = [
        str(np.datetime64(int(end), "s")) for end in (ordered[0] // 10**6, ordered[-1] // 10**6)
    ]
    return Measures(
        **base,
        unique=1 + int(np.count_nonzero(ordered[1:] != ordered[:-1])),
        minimum=float(ordered[0]) / 1e6,
        maximum=float(ordered[-1]) / 1e6,
        example=str(middle).removesuffix(".000000"),
        profile={
            "minimum": edges[0],
            "maximum": edges[1],
            "histogram": _histogram(ordered / 1e6),
        },
    )


def _truths(column: pa.ChunkedArray) -> Measures:
    true = pc.sum(column).as_py() or 0
    false = len(column) - column.null_count - true
    ranked = sorted((("false", false), ("true", true)), key=lambda pair: -pair[1])
    ranked = [pair for pair in ranked if pair[1]]
    return Measures(
        **_base(column, "bool"),
        unique=len(ranked),
        values=tuple(value for value, _ in ranked),
        counts=tuple(count for _, count in ranked),
        example=ranked[0][0] == "true" if ranked else None,
        profile={"top": [list(pair) for pair in ranked]},
    )


def _texts(column: pa.ChunkedArray) -> Measures:
    base = _base(column, "string")
    tally = pc.value_counts(pc.drop_null(column))
    values, counts = tally.field("values"), tally.field("counts").to_numpy(zero_copy_only=False)
    if not len(values):
        return Measures(**base, unique=0)
    ranked = np.argsort(-counts, kind="stable")[:MAX_CATEGORIES]
    frequent = tuple(values.take(pa.array(ranked)).to_pylist())
    how_often = tuple(int(count) for count in counts[ranked])
    sample = _sample(pc.drop_null(column))
    words = pc.list_value_length(pc.utf8_split_whitespace(sample))
    letters = pc.utf8_length(sample)
    top = zip(frequent[:TOP], how_often[:TOP], strict=True)
    return Measures(
        **base,
        unique=len(values),
        values=frequent,
        counts=how_often,
        words=float(pc.mean(words).as_py()),
        letters=float(pc.mean(letters).as_py()),
        example=frequent[0],
        profile={
            "top": [[value[:80], count] for value, count in top],
            "mean_words": round(float(pc.mean(words).as_py()), 2),
            "mean_letters": round(float(pc.mean(letters).as_py()), 2),
            "max_letters": int(pc.max(letters).as_py()),
        },
    )


def _sample(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Take at most 20,000 rows at even distances."""
    step = -(-len(column) // SAMPLE_ROWS)
    return column if step <= 1 else column.take(pa.array(np.arange(0, len(column), step)))
