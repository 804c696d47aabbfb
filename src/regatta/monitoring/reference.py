"""What a version keeps of the rows that it was made from, to compare served rows with.

Bins and how many rows fell into each, of every column and of the predictions; the score on the
locked rows; what the columns are worth. It is ``reference.json`` in the bundle, and holds no rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from regatta.artifacts import open_artifact, read_json
from regatta.bundle import REFERENCE
from regatta.dataset.schema import Column, Kind, Schema
from regatta.errors import ArtifactError
from regatta.monitoring.bins import Bins, labels_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "ROWS",
    "Counted",
    "Reference",
    "codes_of_groups",
    "group_column",
    "predictions_of",
]

ROWS = 20_000
"""Rows that the reference is counted from, drawn at random: with more, an index of unchanged rows
would be smaller by less than 0.001."""
PREDICTION = "prediction"

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Counted:
    """How often the values of one column fell into its bins.

    Attributes
    ----------
    bins : Bins
        The bins.
    counts : ndarray of shape (bins.count,), int64
        Rows in each.
    unseen : float
        Share of new rows of the same kind that are expected to have a category which is not listed
        in the signature.
    groups : int
        Number of groups that the rows are of; 0 where each is by itself.
    """

    bins: Bins
    counts: Counts
    unseen: float = 0.0
    groups: int = 0

    @classmethod
    def of(
        cls,
        column: Column,
        values: "pd.Series[Any]",
        groups: int = 0,
        codes: npt.NDArray[np.int64] | None = None,
    ) -> "Counted":
        """Count the values of the reference.

        Parameters
        ----------
        column : Column
            The column, from the signature of the bundle.
        values : Series of shape (n_rows,)
            Its values, as `regatta.dataset.conform` types them.
        groups : int, default 0
            Number of groups that the rows are of; 0 where each is by itself.
        codes : ndarray of shape (n_rows,), int64, optional
            Which of them each is of: a category of one group only is as rare as one of a single
            row. Not read for predictions, whose categories are all known.
        """
        bins = Bins.of(column.name, column.kind, values, groups)
        return cls(bins, bins.counts(values), _expected_unseen(column, values, codes), groups)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        values = {**self.bins.to_dict(), "counts": self.counts.tolist(), "unseen": self.unseen}
        return {**values, "groups": self.groups} if self.groups else values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Counted":
        """Read what `to_dict` returned."""
        bins = Bins.from_dict(values)
        counts = np.asarray(values["counts"], np.int64)
        if counts.shape != (bins.count,):
            raise ValueError(f"{len(counts)} counts for {bins.count} bins of {bins.name!r}")
        return cls(bins, counts, float(values["unseen"]), int(values.get("groups", 0)))


@dataclass(frozen=True)
class Reference:
    """What served rows are compared with.

    Attributes
    ----------
    columns : tuple of Counted
        The columns of the signature: rows of training and locked rows.
    predictions : Counted
        What the model said of the locked rows, which it had not seen then.
    truth : Schema
        The target, and the weight and the group if there are such, as columns.
    metric : mapping
        The score on the locked rows: ``key``, ``label``, ``greater_is_better``, ``score``,
        ``low``, ``high``, ``confidence``, ``baseline``.
    importance : mapping of str to float
        What the score loses when a column is shuffled, by column; those that were measured.
    """

    columns: tuple[Counted, ...]
    predictions: Counted
    truth: Schema
    metric: Mapping[str, Any]
    importance: Mapping[str, float]

    @classmethod
    def of(
        cls,
        schema: Schema,
        frame: "pd.DataFrame",
        predictions: "pd.Series[Any]",
        metric: Mapping[str, Any],
        importance: Sequence[Mapping[str, Any]],
        locked_groups: int = 0,
    ) -> "Reference":
        """Count the rows that a model was made from.

        Parameters
        ----------
        schema : Schema
            Schema of the table.
        frame : DataFrame of shape (n_rows, n_columns)
            Its rows, or `ROWS` of them, as `regatta.dataset.conform` types them; with the group
            (`group_column`) if there is one.
        predictions : Series of shape (n_locked,)
            What `predictions_of` returned for the locked rows.
        metric : mapping
            The score on the locked rows, as evaluation.json has it, with its ``confidence``.
        importance : sequence of mapping
            ``name`` and ``loss`` of each column that was measured.
        locked_groups : int, default 0
            Number of groups that the locked rows are of; 0 where each is by itself.
        """
        kept = (
            "key",
            "label",
            "greater_is_better",
            "score",
            "low",
            "high",
            "confidence",
            "baseline",
        )
        judging = tuple(schema.column(name) for name in schema.measured)
        if schema.group:
            judging += (group_column(schema),)
        truth = replace(schema, columns=judging)
        codes = codes_of_groups(truth, frame)
        groups = 0 if codes is None else len(np.unique(codes))
        kind: Kind = "categorical" if schema.task == "multiclass" else "numeric"
        said = Column(PREDICTION, kind, "string", categories=schema.classes)
        return cls(
            tuple(
                Counted.of(column, frame[column.name], groups, codes) for column in schema.features
            ),
            Counted.of(said, predictions, locked_groups),
            truth,
            {key: metric[key] for key in kept},
            {one["name"]: one["loss"] for one in importance},
        )

    def shares(self) -> dict[str, float]:
        """Return the share of each measured column in the importance of all."""
        useful = {name: max(loss, 0.0) for name, loss in self.importance.items()}
        total = sum(useful.values())
        return {name: loss / total if total else 0.0 for name, loss in useful.items()}

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "columns": [column.to_dict() for column in self.columns],
            "predictions": self.predictions.to_dict(),
            "truth": self.truth.to_dict(),
            "metric": dict(self.metric),
            "importance": dict(self.importance),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Reference":
        """Read what `to_dict` returned."""
        return cls(
            tuple(Counted.from_dict(column) for column in values["columns"]),
            Counted.from_dict(values["predictions"]),
            Schema.from_dict(values["truth"]),
            values["metric"],
            {name: float(loss) for name, loss in values["importance"].items()},
        )

    @classmethod
    def open(cls, bundle: str | Path) -> "Reference":
        """Read the reference in a bundle.

        Raises
        ------
        ArtifactError
            The bundle has none, because an older Regatta made it, or it is damaged.
        """
        if not (Path(bundle) / REFERENCE).is_file():
            raise ArtifactError(
                f"bundle {str(bundle)!r} does not say what its training rows were like",
                expected=f"{REFERENCE}, as Regatta has written it since it has `regatta monitor`",
                fix="train the model again: the new version will have it",
            )
        file = open_artifact(bundle, "bundle", verify=(REFERENCE,)).file(REFERENCE)
        try:
            return cls.from_dict(read_json(file))
        except (ValueError, KeyError, TypeError, AttributeError) as err:
            raise ArtifactError(
                f"{str(file)!r} cannot be used ({type(err).__name__}: {err})",
                expected="what Regatta wrote",
                fix="make the bundle again or restore it from a backup",
            ) from err


def group_column(schema: Schema) -> Column:
    """Return the column of the groups, to be read as texts.

    Whether two rows have the same is all that counts: no digit of a number is to be lost, and no
    value is to be refused.
    """
    return replace(schema.column(schema.group), kind="text")


def codes_of_groups(truth: Schema, frame: "pd.DataFrame") -> npt.NDArray[np.int64] | None:
    """Return the group of each row.

    Parameters
    ----------
    truth : Schema
        `Reference.truth`.
    frame : DataFrame of shape (n_rows, n)
        Rows, as `regatta.dataset.conform` types them.

    Returns
    -------
    ndarray of shape (n_rows,), int64, or None
        A row without a value is a group of its own. None where each row is by itself, or where
        `frame` does not say.
    """
    import pyarrow as pa

    from regatta.splits.together import group_codes

    if not truth.group or truth.group not in frame:
        return None
    return group_codes(pa.chunked_array([pa.array(frame[truth.group], from_pandas=True)]))


def predictions_of(
    predicted: npt.NDArray[np.float64], labels: npt.NDArray[np.intp], classes: Sequence[str]
) -> "pd.Series[Any]":
    """Return what is counted of predictions.

    Parameters
    ----------
    predicted : ndarray of shape (n_rows, n_outputs), float64
        Probabilities of the classes, or values.
    labels : ndarray of shape (n_rows,), intp
        Code of the class that the bundle gives; not read for a regression.
    classes : sequence of str
        Class labels.

    Returns
    -------
    Series of shape (n_rows,)
        Probability of the positive class, label of the predicted class, or the value.
    """
    import pandas as pd

    if len(classes) > 2:
        return pd.Series(np.asarray(classes, dtype=object)[labels])
    return pd.Series(predicted[:, -1])


def _expected_unseen(
    column: Column, values: "pd.Series[Any]", codes: npt.NDArray[np.int64] | None
) -> float:
    """Estimate the share of unlisted categories in new rows, of new groups where there are some.

    As many new rows will not be listed as rows here would not be if their own row, or group, were
    taken out of the count that the list was made by. Where the list is whole these are the
    categories of a single row, as I. J. Good estimates it ("The population frequencies of
    species", *Biometrika* 40, 1953). A sample of the rows makes it too high, never too low.
    """
    if column.kind != "categorical" or not len(values):
        return 0.0
    texts = labels_of(values).reset_index(drop=True)
    counts = texts.value_counts()
    unlisted = counts[~counts.index.isin(column.categories)]
    own = 1 if codes is None else texts.groupby([texts, codes]).transform("size")
    others = texts.map(counts).astype("float64") - own
    return float((others <= unlisted.max()).mean() if len(unlisted) else (others == 0).mean())
