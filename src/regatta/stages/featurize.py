"""Compute the row-wise features of the training rows; nothing is fitted here."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from regatta.artifacts.base import open_artifact, read_json, write_json, writing
from regatta.dataset import Schema, conform, load_column, load_frame
from regatta.features.rows import Feature, RowFeatures
from regatta.splits import Splits
from regatta.splits.together import group_codes
from regatta.stages.task import stage

__all__ = ["run", "write_features"]

CELLS_AT_ONCE = 5_000_000
"""Values read at once: bounds the memory beside the features themselves."""


def run(dataset: str, schema: str, splits: str, features: str) -> dict[str, Any]:
    """Compute features.

    The locked rows are left behind: what comes after reads the training rows alone.

    Parameters
    ----------
    dataset, schema, splits : str
        Folders of the artifacts to read.
    features : str
        Folder of the artifact to write: frame.parquet (the features of the training rows, in the
        order of the table), target.npy (float64, of shape (n_rows,)), folds.npy (int16, of shape
        (n_repeats, n_rows)), weights.npy where rows have weights (float64, of shape (n_rows,)),
        groups.npy where they are of groups (int64, of shape (n_rows,)), features.json
        (`RowFeatures`), schema.json.

    Returns
    -------
    dict
        ``n_rows``, ``n_columns``, ``n_folds``.
    """
    with stage("featurize") as numbers:
        about = Schema.from_dict(read_json(open_artifact(schema, "schema").file("schema.json")))
        stored = Splits.open(splits)
        rows, plan = stored.train(), RowFeatures.plan(about)
        origin = open_artifact(dataset, "dataset", verify=False).metadata.get("fingerprint", "")
        numbers.update(n_rows=len(rows), n_columns=len(plan.columns), n_folds=stored.n_folds)
        folds = stored.assignment[:, rows]
        write_features(features, dataset, about, plan, rows, folds, fingerprint=origin, **numbers)
    return numbers


def write_features(
    features: str,
    dataset: str,
    about: Schema,
    plan: RowFeatures,
    rows: npt.NDArray[np.integer[Any]],
    folds: npt.NDArray[np.integer[Any]],
    **metadata: Any,
) -> None:
    """Write the features artifact of some rows.

    Parameters
    ----------
    features : str
        Folder to write.
    dataset : str
        Folder of the dataset artifact.
    about : Schema
        Its columns.
    plan : RowFeatures
        Which features.
    rows : ndarray of shape (n_rows,), int
        Which rows, in this order.
    folds : ndarray of shape (n_repeats, n_rows), int
        Fold that validates each; the number of folds for one that is trained on only.
    **metadata
        For the manifest; ``n_folds`` among it.
    """
    judged = load_frame(dataset, columns=about.measured, rows=rows)
    weights = about.weights(judged)
    with writing(features, "features", **metadata) as folder:
        _write_frame(folder / "frame.parquet", dataset, about, rows, plan)
        np.save(folder / "target.npy", about.encode_target(judged[about.target]))
        if weights is not None:
            np.save(folder / "weights.npy", weights)
        if about.group:
            np.save(folder / "groups.npy", group_codes(load_column(dataset, about.group, rows)))
        np.save(folder / "folds.npy", folds.astype(np.int16))
        write_json(folder / "features.json", plan.to_dict())
        write_json(folder / "schema.json", about.to_dict())


def _write_frame(
    path: Path,
    dataset: str,
    about: Schema,
    rows: npt.NDArray[np.integer[Any]],
    plan: RowFeatures,
) -> None:
    """Write the features of some rows as Parquet, a few raw columns in memory at a time."""
    import pyarrow as pa
    from pyarrow import parquet as pq

    found: dict[str, Any] = {}
    columns = {column.name: column for column in about.columns}
    for groups in _parts(plan, len(rows)):
        others = [feature.other for group in groups for feature in group if feature.other]
        names = list(dict.fromkeys([group[0].source for group in groups] + others))
        frame = load_frame(dataset, columns=names, rows=rows, verify=False)
        # The same step as before a prediction: what the user says of a column's kind is done here.
        frame = conform(frame, [columns[name] for name in names])
        kinds = {feature.name: feature.kind for group in groups for feature in group}
        for name, values in plan.arrays(frame, groups).items():
            found[name] = _to_arrow(values, kinds[name])
    table = pa.table({feature.name: found.pop(feature.name) for feature in plan.columns})
    labels = [feature.name for feature in plan.columns if feature.kind == "categorical"]
    pq.write_table(table, path, compression="lz4", use_dictionary=labels, write_statistics=False)


def _parts(plan: RowFeatures, n_rows: int) -> Iterator[Sequence[Sequence[Feature]]]:
    """Yield groups of features whose raw columns are read together."""
    together = max(1, CELLS_AT_ONCE // max(n_rows, 1))
    for start in range(0, len(plan.groups), together):
        yield plan.groups[start : start + together]


def _to_arrow(values: npt.NDArray[Any], kind: str) -> Any:
    """Return one feature as an Arrow array: numbers, texts in a dictionary, or lists of hashes."""
    import pyarrow as pa

    if kind == "numeric":
        return pa.array(values)
    if kind == "categorical":
        return pa.array(values, type=pa.string(), from_pandas=True).dictionary_encode()
    missing = np.array([terms is None for terms in values], dtype=bool)
    lengths = [0 if terms is None else len(terms) for terms in values]
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    there = values[~missing].tolist()
    flat = np.concatenate(there) if there else np.empty(0, dtype=np.int32)
    return pa.ListArray.from_arrays(offsets, pa.array(flat), mask=pa.array(missing))
