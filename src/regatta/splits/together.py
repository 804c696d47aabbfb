"""What rows are drawn by where not each is drawn by itself: their groups, or their times."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import compute as pc

from regatta.dataset import Schema, load_column
from regatta.dataset.splitting import load_times
from regatta.splits.keys import time_keys, value_keys

__all__ = ["group_codes", "group_keys", "lock_keys"]

Codes = npt.NDArray[np.int64]
Keys = npt.NDArray[np.uint64]


def lock_keys(
    dataset: str | Path,
    schema: Schema,
    row_keys: Keys,
    seed: int,
    rows: npt.NDArray[np.integer] | None = None,
) -> Keys | None:
    """Return the keys by which rows are locked together.

    Parameters
    ----------
    dataset : str or Path
        Folder of the dataset artifact.
    schema : Schema
        Its columns; `Schema.group` or `Schema.time` names the one, if any.
    row_keys : ndarray of shape (n_rows,), uint64
        Keys of the rows themselves (`regatta.splits.keys.row_keys`).
    seed : int
        Their seed.
    rows : ndarray of shape (n_rows,), int, or None, default None
        Positions of the rows; None for all.

    Returns
    -------
    ndarray of shape (n_rows,), uint64, or None
        Of each row the key of its group, or that of its time, `NO_TIME` where it has none; None
        where each is drawn by itself.
    """
    if schema.group:
        return group_keys(load_column(dataset, schema.group, rows), row_keys, seed)
    return time_keys(load_times(dataset, schema, rows)) if schema.time else None


def group_keys(values: pa.ChunkedArray, row_keys: Keys, seed: int) -> Keys:
    """Return the key of each row's group.

    Parameters
    ----------
    values : ChunkedArray of shape (n_rows,)
        The column of the groups, as `regatta.dataset.load_column` returns it.
    row_keys : ndarray of shape (n_rows,), uint64
        Keys of the rows; a row without a value is a group of its own, and has its own key.
    seed : int
        Seed of the keys.

    Returns
    -------
    ndarray of shape (n_rows,), uint64
        From 0 up to 2**53, the same for a value in every table.
    """
    codes, found = _encoded(values)
    return np.concatenate([value_keys(found, seed), row_keys[codes >= len(found)]])[codes]


def group_codes(values: pa.ChunkedArray) -> Codes:
    """Return a number for each row, the same for rows of one group.

    Parameters
    ----------
    values : ChunkedArray of shape (n_rows,)
        The column of the groups; a row without a value is a group of its own.

    Examples
    --------
    >>> group_codes(pa.chunked_array([["a", None, "b", None, "a"]])).tolist()
    [0, 2, 1, 3, 0]
    """
    return _encoded(values)[0]


def _encoded(values: pa.ChunkedArray) -> tuple[Codes, pa.Array]:
    """Return the group of each row, and the values of the first groups; the others have none."""
    if pa.types.is_floating(values.type):
        # Zero has two signs, and a missing number may be none at all.
        values = pc.add(pc.if_else(pc.is_nan(values), None, values), 0.0)
    coded = pc.dictionary_encode(values).combine_chunks()
    codes = pc.fill_null(coded.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)
    alone = np.flatnonzero(codes < 0)
    codes[alone] = len(coded.dictionary) + np.arange(len(alone))
    return codes, coded.dictionary
