"""From a typed table to its schema: kinds, the target, what is left out and why."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet as pq

from regatta.dataset.conforming import conform
from regatta.dataset.findings import Finding
from regatta.dataset.kinds import check_mixed, is_id, kind_of
from regatta.dataset.leaks import LeakCheck
from regatta.dataset.measures import MAX_CATEGORIES, Measures, measure
from regatta.dataset.names import check_settings, option
from regatta.dataset.reading import Reading
from regatta.dataset.schema import Column, Kind, Schema
from regatta.dataset.splitting import analyse_group, analyse_time
from regatta.dataset.target import Target, analyse
from regatta.dataset.weights import analyse_weights
from regatta.errors import DataError, RequestError, SchemaError, TargetError
from regatta.settings import DataSettings, SplitSettings

__all__ = ["Validated", "validate"]

MIN_ROWS = 20
MOSTLY_MISSING = 0.5
MANY_CATEGORIES = 1_000
# Features are cut to this size: see `regatta.features.rows`.
LARGEST = 1e30
THREADS = 2
THREAD_ROWS = 10_000
GROUP_VALUES = 2_000_000


@dataclass(frozen=True)
class Validated:
    """A table that can be learnt from.

    Attributes
    ----------
    schema : Schema
        Its columns and its task.
    profile : dict of str to dict
        Measures for people, by column.
    findings : tuple of Finding
        What was noticed, warnings first.
    """

    schema: Schema
    profile: dict[str, dict[str, Any]]
    findings: tuple[Finding, ...]


def validate(
    table: str | Path,
    reading: Reading,
    settings: DataSettings,
    split: SplitSettings | None = None,
) -> Validated:
    """Find out what the columns of a table are, and whether its target can be learnt.

    Parameters
    ----------
    table : str or Path
        Parquet file that `write_table` wrote.
    reading : Reading
        What it returned.
    settings : DataSettings
        Target, task, weights, columns to leave out, kinds that are known.
    split : SplitSettings, optional
        Columns of the groups or of the times by which rows are split.

    Returns
    -------
    Validated
        Schema, profile and findings.

    Raises
    ------
    DataError
        There are fewer than 20 rows.
    TargetError
        The target cannot be predicted.
    SchemaError
        A column is not what it seems (a text among numbers, an infinite number, a negative
        weight, a time that is none), or none is left to learn from.
    SettingsError
        A setting names a column that is not there.

    Notes
    -----
    Memory: about two million values at a time, or two columns of a longer table.
    """
    with pq.ParquetFile(table) as file:
        return _validate(file, reading, settings, split or SplitSettings())


def _validate(
    file: pq.ParquetFile, reading: Reading, settings: DataSettings, split: SplitSettings
) -> Validated:
    names, n_rows = file.schema_arrow.names, file.metadata.num_rows
    _check_target_named(settings, names)
    check_settings(names, settings, split)
    if n_rows < MIN_ROWS:
        raise DataError(
            f"the table has {n_rows} row{'s' * (n_rows != 1)}",
            expected=f"at least {MIN_ROWS}",
            fix="add rows",
        )
    target_column = file.read(columns=[settings.target])[settings.target]
    target_measures = measure(target_column)
    target = analyse(
        target_column,
        target_measures,
        settings,
        decimal_comma=reading.decimal_comma,
        texts=reading.target_texts,
    )
    leaks = LeakCheck(target_column, target.task)

    described: list[_Described] = []
    with ThreadPoolExecutor(THREADS) as pool:
        for group in _groups(names, n_rows):
            table = file.read(columns=group, use_threads=False)

            def one(name: str, values: pa.ChunkedArray) -> _Described:
                if name == settings.target:
                    return _describe_target(name, target_measures, target, reading)
                if name == settings.weight:
                    return _describe_weight(values, (target_column, target), reading, settings)
                if name == split.group:
                    return _describe_group(name, values, reading)
                found = _describe(name, values, leaks, reading, settings)
                if name == split.time:
                    more = analyse_time(found.column, values, target_column)
                    return replace(found, findings=(*found.findings, *more))
                return found

            # Threads pay where a column is long: Arrow and NumPy work without the lock then.
            spread = pool.map if n_rows >= THREAD_ROWS else map
            described += spread(one, table.column_names, table.itercolumns())
    columns = tuple(item.column for item in described)
    findings = [*reading.findings, *target.findings, *_dropped(target_measures, settings)]
    findings += [finding for item in described for finding in item.findings]
    _check_features(columns)
    return Validated(
        Schema(
            target.task,
            settings.target,
            target.classes,
            columns,
            n_rows,
            target.values,
            settings.weight,
            split.group,
            split.time,
            target.left_out,
        ),
        {item.column.name: item.profile for item in described},
        tuple(sorted(findings, key=lambda finding: finding.level != "warning")),
    )


def _groups(names: list[str], n_rows: int) -> list[list[str]]:
    """Cut the columns into groups of about two million values, which are read at once."""
    width = max(THREADS, GROUP_VALUES // n_rows)
    return [names[start : start + width] for start in range(0, len(names), width)]


def _check_target_named(settings: DataSettings, names: list[str]) -> None:
    if not settings.target:
        raise TargetError(
            "no target is given",
            expected="the name of the column to predict, such as " + repr(names[-1]),
            fix="name it with --target",
        )


@dataclass(frozen=True)
class _Described:
    column: Column
    profile: dict[str, Any]
    findings: tuple[Finding, ...]


def _describe_target(name: str, measures: Measures, target: Target, reading: Reading) -> _Described:
    kind: Kind = "numeric" if target.task == "regression" else "categorical"
    if measures.dtype == "bool":
        kind = "boolean"
    column = _column(name, kind, measures, reading, "target")
    profile = _profile(column, measures)
    if target.classes:
        top = [list(pair) for pair in zip(target.classes, target.counts, strict=True)]
        profile["top"] = top
    return _Described(column, profile, ())


def _describe_weight(
    values: pa.ChunkedArray,
    target: tuple[pa.ChunkedArray, Target],
    reading: Reading,
    settings: DataSettings,
) -> _Described:
    measures = measure(values)
    findings = analyse_weights(values, measures, *target, settings)
    column = _column(settings.weight, "numeric", measures, reading, "weight")
    return _Described(column, _profile(column, measures), findings)


def _describe_group(name: str, values: pa.ChunkedArray, reading: Reading) -> _Described:
    measures = measure(values)
    column = _column(name, kind_of(measures), measures, reading, "group")
    return _Described(column, _profile(column, measures), analyse_group(name, measures))


def _describe(
    name: str,
    values: pa.ChunkedArray,
    leaks: LeakCheck,
    reading: Reading,
    settings: DataSettings,
) -> _Described:
    """Describe one column that is not the target."""
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
    return _Described(column, _profile(column, measures), tuple(findings))


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
            fix="correct the value or leave it empty; or leave the column out with "
            + option("data.ignore", name),
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


def _dropped(measures: Measures, settings: DataSettings) -> list[Finding]:
    if not measures.missing:
        return []
    rows = f"{measures.missing:,} row{'s' * (measures.missing != 1)}"
    return [Finding("warning", settings.target, "dropped", f"{rows} without a target are left out")]


def _check_features(columns: tuple[Column, ...]) -> None:
    if any(column.used for column in columns):
        return
    reasons: dict[str, list[str]] = {}
    for column in columns:
        reasons.setdefault(column.reason, []).append(column.name)
    own = ("target", "weight", "group")
    others = {reason: found for reason, found in reasons.items() if reason not in own}
    shown = "; ".join(
        f"{reason}: {', '.join(found[:5])}{' …' * (len(found) > 5)}"
        for reason, found in others.items()
    )
    raise SchemaError(
        "no column is left to learn from" + (f" ({shown})" if shown else ""),
        expected="at least one column besides the target that differs between rows",
        fix="add columns; or, if one was left out wrongly, say what it is with data.kinds",
    )
