"""What is to be predicted: which task, which classes, and whether it can be learnt."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import compute as pc

from regatta.dataset.findings import Finding
from regatta.dataset.kinds import check_mixed
from regatta.dataset.measures import Measures
from regatta.dataset.names import listed, na_option
from regatta.dataset.schema import class_text
from regatta.dataset.spellings import spelt
from regatta.errors import TargetError
from regatta.settings import DataSettings, Task

__all__ = ["Target", "analyse", "first_text"]

AUTO_CLASSES = 20
AUTO_ROWS_A_CLASS = 10
RARE_SHARE = 0.01
# Predictions of trials are kept as float32, which ends at 3.4e38; some predictions lie beyond the
# targets. The least spread leaves the same room at the other end.
LARGEST_TARGET = 1e36
LEAST_SPREAD = 1e-30

_KIND_TASKS = {"numeric": "regression", "categorical": "class", "boolean": "class"}


@dataclass(frozen=True)
class Target:
    """The task and the classes of a target.

    Attributes
    ----------
    task : {"binary", "multiclass", "regression"}
        Kind of prediction.
    classes : tuple of str
        Sorted class labels, as the file writes them; ``()`` for a regression.
    values : tuple of str
        The same as `class_text` writes the values of the table.
    counts : tuple of int
        Rows of each class.
    findings : tuple of Finding
        What was noticed.
    """

    task: Task
    classes: tuple[str, ...]
    values: tuple[str, ...]
    counts: tuple[int, ...]
    findings: tuple[Finding, ...]


def analyse(
    column: pa.ChunkedArray,
    measures: Measures,
    settings: DataSettings,
    *,
    decimal_comma: bool = False,
    texts: tuple[str, ...] = (),
) -> Target:
    """Decide what kind of prediction a target asks for, and check that it can be made.

    Booleans and texts are classes, and so are numbers with two different values, and whole
    numbers with at most 20 different ones of at least 10 rows each on average. Other numbers are
    a regression.

    Parameters
    ----------
    column : ChunkedArray of shape (n_rows,)
        The target.
    measures : Measures
        Its measures.
    settings : DataSettings
        Name of the target, the task if it is not ``auto``, most classes.
    decimal_comma : bool, default False
        Whether ``3,14`` is a number.
    texts : tuple of str, default ()
        Different texts of the target in the file, for labels as the file writes them.

    Raises
    ------
    TargetError
        There is no value, only one, an infinite or too large one, texts among numbers, a class
        with a single row, too many classes, or the task does not fit the values.
    """
    name, task = settings.target, settings.task
    if not measures.present:
        raise TargetError(
            f"target {name!r} is empty in all {measures.n_rows:,} rows",
            expected="a value in most rows",
            fix="check the column, or choose another --target",
        )
    if measures.dtype == "timestamp":
        raise TargetError(
            f"target {name!r} holds dates",
            expected="numbers or classes",
            fix="turn it into a number, such as days until then, or choose another --target",
        )
    if measures.unique == 1:
        raise TargetError(
            f"target {name!r} has the one value {_shown(measures)} in all rows that have any",
            expected="at least two different values",
            fix="add rows with other values, or choose another --target",
        )
    if measures.dtype == "string" and task != "multiclass" and name not in settings.kinds:
        check_mixed(name, column, measures, settings, decimal_comma=decimal_comma, target=True)
    as_classes = task in ("binary", "multiclass")
    if task == "auto":
        as_classes = _looks_like_classes(column, measures, settings)
    if not as_classes:
        return _regression(column, measures, settings)
    return _classes(column, measures, settings, texts)


def _shown(measures: Measures) -> str:
    return repr(measures.values[0]) if measures.values else f"{measures.minimum:g}"


def _looks_like_classes(
    column: pa.ChunkedArray, measures: Measures, settings: DataSettings
) -> bool:
    """Decide for ``auto``."""
    wanted = _KIND_TASKS.get(settings.kinds.get(settings.target, ""), "")
    if wanted:
        return wanted == "class"
    if measures.dtype in ("bool", "string") or measures.unique == 2:
        return True
    if measures.unique > AUTO_CLASSES or measures.infinite_row:
        return False
    if measures.dtype == "float64" and not pc.all(pc.equal(column, pc.floor(column))).as_py():
        return False
    return measures.present / measures.unique >= AUTO_ROWS_A_CLASS


def _regression(column: pa.ChunkedArray, measures: Measures, settings: DataSettings) -> Target:
    name = settings.target
    if measures.dtype == "string":
        row, value = first_text(column)
        raise TargetError(
            f"target {name!r} holds {value!r} in row {row:,}",
            expected="numbers in every row for a regression",
            fix="correct the value; or, if it means missing, run with "
            f"{na_option(settings, value)};"
            " or leave --task out",
        )
    if measures.dtype == "bool":
        raise TargetError(
            f"target {name!r} holds true and false",
            expected="numbers for a regression",
            fix="use --task binary",
        )
    if measures.infinite_row:
        raise TargetError(
            f"target {name!r} is infinite in row {measures.infinite_row:,}",
            expected="finite numbers",
            fix="correct the value, or leave it empty: rows without a target are left out",
        )
    _check_range(column, measures, name)
    chosen = Finding("info", name, "task", f"{measures.unique:,} different numbers: a regression")
    return Target("regression", (), (), (), (chosen,) if settings.task == "auto" else ())


def _check_range(column: pa.ChunkedArray, measures: Measures, name: str) -> None:
    """Refuse numbers whose errors, squared, or whose predictions would overflow."""
    if measures.minimum is None or measures.maximum is None:
        return
    numbers = pc.cast(column, pa.float64(), safe=False)
    size = max(-measures.minimum, measures.maximum)
    if size > LARGEST_TARGET:
        row = pc.index(pc.greater(pc.abs(numbers), LARGEST_TARGET), pa.scalar(True)).as_py()
        raise TargetError(
            f"target {name!r} holds {numbers[row].as_py():g} in row {row + 1:,}",
            expected=f"numbers between {-LARGEST_TARGET:g} and {LARGEST_TARGET:g}: beyond,"
            " predictions and the squares of their errors cannot be told from infinity",
            fix="correct the value, or leave it empty: rows without a target are left out; if it"
            " is right, divide the whole column by a constant, or take its logarithm",
        )
    if measures.maximum - measures.minimum < LEAST_SPREAD:
        raise TargetError(
            f"target {name!r} varies by {measures.maximum - measures.minimum:g} only",
            expected=f"numbers that differ by {LEAST_SPREAD:g} or more: below, errors and their"
            " squares cannot be told from zero",
            fix="multiply the whole column by a constant",
        )


def first_text(column: pa.ChunkedArray) -> tuple[int, str]:
    """Return the first row, counted from 1, that holds no number, and what it holds."""
    for row, value in enumerate(column.to_pylist(), start=1):
        try:
            float(value if value is not None else 0)
        except ValueError:
            return row, str(value)[:40]
    return 1, str(column[0].as_py())[:40]


def _classes(
    column: pa.ChunkedArray, measures: Measures, settings: DataSettings, texts: tuple[str, ...]
) -> Target:
    """Return the classes in order, after checking their number and their rows."""
    name = settings.target
    if measures.unique > settings.max_classes:
        raise TargetError(
            f"target {name!r} has {measures.unique:,} different values",
            expected=f"at most {settings.max_classes} classes (data.max_classes)",
            fix="use --task regression if it is a number; else choose another --target, group"
            " its values, or raise --set data.max_classes=…",
        )
    tally = class_text(column.to_pandas()).value_counts()
    labels = _sorted([str(label) for label in tally.index])
    counts = tuple(int(tally[label]) for label in labels)
    _check_task(labels, settings)
    single = [label for label, count in zip(labels, counts, strict=True) if count == 1]
    if single:
        numeric = measures.dtype in ("int64", "float64")
        raise TargetError(
            f"class {single[0]!r} of target {name!r} has a single row"
            + (f", and so have {len(single) - 1} other classes" if len(single) > 1 else ""),
            expected="at least two rows of each class, to learn from one and test on another",
            fix="merge it into another class, delete that row, or add rows of it"
            + ("; or use --task regression" if numeric else ""),
        )
    return Target(
        "binary" if len(labels) == 2 else "multiclass",
        spelt(labels, texts),
        labels,
        counts,
        tuple(_class_findings(name, labels, counts, settings)),
    )


def _check_task(labels: tuple[str, ...], settings: DataSettings) -> None:
    wanted = {"binary": len(labels) == 2, "multiclass": len(labels) > 2}
    if wanted.get(settings.task, True):
        return
    other = "multiclass" if settings.task == "binary" else "binary"
    raise TargetError(
        f"target {settings.target!r} has {len(labels)} classes ({listed(labels)})",
        expected="two for a binary task" if other == "multiclass" else "three or more",
        fix=f"use --task {other}, or leave --task out",
    )


def _class_findings(
    name: str, labels: tuple[str, ...], counts: tuple[int, ...], settings: DataSettings
) -> list[Finding]:
    found = []
    if settings.task == "auto":
        shown = f"two classes, {labels[1]!r} is the positive one"
        if len(labels) > 2:
            shown = f"{len(labels)} classes"
        found.append(Finding("info", name, "task", shown))
    rarest = int(np.argmin(counts))
    share = counts[rarest] / sum(counts)
    if share < RARE_SHARE:
        message = f"class {labels[rarest]!r} has {counts[rarest]:,} rows ({share:.2%})"
        found.append(Finding("warning", name, "rare_class", message))
    return found


def _sorted(labels: list[str]) -> tuple[str, ...]:
    """Sort class labels: by number where all are numbers, else as text.

    Examples
    --------
    >>> _sorted(["10", "9", "-1"]), _sorted(["b", "10", "9"])
    (('-1', '9', '10'), ('10', '9', 'b'))
    """
    numbers = pd.to_numeric(pd.Series(labels, dtype=object), errors="coerce")
    if numbers.notna().all():
        return tuple(sorted(labels, key=lambda label: (float(label), label)))
    return tuple(sorted(labels))
