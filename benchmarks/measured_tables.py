"""Tables that engines are compared on, and how each is split.

A folder of tables holds a ``datasets.json``: a list of objects with ``name``, ``file`` (CSV or
Parquet, beside it), ``task`` (``binary``, ``multiclass`` or ``regression``) and ``target``. Without
a folder there are a few tables that come with scikit-learn.
"""

import io
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd
from scores import class_name

from regatta.settings import Task

__all__ = ["MeasuredTable", "Parts", "find_tables", "split"]

TEST_SHARE = 0.2
TOY_TABLES: dict[str, tuple[str, Task]] = {
    "breast-cancer": ("load_breast_cancer", "binary"),
    "diabetes": ("load_diabetes", "regression"),
    "wine": ("load_wine", "multiclass"),
    "digits": ("load_digits", "multiclass"),
}


@dataclass(frozen=True)
class MeasuredTable:
    """A table with a known answer.

    Attributes
    ----------
    name : str
        Its name in the results.
    task : str
        ``binary``, ``multiclass`` or ``regression``.
    target : str
        Column to predict.
    load : callable
        Returns all rows.
    """

    name: str
    task: Task
    target: str
    load: Callable[[], pd.DataFrame]


@dataclass(frozen=True)
class Parts:
    """A table that was split.

    Attributes
    ----------
    train : Path
        CSV file to learn from.
    test : Path
        CSV file to predict, without the target.
    truth : list of str
        The target of the test rows; classes as `class_name` has them.
    classes : list of str
        Classes of the whole table, sorted; empty for a regression.
    n_rows, n_columns : int
        Training rows, and columns without the target.
    """

    train: Path
    test: Path
    truth: list[str]
    classes: list[str]
    n_rows: int
    n_columns: int


def find_tables(folder: Path | None, names: Iterable[str] = ()) -> list[MeasuredTable]:
    """Return the tables of a folder, or those of scikit-learn.

    Parameters
    ----------
    folder : Path or None
        Folder with a ``datasets.json``; None: tables of scikit-learn.
    names : iterable of str
        Only these, in this order; empty: all.

    Raises
    ------
    SystemExit
        The folder has no list, or none of such a name is in it.
    """
    tables = _toys() if folder is None else _listed(folder)
    known = {table.name: table for table in tables}
    wanted = list(names)
    if strangers := [name for name in wanted if name not in known]:
        raise SystemExit(f"no table {', '.join(strangers)}; there are {', '.join(known)}")
    return [known[name] for name in wanted] or tables


def split(table: MeasuredTable, seed: int, folder: Path) -> Parts:
    """Write the training and the test part of a table; file and seed alone decide which is which.

    Parameters
    ----------
    table : MeasuredTable
        Rows without a target are left out.
    seed : int
        Seed of the split.
    folder : Path
        Where the two files are written.
    """
    from sklearn.model_selection import train_test_split

    rows = table.load().dropna(subset=[table.target])
    target = rows[table.target]
    classified = table.task != "regression"
    # A class of one row cannot be in both parts.
    even = classified and target.value_counts().min() > 1
    train, test = train_test_split(
        rows, test_size=TEST_SHARE, random_state=seed, stratify=target if even else None
    )
    parts = folder / "train.csv", folder / "test.csv"
    train.to_csv(parts[0], index=False)
    test.drop(columns=[table.target]).to_csv(parts[1], index=False)
    truth, classes = _as_text(test[table.target]), []
    if classified:
        truth = [class_name(label) for label in truth]
        classes = sorted({class_name(label) for label in _as_text(target)})
    return Parts(*parts, truth, classes, len(train), rows.shape[1] - 1)


def _as_text(values: "pd.Series[str]") -> list[str]:
    """Return values as a CSV file has them: engines read classes from one."""
    text = values.to_frame("target").to_csv(index=False)
    read = pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False)
    return read["target"].tolist()


def _listed(folder: Path) -> list[MeasuredTable]:
    """Return the tables of a folder's list."""
    listing = folder / "datasets.json"
    if not listing.is_file():
        raise SystemExit(f"{listing} is not there; --tables wants a folder with a datasets.json")
    entries = json.loads(listing.read_text(encoding="utf-8"))
    return [
        MeasuredTable(
            entry["name"], entry["task"], entry["target"], partial(_read, folder / entry["file"])
        )
        for entry in entries
    ]


def _read(path: Path) -> pd.DataFrame:
    """Read a CSV or Parquet file."""
    return pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)


def _toys() -> list[MeasuredTable]:
    """Return tables of scikit-learn."""
    return [
        MeasuredTable(name, task, "target", partial(_toy, loader))
        for name, (loader, task) in TOY_TABLES.items()
    ]


def _toy(loader: str) -> pd.DataFrame:
    """Load a table of scikit-learn, its target among the columns."""
    from sklearn import datasets

    frame: pd.DataFrame = getattr(datasets, loader)(as_frame=True).frame
    return frame
