"""Why the model answers as it does: what its score loses when one column is shuffled.

Shuffling a column keeps its values and breaks its link with the row. What the score loses is what
the model gets from this column and from no other: two columns that say the same share their
importance, or hide it.

References
----------
L. Breiman, "Random Forests", Machine Learning 45, 2001; A. Fisher, C. Rudin and F. Dominici, "All
Models are Wrong, but Many are Useful", JMLR 20, 2019. We differ in that whole raw columns of the
table are shuffled, before any encoding, because those are what a person knows.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from regatta.evaluation.metrics import Metric
from regatta.evaluation.sampling import draw_rows

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Importance", "permutation_importance"]

Array = npt.NDArray[np.float64]

ROWS = 1_000
REPEATS = 5
BATCH = 4_000
LEAST = 150
SHARE = 0.8
"""Of the time, for the first round over all columns."""
PART = 0.25
"""Of the time, for one prediction: it cannot be interrupted."""


@dataclass(frozen=True)
class Importance:
    """What the columns are worth.

    Attributes
    ----------
    columns : tuple of (name, loss, spread)
        Mean loss of score when the column is shuffled, in the metric's unit, greater is more
        important; and its standard deviation over the repeats. Most important first.
    metric : str
        Key of the metric.
    n_rows : int
        Rows in the sample.
    repeats : int
        Completed shuffles of every column; 0: time was too short for one of each.
    unmeasured : tuple of str
        Columns that there was no time for.
    """

    columns: tuple[tuple[str, float, float], ...]
    metric: str
    n_rows: int
    repeats: int
    unmeasured: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "metric": self.metric,
            "n_rows": self.n_rows,
            "repeats": self.repeats,
            "unmeasured": list(self.unmeasured),
            "columns": [
                {"name": name, "loss": loss, "spread": spread}
                for name, loss, spread in self.columns
            ],
        }


def permutation_importance(
    predict: Callable[["pd.DataFrame"], Array],
    frame: "pd.DataFrame",
    y_true: Array,
    metric: Metric,
    *,
    predicted: Array,
    columns: Sequence[str],
    seed: int,
    seconds: float,
    stratify: bool,
    weights: Array | None = None,
) -> Importance:
    """Measure what each raw column is worth to the model.

    Parameters
    ----------
    predict : callable
        The bundle's own predict function: frame of n rows -> ndarray of shape (n, n_outputs).
    frame : DataFrame of shape (n_rows, n_columns)
        Locked rows, raw and typed.
    y_true : ndarray of shape (n_rows,), float64
        Class codes or values.
    metric : Metric
        What is lost.
    predicted : ndarray of shape (n_rows, n_outputs), float64
        What `predict` has said of the rows.
    columns : sequence of str
        Columns to shuffle.
    seed : int
        Seed of sample and shuffles.
    seconds : float
        Time after which no further prediction is begun. Where it looks too short for a round over
        all columns, fewer rows are drawn (150 at least), and the columns along which the
        predictions differ most come first. The result is the same every time unless this limit
        strikes.
    stratify : bool
        Whether the sample keeps the classes in proportion.
    weights : ndarray of shape (n_rows,), float64, or None
        What each row counts in the score; None: all the same.

    Returns
    -------
    Importance
        Most important column first; ties in the order given.

    Notes
    -----
    At most 1,000 rows and 5 repeats. Several columns are shuffled in one prediction, of up to 4,000
    rows, fewer where that would take more than a quarter of the time.
    """
    import pandas as pd

    deadline = time.monotonic() + seconds
    rng = np.random.default_rng(np.random.SeedSequence([seed, 19]))
    rows = draw_rows(y_true, ROWS, rng, stratify=stratify)
    answers = predicted[rows]
    row_seconds = _row_seconds(predict, frame.iloc[rows], PART * seconds)
    round_seconds = row_seconds * len(rows) * len(columns)
    ordered = _most_telling_first(frame.iloc[rows], answers, columns)
    affordable = SHARE * (deadline - time.monotonic()) / max(round_seconds, 1e-9) * len(rows)
    if affordable < len(rows):
        kept = draw_rows(y_true[rows], max(LEAST, int(affordable)), rng, stratify=stratify)
        rows, answers = rows[kept], answers[kept]
    sample, y = frame.iloc[rows].reset_index(drop=True), y_true[rows]
    each = None if weights is None else weights[rows]
    before = metric.loss(metric.score(y, answers, each))
    losses: dict[str, list[float]] = {name: [] for name in columns}
    waiting = ordered * REPEATS
    while waiting and time.monotonic() < deadline:
        # Several shuffled copies go through one prediction: what a call costs is paid once.
        most = min(BATCH, PART * seconds / max(row_seconds, 1e-9))
        size = max(1, int(most / max(len(sample), 1)))
        names, waiting = waiting[:size], waiting[size:]
        copies = pd.concat([_shuffled(sample, name, rng) for name in names], ignore_index=True)
        began = time.monotonic()
        parts = np.split(predict(copies), len(names))
        row_seconds = (time.monotonic() - began) / max(len(copies), 1)
        for name, part in zip(names, parts, strict=True):
            losses[name].append(metric.loss(metric.score(y, part, each)) - before)
    return _summary(losses, metric, len(sample))


def _row_seconds(
    predict: Callable[["pd.DataFrame"], Array], frame: "pd.DataFrame", most: float
) -> float:
    """Return what a row costs: of few rows, or of all where they take no more than `most`."""
    seconds = 0.0
    for part in (frame.iloc[:LEAST], frame):
        began = time.monotonic()
        predict(part)
        seconds = (time.monotonic() - began) / max(len(part), 1)
        if len(part) == len(frame) or seconds * len(frame) > most:
            break
    return seconds


def _most_telling_first(
    frame: "pd.DataFrame", predicted: Array, columns: Sequence[str]
) -> list[str]:
    """Sort columns by the share of the predictions' variance between their values.

    It costs no prediction, so it decides who comes first where time may run out.
    """
    centred = predicted - predicted.mean(axis=0)
    total = float((centred**2).sum()) or 1.0
    told = {}
    for name in columns:
        place = _groups(frame[name])
        count = np.bincount(place)
        sums = np.stack([np.bincount(place, output) for output in centred.T])
        told[name] = float(((sums**2) / np.maximum(count, 1)).sum()) / total
    return sorted(columns, key=lambda name: -told[name])


def _groups(values: "pd.Series[Any]") -> npt.NDArray[np.intp]:
    """Return the group of each row: a tenth of the numbers, or one of 15 values; 0 is missing."""
    import pandas as pd

    if pd.api.types.is_datetime64_any_dtype(values):
        values = values.astype("datetime64[us]").astype("int64").where(values.notna())
    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
        numbers = values.to_numpy(np.float64, na_value=np.nan)
        known = np.isfinite(numbers)
        if not known.any():
            return np.zeros(len(numbers), np.intp)
        edges = np.unique(np.quantile(numbers[known], np.linspace(0, 1, 11)[1:-1]))
        place = np.searchsorted(edges, np.where(known, numbers, 0), side="right") + 1
        return np.where(known, place, 0).astype(np.intp)
    texts = values.astype("string")
    codes = {label: code for code, label in enumerate(texts.value_counts().head(15).index, 1)}
    return texts.map(codes).fillna(0).to_numpy(np.intp)


def _shuffled(frame: "pd.DataFrame", name: str, rng: np.random.Generator) -> "pd.DataFrame":
    """Return the frame with the values of one column in another order."""
    copy = frame.copy(deep=False)
    copy[name] = frame[name].take(rng.permutation(len(frame))).set_axis(frame.index)
    return copy


def _summary(losses: dict[str, list[float]], metric: Metric, n_rows: int) -> Importance:
    """Average the repeats and sort."""
    finite = {name: [v for v in values if np.isfinite(v)] for name, values in losses.items()}
    rows = [
        (name, float(np.mean(values)), float(np.std(values)))
        for name, values in finite.items()
        if values
    ]
    return Importance(
        columns=tuple(sorted(rows, key=lambda row: -row[1])),
        metric=metric.key,
        n_rows=n_rows,
        repeats=min((len(values) for values in losses.values()), default=0),
        unmeasured=tuple(name for name, values in finite.items() if not values),
    )
