import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet as pq

from regatta.artifacts import write_json, writing
from regatta.splits import keys as keys_module
from regatta.splits.keys import columns_digest, row_keys
from regatta.splits.lock import Lock, draw


@pytest.fixture(scope="module")
def keys_of(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")

    def keys_of(table, seed=0, without=(), **reading):
        if isinstance(table, pd.DataFrame):
            table = pa.Table.from_pandas(table, preserve_index=False)
        about = {"format": "csv", "delimiter": ",", "na_values": {}, "formats": {}, **reading}
        with writing(folder / "dataset", "dataset") as path:
            pq.write_table(table, path / "table.parquet")
            write_json(path / "reading.json", about)
        path = folder / "dataset"
        return row_keys(path, seed, without=without), columns_digest(path, without=without)

    return keys_of


def frame(n_rows, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "number": rng.normal(size=n_rows),
            "whole": rng.integers(0, 9, n_rows),
            "text": rng.choice(["a", "b", None], n_rows),
            "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 99, n_rows), "D"),
            "flag": rng.choice([True, False], n_rows),
        }
    )


def test_a_row_keeps_its_key_wherever_it_stands(keys_of):
    table = frame(300)
    keys, columns = keys_of(table)
    order = np.random.default_rng(1).permutation(300)
    shuffled = table.iloc[order, [3, 1, 4, 0, 2]]
    again, columns_again = keys_of(shuffled)

    assert len(np.unique(keys)) == 300
    assert keys.max() < 2**53
    assert np.array_equal(again, keys[order])
    assert columns == columns_again
    assert not np.array_equal(keys_of(table, seed=1)[0], keys)


def test_a_row_keeps_its_key_when_the_table_grows(keys_of, monkeypatch):
    table = frame(300)
    # The first missing number makes a column of whole numbers one of decimals.
    more = pd.concat([table, pd.DataFrame({"number": [None, 1.0], "whole": [1, None]})])
    keys, columns = keys_of(table)
    grown, columns_grown = keys_of(more)
    monkeypatch.setattr(keys_module, "CELLS_AT_ONCE", 100)

    assert np.array_equal(grown[:300], keys)
    assert columns == columns_grown
    assert np.array_equal(keys_of(more)[0], grown)


def test_a_column_may_be_left_out(keys_of):
    table = frame(300)
    keys, columns = keys_of(table.drop(columns="number"))
    again, columns_again = keys_of(table, without=("number",))

    assert np.array_equal(keys, again)
    assert columns == columns_again


def test_other_columns_are_noticed(keys_of):
    table = frame(30)
    columns = keys_of(table)[1]

    assert keys_of(table.rename(columns={"flag": "flags"}))[1] != columns
    assert keys_of(table.astype({"number": str}))[1] != columns
    assert keys_of(table.drop(columns="day"))[1] != columns


def test_cells_that_are_read_otherwise_are_noticed(keys_of):
    table = frame(30)
    columns = keys_of(table, formats={"day": "%m/%d/%Y"})[1]

    assert keys_of(table, formats={"day": "%d/%m/%Y"})[1] != columns
    assert keys_of(table, formats={"day": "%m/%d/%Y"}, na_values={"text": ["?"]})[1] != columns
    assert keys_of(table, formats={"day": "%m/%d/%Y"}, delimiter=";")[1] != columns
    assert keys_of(table.assign(day=1.0), formats={"day": "%m/%d/%Y"})[1] != columns


def test_equal_rows_have_keys_of_their_own(keys_of):
    keys, _ = keys_of(pd.DataFrame({"a": ["x"] * 500 + ["y"] * 500}))

    assert len(np.unique(keys)) == 1_000
    assert 0.4 < (keys < np.median(keys))[:500].mean() < 0.6


def test_signs_of_zero_and_kinds_of_nan_are_one(keys_of):
    odd = np.array([0x7FF8000000000001], np.uint64).view(np.float64)[0]
    one, _ = keys_of(pa.table({"a": pa.array([0.0, float("nan")])}))
    other, _ = keys_of(pa.table({"a": pa.array([-0.0, odd])}))

    assert np.array_equal(one, other)


@settings(max_examples=60, deadline=None)
@given(
    counts=st.lists(st.integers(3, 60), min_size=2, max_size=4),
    more=st.integers(0, 200),
    share=st.floats(0.05, 0.5),
    seed=st.integers(0, 99),
)
def test_rows_that_both_locked_were_never_trained_on(counts, more, share, seed):
    rng = np.random.default_rng(seed)
    labels = [f"c{code}" for code in range(len(counts))]
    groups = np.repeat(np.arange(len(counts)), counts)
    grown = np.r_[groups, rng.integers(len(counts), size=more)]
    keys = rng.integers(2**53, size=len(grown), dtype=np.uint64)
    before = draw(groups, share, keys[: len(groups)])
    lock = Lock.of(before, keys[: len(groups)], groups, seed=0, columns="", labels=labels)
    lock = Lock.from_dict(lock.to_dict())

    covered = lock.covers(keys, grown, labels)
    assert np.array_equal(covered[: len(groups)], before)
    # The codes of classes may change; labels do not.
    assert np.array_equal(lock.covers(keys, len(counts) - 1 - grown, labels[::-1]), covered)


def test_a_class_that_was_not_there_is_not_covered():
    lock = Lock(0, "", {"a": 10})

    covered = lock.covers(np.array([5, 5], np.uint64), np.array([0, 1]), ["a", "b"])
    assert covered.tolist() == [True, False]
