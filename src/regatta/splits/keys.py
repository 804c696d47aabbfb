"""A number for each row of a table that depends on what the row holds, not on where it stands.

So has each group of rows, and each time.
"""

import hashlib
import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from pyarrow import parquet as pq

from regatta.artifacts.base import open_artifact, read_json
from regatta.dataset.frame import TABLE

__all__ = ["NO_TIME", "columns_digest", "row_keys", "time_keys", "value_keys"]

Keys = npt.NDArray[np.uint64]

CELLS_AT_ONCE = 5_000_000
"""Values held at once: bounds the memory."""
UNUSED_BITS = 11
"""A key has the 53 bits that every JSON reader keeps."""
NO_TIME = np.uint64(2**64 - 1)
"""Key of a row that has no time."""
EXACT = 2**53
"""Largest whole number up to which a decimal tells all apart."""


def row_keys(dataset: str | Path, seed: int, *, without: Collection[str] = ()) -> Keys:
    """Return the key of each row of a dataset.

    Keys are as good as drawn at random, but a row has the same key in every table with the same
    columns: a table that has grown, or whose rows or columns are in another order, locks the rows
    that it locked before. Of equal rows the first, the second and so on have keys of their own, so
    that a value that many rows share is drawn no more often than others.

    Parameters
    ----------
    dataset : str or Path
        Folder of the dataset artifact.
    seed : int
        Another seed gives other keys.
    without : collection of str, default ()
        Columns that are no part of what a row holds.

    Returns
    -------
    ndarray of shape (n_rows,), uint64
        From 0 up to 2**53.

    Raises
    ------
    ArtifactError
        The artifact is missing or no dataset.
    """
    parts = [_hashed(batch, without) for batch in _batches(dataset)]
    content: Keys = np.concatenate(parts) if parts else np.empty(0, np.uint64)
    keys = pd.util.hash_array(_salted(content, seed) + _copy_numbers(content))
    return np.asarray(keys >> np.uint64(UNUSED_BITS), dtype=np.uint64)


def value_keys(values: pa.Array, seed: int) -> Keys:
    """Return the key of each value, as good as drawn at random, and the same in every table.

    Parameters
    ----------
    values : Array of shape (n,)
        Values of a column of a dataset, none missing.
    seed : int
        Another seed gives other keys.

    Returns
    -------
    ndarray of shape (n,), uint64
        From 0 up to 2**53.

    Examples
    --------
    >>> whole, decimal = (value_keys(pa.array([7, 8], kind), 0) for kind in ("int64", "float64"))
    >>> np.array_equal(whole, decimal)
    True
    """
    hashed = pd.util.hash_array(_plain(values))
    if pa.types.is_integer(values.type):
        # Numbers of so many digits that decimals cannot tell them apart are names of things, too.
        whole = values.to_numpy(zero_copy_only=False)
        hashed = np.where(np.abs(whole) > EXACT, pd.util.hash_array(whole), hashed)
    return np.asarray(_salted(hashed, seed) >> np.uint64(UNUSED_BITS), dtype=np.uint64)


def time_keys(times: npt.NDArray[np.float64]) -> Keys:
    """Return keys that fall as times go on, so that the latest rows have the lowest.

    Parameters
    ----------
    times : ndarray of shape (n,), float64
        Times; NaN where missing.

    Returns
    -------
    ndarray of shape (n,), uint64
        From 0 up to 2**53, or `NO_TIME`. Times that differ by less than one part in 10**12 have
        the same.

    Examples
    --------
    >>> np.argsort(time_keys(np.array([-2.5, 0.0, 3.0, 1e300]))).tolist()
    [3, 2, 1, 0]
    """
    sign = np.uint64(1 << 63)
    bits = (times + 0.0).view(np.uint64)
    # Floats of one sign are in the order of their bits, negative ones the other way round.
    ascending = np.where(bits & sign, ~bits, bits | sign)
    return np.where(np.isnan(times), NO_TIME, ~ascending >> np.uint64(UNUSED_BITS))


