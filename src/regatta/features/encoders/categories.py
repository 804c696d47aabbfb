"""Categories as codes: the most frequent values of each column, with a bucket for rare ones."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from regatta.artifacts.state import State
from regatta.features.encoders.base import Frame, column

__all__ = ["Categories", "Table", "count_labels", "look_up", "tables_fit"]

Table = dict[str, int]
Codes = npt.NDArray[np.int32]
MISSING = -1


class Categories:
    """Codes of the categorical columns.

    Attributes
    ----------
    names : list of str
        Columns with at least two different values (a missing one is a value).
    labels : list of list of str
        Of each column the kept values, in the order of their codes.
    rare : list of bool
        Whether a column had values that were not kept; they share the code after the last.
    """

    def __init__(
        self, names: Sequence[str], labels: Sequence[Sequence[str]], rare: Sequence[bool]
    ) -> None:
        self.names, self.labels, self.rare = list(names), [list(x) for x in labels], list(rare)
        self.tables: list[Table] = [
            {label: code for code, label in enumerate(kept)} for kept in self.labels
        ]

    @classmethod
    def fit(
        cls, frame: Frame, names: Sequence[str], *, most: int, least_rows: int = 2
    ) -> "Categories":
        """Count the values of each column.

        Parameters
        ----------
        frame : DataFrame or mapping of arrays
            Training rows.
        names : sequence of str
            Categorical features.
        most : int
            Most values of a column that get a code of their own, by frequency.
        least_rows : int, default 2
            Fewest rows of such a value.
        """
        kept_names, labels, rare = [], [], []
        for name in names:
            found, counts, missing = count_labels(column(frame, name))
            if len(found) + (missing > 0) < 2:
                continue
            order = np.argsort(-counts, kind="stable")
            kept = order[counts[order] >= least_rows][:most]
            kept_names.append(name)
            labels.append([found[place] for place in kept])
            rare.append(len(kept) < len(found))
        return cls(kept_names, labels, rare)

    def codes(self, frame: Frame, place: int) -> Codes:
        """Return the codes of one column, of shape (n_rows,), int32; -1 where missing."""
        table = self.tables[place]
        unseen = len(table) if self.rare[place] else MISSING
        return look_up(column(frame, self.names[place]), table, MISSING, unseen)

    def width(self, place: int) -> int:
        """Return the number of codes of one column, that for rare values among them."""
        return len(self.labels[place]) + self.rare[place]

    def reorder(self, place: int, order: npt.NDArray[np.intp]) -> None:
        """Give the kept values of one column codes in another order."""
        self.labels[place] = [self.labels[place][old] for old in order]
        self.tables[place] = {label: code for code, label in enumerate(self.labels[place])}

    def state(self, prefix: str) -> dict[str, Any]:
        """Return what was fitted."""
        return {
            f"{prefix}.names": self.names,
            f"{prefix}.labels": self.labels,
            f"{prefix}.rare": np.array(self.rare, dtype=bool),
        }

    @classmethod
    def from_state(cls, state: State, prefix: str) -> "Categories":
        """Rebuild from what `state` returned."""
        names = state.names(f"{prefix}.names")
        labels = tables_fit(state, f"{prefix}.labels", names)
        rare = state.array(f"{prefix}.rare", bool, (len(names),))
        return cls(names, labels, rare.tolist())


def tables_fit(state: State, name: str, columns: Sequence[str]) -> list[list[str]]:
    """Return lists of labels after checking that there is one for each column."""
    labels = state.lists(name)
    state.check(name, len(labels) == len(columns))
    state.check(name, all(len(set(kept)) == len(kept) for kept in labels))
    return labels


def count_labels(values: Any) -> tuple[list[str], npt.NDArray[np.int64], int]:
    """Count the values of a categorical column.

    Parameters
    ----------
    values : Categorical or object ndarray of shape (n_rows,)
        Texts, missing ones as None or NaN.

    Returns
    -------
    labels : list of str
        Values that occur.
    counts : ndarray of shape (n_labels,), int64
        Their number of rows.
    missing : int
        Rows without a value.
    """
    if isinstance(values, pd.Categorical):
        codes, labels = values.codes, values.categories.tolist()
    else:
        codes, found = pd.factorize(values, use_na_sentinel=True)
        labels = found.tolist()
    counts = np.bincount(codes.astype(np.int64) + 1, minlength=len(labels) + 1)
    there = np.flatnonzero(counts[1:])
    return [labels[place] for place in there], counts[1:][there], int(counts[0])


def look_up(values: Any, table: Table, missing: int, unseen: int) -> Codes:
    """Return the code of each value.

    Parameters
    ----------
    values : Categorical or object ndarray of shape (n_rows,)
        Texts, missing ones as None or NaN.
    table : dict of str to int
        Codes.
    missing, unseen : int
        Codes of a missing value, and of one that is not in the table.

    Returns
    -------
    ndarray of shape (n_rows,), int32
        The codes.
    """
    if isinstance(values, pd.Categorical):
        labels = values.categories.tolist()
        by_label = np.empty(len(labels) + 1, dtype=np.int32)
        by_label[:-1] = [table.get(label, unseen) for label in labels]
        by_label[-1] = missing
        found: Codes = by_label[values.codes]
        return found
    known = table.get
    codes = [known(v, unseen) if isinstance(v, str) else missing for v in values.tolist()]
    return np.array(codes, dtype=np.int32)
