"""What ``evaluate`` puts into the bundle for ``monitor`` to compare served rows with."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from regatta.dataset.schema import Schema

if TYPE_CHECKING:
    from regatta.bundle import Bundle

__all__ = ["reference_of"]


def reference_of(
    dataset: str,
    schema: Schema,
    rows: npt.NDArray[np.int64],
    model: "Bundle",
    predicted: npt.NDArray[np.float64],
    values: Mapping[str, Any],
    seed: int,
) -> dict[str, Any]:
    """Count the rows that the released model knows.

    Parameters
    ----------
    dataset : str
        Folder of the table, which has just been verified.
    schema : Schema
        What its columns are.
    rows : ndarray of shape (n_rows,), int64
        Positions of the rows of training and of the locked rows. Of more than
        `regatta.monitoring.ROWS` so many are drawn.
    model : Bundle
        The bundle that was measured.
    predicted : ndarray of shape (n_locked, n_outputs), float64
        What it said of the locked rows.
    values : mapping
        What evaluation.json says.
    seed : int
        Seed of the run.

    Returns
    -------
    dict
        `regatta.monitoring.Reference` as plain values.
    """
    from regatta.dataset import conform, load_frame
    from regatta.monitoring import ROWS, Reference, group_column, predictions_of

    rng = np.random.default_rng(np.random.SeedSequence([seed, 23]))
    drawn = rows if len(rows) <= ROWS else rng.choice(rows, ROWS, replace=False)
    columns = list(model.signature)
    if schema.group and schema.group not in (column.name for column in columns):
        columns.append(group_column(schema))
    names = [column.name for column in columns]
    frame = load_frame(dataset, columns=names, rows=np.sort(drawn), verify=False)
    said = predictions_of(predicted, model.labels(predicted), model.classes)
    typed = conform(frame, columns)
    metric = {**values["metric"], "confidence": values["intervals"]["confidence"]}
    locked_groups = values.get("split", {}).get("n_groups", 0)
    return Reference.of(
        schema, typed, said, metric, values["importance"]["columns"], locked_groups
    ).to_dict()
