"""From a typed table to its schema: kinds, the target, what is left out and why."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet as pq

from regatta.dataset.describing import (
    Described,
    describe,
    describe_group,
    describe_target,
    describe_weight,
    learnt_for_want_of_more,
)
from regatta.dataset.findings import Finding
from regatta.dataset.leaks import LeakCheck
from regatta.dataset.measures import Measures, measure
from regatta.dataset.names import check_settings
from regatta.dataset.reading import Reading
from regatta.dataset.schema import Column, Schema
from regatta.dataset.splitting import analyse_time
from regatta.dataset.target import analyse
from regatta.errors import DataError, SchemaError, TargetError
from regatta.settings import DataSettings, SplitSettings

__all__ = ["Validated", "validate"]

MIN_ROWS = 20
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

    described: list[Described] = []
    with ThreadPoolExecutor(THREADS) as pool:
        for group in _groups(names, n_rows):
            table = file.read(columns=group, use_threads=False)

            def one(name: str, values: pa.ChunkedArray) -> Described:
                if name == settings.target:
                    return describe_target(name, target_measures, target, reading)
                if name == settings.weight:
                    return describe_weight(values, (target_column, target), reading, settings)
                if name == split.group:
                    return describe_group(name, values, reading)
                found = describe(name, values, leaks, reading, settings)
                if name == split.time:
                    more = analyse_time(found.column, values, target_column)
                    return replace(found, findings=(*found.findings, *more))
                return found

            # Threads pay where a column is long: Arrow and NumPy work without the lock then.
            spread = pool.map if n_rows >= THREAD_ROWS else map
            described += spread(one, table.column_names, table.itercolumns())
    if not any(item.column.used for item in described):
        described = [learnt_for_want_of_more(item) for item in described]
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
