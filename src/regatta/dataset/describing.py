"""One column: what it is, whether it is learnt from, and what is worth saying of it."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from regatta.dataset.conforming import conform
from regatta.dataset.findings import Finding
from regatta.dataset.kinds import check_mixed, is_id, is_id_name, kind_of
from regatta.dataset.leaks import LeakCheck
from regatta.dataset.measures import MAX_CATEGORIES, Measures, measure
from regatta.dataset.names import option
from regatta.dataset.reading import Reading
from regatta.dataset.schema import Column, Kind
from regatta.dataset.splitting import analyse_group
from regatta.dataset.target import Target
from regatta.dataset.weights import analyse_weights
from regatta.errors import RequestError, SchemaError
from regatta.settings import DataSettings

__all__ = [
    "Described",
    "describe",
    "describe_group",
    "describe_target",
    "describe_weight",
    "learnt_for_want_of_more",
]

MOSTLY_MISSING = 0.5
MANY_CATEGORIES = 1_000
# Features are cut to this size: see `regatta.features.rows`.
LARGEST = 1e30


@dataclass(frozen=True)
class Described:
    """What is known of a column.

    Attributes
    ----------
    column : Column
        How it is learnt from.
    profile : dict
        Measures for people.
    findings : tuple of Finding
        What was noticed.
    """

    column: Column
    profile: dict[str, Any]
    findings: tuple[Finding, ...]


def describe_target(name: str, measures: Measures, target: Target, reading: Reading) -> Described:
    """Describe the target, of which `regatta.dataset.target` has told all there is to tell."""
    kind: Kind = "numeric" if target.task == "regression" else "categorical"
    if measures.dtype == "bool":
        kind = "boolean"
    column = _column(name, kind, measures, reading, "target")
    profile = _profile(column, measures)
    if target.classes:
        top = [list(pair) for pair in zip(target.classes, target.counts, strict=True)]
        profile["top"] = top
    return Described(column, profile, ())


def describe_weight(
    values: pa.ChunkedArray,
    target: tuple[pa.ChunkedArray, Target],
    reading: Reading,
    settings: DataSettings,
) -> Described:
    """Describe the column of weights; its target comes with what it is to be predicted."""
    measures = measure(values)
    findings = analyse_weights(values, measures, *target, settings)
    column = _column(settings.weight, "numeric", measures, reading, "weight")
    return Described(column, _profile(column, measures), findings)


def describe_group(name: str, values: pa.ChunkedArray, reading: Reading) -> Described:
    """Describe the column by which rows are split together."""
    measures = measure(values)
    column = _column(name, kind_of(measures), measures, reading, "group")
    return Described(column, _profile(column, measures), analyse_group(name, measures))


def describe(
    name: str,
    values: pa.ChunkedArray,
    leaks: LeakCheck,
    reading: Reading,
    settings: DataSettings,
) -> Described:
    """Describe a column to learn from.

    Parameters
    ----------
    name : str
        Its name.
    values : ChunkedArray of shape (n_rows,)
        Its values.
    leaks : LeakCheck
        Knows the target.
    reading : Reading
        How the file was read.
    settings : DataSettings
        What the user says of columns.

    Raises
    ------
    SchemaError
        It holds a few texts among numbers or dates, or an infinite number, or is not what the user
        says.
    """
    measures = measure(values)
    wanted = settings.kinds.get(name)
    ignored = name in settings.ignore or wanted == "ignore"
    kind = kind_of(measures)
    if not ignored and wanted is None and measures.dtype == "string":
        comma = reading.decimal_comma
        mixed = check_mixed(name, values, measures, settings, decimal_comma=comma)
    else:
        mixed = ""
    if wanted and wanted != "ignore":
        kind = wanted
    # A column of numbers with units, such as '12 kg', is no key although all its texts differ.
    reason = _reason(name, values, measures, ignored=ignored, forced=bool(wanted or mixed))
    column = _column(name, kind, measures, reading, reason)
    if not reason:
        _check_infinite(name, measures)
        if wanted:
            column = _as_wanted(column, values)
    findings = list(_notes(column, measures, mixed))
    if not reason and leaks.gives_away(values, measures):
        findings.append(
            Finding(
                "warning",
                name,
                "leak",
                f"{name!r} alone tells the target exactly; if it is not known before the"
                " prediction is made, leave it out with data.ignore",
            )
        )
    return Described(column, _profile(column, measures), tuple(findings))


def _reason(
    name: str, values: pa.ChunkedArray, measures: Measures, *, ignored: bool, forced: bool
) -> str:
    """Return why a column is not learnt from, or ``""``."""
    if ignored:
        return "ignored"
    if not measures.unique and not measures.infinite_row:
        return "empty"
    # One value and gaps: whether it is there may tell something.
    if measures.unique == 1 and not measures.missing:
        return "constant"
    return "id" if not forced and is_id(name, values, measures) else ""


def _column(name: str, kind: Kind, measures: Measures, reading: Reading, reason: str) -> Column:
    return Column(
        name=name,
        kind=kind,
        dtype=measures.dtype,
        used=not reason,
        reason=reason,
        missing=measures.missing,
        unique=measures.unique,
        categories=measures.values if kind in ("categorical", "boolean") else (),
        minimum=measures.minimum,
        maximum=measures.maximum,
        example=measures.example,
        na_values=reading.na_values.get(name, ()),
        format=_spelling(reading.formats.get(name, "")),
    )


def _spelling(spelling: str) -> str:
    return spelling if spelling.startswith("%") else ""


def _as_wanted(column: Column, values: pa.ChunkedArray) -> Column:
    """Check that the values can be what the user says, and describe them as that."""
    frame = pa.table({column.name: values}).to_pandas()
    try:
        typed = conform(frame, [column])[column.name]
    except RequestError as err:
        raise SchemaError(
            err.found,
            expected=f"{err.expected.split(',')[0]}, as data.kinds says",
            fix="correct the value, add it to data.na_values if it means missing, or give the"
            " column another kind in data.kinds",
        ) from err
    changes: dict[str, Any] = {"missing": int(typed.isna().sum()), "unique": int(typed.nunique())}
    present = typed.dropna()
    if column.kind in ("categorical", "boolean"):
        tally = present.astype(str).str.lower() if column.kind == "boolean" else present
        changes["categories"] = tuple(tally.value_counts().index[:MAX_CATEGORIES])
    if column.kind == "datetime" and len(present):
        moments = present.to_numpy().astype("datetime64[us]").astype(np.int64) / 1e6
        changes |= {"minimum": float(moments.min()), "maximum": float(moments.max())}
        changes["example"] = present.iloc[len(present) // 2].isoformat()
    return Column(**{**vars(column), **changes})


def _check_infinite(name: str, measures: Measures) -> None:
    if measures.infinite_row:
        raise SchemaError(
            f"column {name!r} is infinite in row {measures.infinite_row:,}",
            expected="finite numbers",
            fix="correct the value, leave it empty, or name its text in data.na_values if it means"
            " missing; or leave the column out with " + option("data.ignore", name),
        )


def _profile(column: Column, measures: Measures) -> dict[str, Any]:
    """Return the measures that people look at."""
    return {
        "kind": column.kind,
        "dtype": column.dtype,
        "used": column.used,
        "reason": column.reason,
        "missing": column.missing,
        "missing_share": round(column.missing / max(measures.n_rows, 1), 6),
        "unique": column.unique,
        "minimum": column.minimum,
        "maximum": column.maximum,
        **measures.profile,
    }


_REASONS = {
    "empty": "has no value in any row",
    "constant": "has the same value in every row",
    "id": "tells rows apart and says nothing else of them",
}


def _notes(column: Column, measures: Measures, mixed: str) -> Iterable[Finding]:
    """Yield what is worth saying about a column."""
    name = column.name
    if column.reason in _REASONS:
        yield Finding("info", name, column.reason, f"{name!r} {_REASONS[column.reason]}: left out")
        return
    if column.reason:
        return
    if mixed:
        yield Finding("warning", name, "mixed", mixed)
    low, high = measures.minimum or 0.0, measures.maximum or 0.0
    if column.kind == "numeric" and max(-low, high) > LARGEST:
        yield Finding(
            "warning",
            name,
            "huge",
            f"{name!r} reaches from {low:g} to {high:g}; numbers beyond {LARGEST:g} are taken for"
            f" {LARGEST:g}, as learners work with float32: correct them, or divide the column",
        )
    share = column.missing / max(measures.n_rows, 1)
    if share > MOSTLY_MISSING:
        yield Finding("info", name, "missing", f"{name!r} is missing in {share:.1%} of the rows")
    if column.kind == "categorical" and column.unique > MANY_CATEGORIES:
        yield Finding("info", name, "many_categories", f"{name!r} has {column.unique:,} categories")


def learnt_for_want_of_more(described: Described) -> Described:
    """Return a counter of rows as a column to learn from: it may count time."""
    column = described.column
    if column.reason != "id" or column.kind != "numeric" or is_id_name(column.name):
        return described
    message = f"{column.name!r} counts the rows; it is learnt from, for there is nothing else"
    return Described(
        replace(column, used=True, reason=""),
        {**described.profile, "used": True, "reason": ""},
        (Finding("warning", column.name, "counter", message),),
    )
