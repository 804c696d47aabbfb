"""The weight of each row: a column that says how much it counts, and whether it can."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from regatta.dataset.findings import Finding
from regatta.dataset.measures import Measures
from regatta.dataset.names import na_option
from regatta.dataset.schema import class_text
from regatta.dataset.target import Target, first_text
from regatta.errors import SchemaError, TargetError
from regatta.settings import DataSettings

__all__ = ["analyse_weights"]

Mask = npt.NDArray[np.bool_]

MIN_ROWS = 20
# Learners keep weights as float32, and add them up: rows that weigh less than this share of the
# heaviest would be lost in rounding, with no word of it.
MOST_RATIO = 1e9
LEAST = 1e-100


def analyse_weights(
    column: pa.ChunkedArray,
    measures: Measures,
    target_column: pa.ChunkedArray,
    target: Target,
    settings: DataSettings,
) -> tuple[Finding, ...]:
    """Check that weights can be used, and say what they do.

    Only rows that have a target are looked at: the others are left out anyway.

    Parameters
    ----------
    column : ChunkedArray of shape (n_rows,)
        The weights.
    measures : Measures
        Their measures.
    target_column : ChunkedArray of shape (n_rows,)
        The target.
    target : Target
        What is predicted.
    settings : DataSettings
        Names of both columns.

    Returns
    -------
    tuple of Finding
        How many rows weigh nothing and are left out; that all weights are the same.

    Raises
    ------
    SchemaError
        A weight is missing, no number, negative or infinite, all but a few are 0, or they differ
        by more than nine orders of magnitude.
    TargetError
        Without the rows of weight 0 there is nothing to learn: a class has fewer than two rows, or
        all values are the same.
    """
    name = settings.weight
    _check_numbers(name, column, measures, settings)
    weights = column.to_numpy().astype(np.float64)
    known = ~np.asarray(target_column.is_null(nan_is_null=True).to_numpy(), dtype=bool)
    _check_each(name, weights, known)
    heavy = known & (weights > 0)
    if not heavy.any():
        raise SchemaError(
            f"the weights in {name!r} are 0 in all rows that have a target",
            expected="a weight above 0 in most rows",
            fix="check the column, or run without data.weight",
        )
    if heavy.sum() < min(MIN_ROWS, int(known.sum())):
        raise SchemaError(
            f"{int(heavy.sum())} rows have a target and a weight {name!r} above 0",
            expected=f"at least {MIN_ROWS}",
            fix="add rows, or give more of them a weight",
        )
    low, high = _check_range(name, weights, heavy)
    _check_target(name, target_column, heavy, target, settings)
    return _findings(name, int((known & ~heavy).sum()), same=low == high)


def _check_numbers(
    name: str, column: pa.ChunkedArray, measures: Measures, settings: DataSettings
) -> None:
    """Refuse a column that holds something else than numbers."""
    if measures.dtype in ("int64", "float64"):
        return
    if not measures.present:
        raise _missing(name, 1, measures.n_rows)
    if measures.dtype == "string":
        row, value = first_text(column)
        raise SchemaError(
            f"weight {name!r} holds {value!r} in row {row:,}",
            expected="a number in every row",
            fix="correct the value; or, if it means missing, run with"
            f" {na_option(settings, value)} and fill the gaps; or name another --weight",
        )
    what = "dates" if measures.dtype == "timestamp" else "true and false"
    raise SchemaError(
        f"weight {name!r} holds {what}",
        expected="numbers, 0 or more",
        fix="turn it into numbers, or name another column with --weight",
    )


def _check_each(name: str, weights: npt.NDArray[np.float64], known: Mask) -> None:
    """Refuse weights that are missing, negative or infinite; the first row is named."""
    gaps = np.flatnonzero(known & np.isnan(weights))
    if len(gaps):
        raise _missing(name, int(gaps[0]) + 1, len(gaps))
    for bad, what in ((weights < 0, "negative"), (np.isinf(weights), "infinite")):
        rows = np.flatnonzero(known & bad)
        if len(rows):
            more = f" and {len(rows) - 1:,} more" if len(rows) > 1 else ""
            raise SchemaError(
                f"weight {name!r} is {what} ({weights[rows[0]]:g}) in row {rows[0] + 1:,}{more}",
                expected="finite numbers, 0 or more",
                fix="correct the value; a row that shall not count has the weight 0",
            )


def _check_range(name: str, weights: npt.NDArray[np.float64], heavy: Mask) -> tuple[float, float]:
    """Return the least and the greatest weight above 0; refuse what rounding would lose."""
    low, high = float(weights[heavy].min()), float(weights[heavy].max())
    if not LEAST <= low <= high <= 1 / LEAST:
        odd = low if low < LEAST else high
        raise SchemaError(
            f"weight {name!r} is {odd:g} in row {int(np.argmax(heavy & (weights == odd))) + 1:,}",
            expected=f"0, or numbers between {LEAST:g} and {1 / LEAST:g}",
            fix="multiply or divide the whole column by a constant: weights have no unit",
        )
    if high > MOST_RATIO * low:
        raise SchemaError(
            f"the weights in {name!r} reach from {low:g} to {high:g}",
            expected=f"weights above 0 that differ by a factor of {MOST_RATIO:g} at most: beyond,"
            " the smallest are lost in rounding",
            fix="set those that shall not count to 0, or cut the largest",
        )
    return low, high


def _missing(name: str, row: int, count: int) -> SchemaError:
    more = f" and {count - 1:,} more" if count > 1 else ""
    return SchemaError(
        f"weight {name!r} is missing in row {row:,}{more}",
        expected="a weight in every row that has a target",
        fix="fill it in: 1 for an ordinary row, 0 for one that shall not count",
    )


def _check_target(
    name: str, column: pa.ChunkedArray, heavy: Mask, target: Target, settings: DataSettings
) -> None:
    """Refuse a target of which the rows of weight 0 were an indispensable part."""
    if not target.classes:
        if len(column.filter(pa.array(heavy)).unique()) < 2:
            raise TargetError(
                f"target {settings.target!r} has one value in all rows whose weight {name!r} is"
                " above 0",
                expected="at least two different values",
                fix="give rows with other values a weight above 0",
            )
        return
    # Of the whole column: how its numbers are written depends on all of them.
    tally = class_text(column.to_pandas())[heavy].value_counts()
    few = [
        (label, int(tally.get(value, 0)))
        for label, value in zip(target.classes, target.values, strict=True)
        if tally.get(value, 0) < 2
    ]
    if few:
        (label, count), others = few[0], len(few) - 1
        raise TargetError(
            f"class {label!r} of target {settings.target!r} has {count or 'no'}"
            f" row{'s' * (count != 1)} with a weight {name!r} above 0"
            + (f", and {others} more classes have so few" if others else ""),
            expected="at least two such rows of each class, to learn from one and test on another",
            fix="give rows of it a weight above 0, or delete all rows of the class",
        )


def _findings(name: str, n_zero: int, *, same: bool) -> tuple[Finding, ...]:
    found = []
    if n_zero:
        rows = f"{n_zero:,} row{'s' * (n_zero != 1)}"
        verb = "is" if n_zero == 1 else "are"
        found.append(Finding("warning", name, "dropped", f"{rows} of weight 0 {verb} left out"))
    if same:
        others = "all other weights" if n_zero else "all weights"
        found.append(
            Finding("info", name, "constant", f"{others} are the same: they change nothing")
        )
    return tuple(found)