def _salted(hashed: Keys, seed: int) -> Keys:
    """Return other hashes for each seed."""
    salt = np.random.SeedSequence(seed).generate_state(1, np.uint64)[0]
    return np.asarray(pd.util.hash_array(hashed + salt), dtype=np.uint64)


def columns_digest(dataset: str | Path, *, without: Collection[str] = ()) -> str:
    """Return the SHA-256 of the columns: two tables with the same one have comparable keys.

    What the cells of a file were taken for is part of it: its first day above the twelfth makes
    all dates of a column other dates, and another text for a missing value another value.

    Parameters
    ----------
    dataset : str or Path
        Folder of the dataset artifact.
    without : collection of str, default ()
        Columns that the keys leave out.
    """
    artifact = open_artifact(dataset, "dataset", verify=False)
    schema = pq.read_schema(artifact.file(TABLE))
    reading = read_json(artifact.file("reading.json"))
    columns = sorted(
        [
            field.name,
            _kind(field.type),
            str(reading["formats"].get(field.name, "")),
            ",".join(sorted(reading["na_values"].get(field.name, ()))),
        ]
        for field in schema
        if field.name not in without
    )
    # Where the comma separates no fields it may be a decimal sign.
    has_commas = reading["format"] == "csv" and reading["delimiter"] != ","
    text = json.dumps([columns, has_commas])
    return hashlib.sha256(text.encode()).hexdigest()


def _batches(dataset: str | Path) -> Iterator[pa.RecordBatch]:
    """Yield the table piece by piece."""
    with pq.ParquetFile(open_artifact(dataset, "dataset", verify=False).file(TABLE)) as file:
        n_columns = max(1, len(file.schema_arrow))
        yield from file.iter_batches(max(1, CELLS_AT_ONCE // n_columns))


def _hashed(batch: pa.RecordBatch, without: Collection[str]) -> Keys:
    """Return a hash of each row's values, the columns in the order of their names."""
    names = sorted(set(batch.schema.names).difference(without))
    values = {number: _plain(batch.column(name)) for number, name in enumerate(names)}
    hashed = pd.util.hash_pandas_object(pd.DataFrame(values), index=False)
    return np.asarray(hashed, dtype=np.uint64)


def _kind(dtype: pa.DataType) -> str:
    """Return what people would call values of a type; whole numbers and others are one."""
    return "moment" if pa.types.is_temporal(dtype) else _storage(dtype)


def _storage(dtype: pa.DataType) -> str:
    """Return what values of a type are hashed as."""
    return "text" if pa.types.is_string(dtype) or pa.types.is_large_string(dtype) else "number"


def _plain(column: pa.Array) -> npt.NDArray[Any]:
    """Return texts as they are, all else as float64: whether any is missing changes no hash."""
    if _storage(column.type) == "text":
        return np.asarray(column.to_pandas(), dtype=object)
    if pa.types.is_temporal(column.type):
        column = column.cast(pa.int64())
    elif pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    numbers = column.cast(pa.float64(), safe=False)
    # Zero has two signs, and a missing value many patterns of bits.
    plain = numbers.to_numpy(zero_copy_only=False) + 0.0
    plain[np.isnan(plain)] = np.nan
    return np.asarray(plain, dtype=np.float64)


def _copy_numbers(content: Keys) -> Keys:
    """Return how many equal rows stand before each row."""
    order = np.argsort(content, kind="stable")
    ordered = content[order]
    is_first = np.r_[True, ordered[1:] != ordered[:-1]][: len(ordered)]
    starts = np.maximum.accumulate(np.where(is_first, np.arange(len(ordered)), 0))
    numbers = np.empty(len(content), dtype=np.uint64)
    numbers[order] = np.arange(len(ordered)) - starts
    return numbers
