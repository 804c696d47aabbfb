"""From the file to the schema: kinds, tasks, findings, and what is refused."""

import uuid

import numpy as np
import pandas as pd
import pytest
from pyarrow import parquet as pq

from regatta.dataset import Schema, write_table
from regatta.dataset.validation import validate
from regatta.errors import DataError, RegattaError, SchemaError, SettingsError
from regatta.settings import DataSettings
from regatta.testing.tables import binary_table
from tests.unit.dataset.columns import N, codes, x, y


def words(n, k, seed=0):
    rng = np.random.default_rng(seed)
    vocabulary = [f"word{chr(97 + i % 26)}{chr(97 + i // 26)}" for i in range(90)]
    return [" ".join(rng.choice(vocabulary, k)) for _ in range(n)]


def test_kinds_of_a_mixed_table(tmp_path):
    path = tmp_path / "table.csv"
    binary_table(300).to_csv(path)
    settings = DataSettings(target="outcome")
    reading = write_table(path, settings, tmp_path / "table.parquet")
    found = validate(tmp_path / "table.parquet", reading, settings)
    schema = found.schema

    assert {column.name: column.kind for column in schema.features} == {
        "age": "numeric",
        "income": "numeric",
        "clicks": "numeric",
        "member": "boolean",
        "city": "categorical",
        "plan": "categorical",
        "review": "text",
        "joined": "datetime",
    }
    assert {c.name: c.reason for c in schema.columns if not c.used} == {
        "column_1": "id",
        "key": "id",
        "outcome": "target",
    }
    assert (schema.task, schema.classes, schema.n_rows) == ("binary", ("no", "yes"), 300)
    assert set(schema.column("city").categories) == {"Basel", "Bern", "Genève", "Lugano", "Zürich"}
    assert schema.column("joined").example.startswith("202")
    assert schema.column("income").missing > 0
    assert set(found.profile) == {column.name for column in schema.columns}
    assert sum(found.profile["age"]["histogram"]["counts"]) == 300
    assert Schema.from_dict(schema.to_dict()) == schema


@pytest.mark.parametrize("n", [1, 2, 19])
def test_too_few_rows(refused, n):
    message = refused({"x": x(n), "y": (y(20))[:n]}, DataError)

    assert f"the table has {n} row" in message
    assert "at least 20" in message


def test_columns_that_are_left_out(check):
    rng = np.random.default_rng(1)
    found = check(
        {
            "x": x(),
            "constant": ["same"] * N,
            "one number": [3] * N,
            "empty": ["NA"] * N,
            "row": rng.permutation(N),
            "from one": range(1, N + 1),
            "key": [str(uuid.UUID(int=i * 10**30)) for i in range(N)],
            "mail": [f"p{i}@example.org" for i in range(N)],
            "customerId": rng.choice(10**6, N, replace=False),
            "unwanted": x(),
            "y": y(),
        },
        ignore=("unwanted",),
    )

    assert {c.name: c.reason for c in found.schema.columns if not c.used} == {
        "constant": "constant",
        "one number": "constant",
        "empty": "empty",
        "row": "id",
        "from one": "id",
        "key": "id",
        "mail": "id",
        "customerId": "id",
        "unwanted": "ignored",
        "y": "target",
    }
    assert [c.name for c in found.schema.features] == ["x"]


def test_columns_that_stay(check):
    rng = np.random.default_rng(1)
    found = check(
        {
            "real": rng.normal(size=N),
            "amount": rng.choice(10**6, N, replace=False),
            "paid": rng.choice(10**6, N, replace=False),
            "day": pd.date_range("2024-01-01", periods=N).strftime("%Y-%m-%d"),
            "free text": words(N, 6),
            "few ints": rng.integers(0, 3, N),
            "one value or none": ["x", ""] * (N // 2),
            "mostly key": [f"k{i // 2}" for i in range(N)],
            "y": y(),
        }
    )

    assert all(column.used for column in found.schema.columns if column.name != "y")
    kinds = {column.name: column.kind for column in found.schema.features}
    assert kinds["free text"] == "text"
    assert kinds["few ints"] == "numeric"
    assert kinds["mostly key"] == "categorical"


def test_few_rows_do_not_make_a_key(check):
    schema = check({"name": [f"n{i}" for i in range(19)] + ["n0"], "y": y(20)}).schema

    assert schema.column("name").used


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (words(N, 8), "text"),
        (words(N, 2), "text"),
        (["Lower class large families", "Mixed small town dwellers"] * 100, "categorical"),
        (words(20, 5) * 10, "categorical"),
        (["天気がとても良いです" + chr(0x4E00 + i) for i in range(N)], "text"),
        ([f"A{i % 90}" for i in range(N)], "categorical"),
    ],
)
def test_text_or_category(check, values, kind):
    assert check({"v": values, "y": y()}).schema.column("v").kind == kind


def test_no_feature_is_left(refused):
    message = refused({"a": [1] * N, "b": ["NA"] * N, "id": range(N), "y": y()}, SchemaError)

    assert "no column is left" in message
    assert "constant: a; empty: b; id: id" in message
    assert "no column is left" in refused({"y": y()}, SchemaError)


def test_infinite_values(refused, check):
    values = [*x()[:-1], "-Infinity"]
    message = refused({"x": values, "z": x(), "y": y()}, SchemaError)
    assert "column 'x' is infinite in row 200" in message

    assert check({"x": values, "z": x(), "y": y()}, ignore=("x",)).schema.features
    as_missing = check({"x": values, "y": y()}, na_values=("-Infinity",)).schema
    assert as_missing.column("x").missing == 1


def test_texts_among_numbers(refused, check):
    values = [str(v) for v in x()]
    values[11] = "unknown"
    values[99] = "n/k"
    columns = {"x": values, "y": y()}
    message = refused(columns, SchemaError)
    assert "column 'x' holds 'unknown' in row 12 and 1 more among numbers" in message
    assert "data.na_values" in message
    assert '--set \'data.kinds={"x": "categorical"}\'' in message

    assert check(columns, na_values=("unknown", "n/k")).schema.column("x").kind == "numeric"
    assert check(columns, kinds={"x": "categorical"}).schema.column("x").kind == "categorical"
    assert not check({**columns, "z": x()}, ignore=("x",)).schema.column("x").used
    assert "'unknown' in row 12" in refused(columns, SchemaError, kinds={"x": "numeric"})


def test_texts_among_dates(refused):
    values = [f"{1 + i % 28}.{1 + i % 12}.2024" for i in range(N)]
    values[4] = "later"

    assert "'later' in row 5 among dates" in refused({"d": values, "y": y()}, SchemaError)


def test_half_texts_half_numbers_are_categories(check):
    found = check({"x": [i % 40 if i % 2 else f"c{i % 40}" for i in range(N)], "y": y()})

    assert found.schema.column("x").kind == "categorical"


def test_a_common_text_among_few_numbers_is_a_category(check):
    values = [0, 1, 2, 0, 1, 2, 0, 1, 2, 0] * 20
    for row in (3, 50, 101, 150):
        values[row] = "3+"
    found = check({"dependents": values, "y": y()})

    assert found.schema.column("dependents").kind == "categorical"
    assert ("dependents", "mixed") in codes(found)


@pytest.mark.parametrize("name", ["year", "Week", "date_hour", "t"])
def test_what_may_count_time_is_learnt_from(check, name):
    found = check({"x": x(), name: range(1800, 1800 + N), "y": y()})
    assert found.schema.column(name).used


def test_a_counter_is_learnt_from_where_there_is_nothing_else(check, refused):
    counter = list(range(N))
    assert not check({"x": x(), "nr": counter, "y": y()}).schema.column("nr").used
    found = check({"nr": counter, "y": y()})
    assert found.schema.column("nr").used
    assert found.profile["nr"]["used"]
    assert codes(found) == {("nr", "counter"), ("y", "task")}
    assert "no column is left" in refused({"customer_id": counter, "y": y()}, SchemaError)


def test_kinds_may_be_given(check, refused):
    columns = {
        "zip": [8000 + i % 5 for i in range(N)],
        "day": [20240101 + i % 28 for i in range(N)],
        "flag": ["y", "n"] * (N // 2),
        "id": range(N),
        "y": y(),
    }
    kinds = {"zip": "categorical", "day": "datetime", "flag": "boolean", "id": "numeric"}
    schema = check(columns, kinds=kinds).schema

    assert {column.name: column.kind for column in schema.features} == kinds
    assert set(schema.column("zip").categories) == {"8000", "8001", "8002", "8003", "8004"}
    assert set(schema.column("flag").categories) == {"false", "true"}
    assert schema.column("day").minimum == 1704067200
    assert not check(columns, kinds={"zip": "ignore"}).schema.column("zip").used
    wrong = {**kinds, "flag": "datetime"}
    assert "'y' in row 1; expected a date" in refused(columns, SchemaError, kinds=wrong)
    with pytest.raises(SettingsError, match="did you mean 'zip'"):
        check(columns, kinds={"zipp": "text"})


def test_columns_that_give_the_target_away(check):
    rng = np.random.default_rng(0)
    target = rng.choice(["no", "yes"], N)
    found = check(
        {
            "x": x(),
            "code": np.where(target == "yes", "Y", "N"),
            "score": np.where(target == "yes", 1, -1) * rng.uniform(1, 2, N),
            "honest": np.where(rng.random(N) < 0.95, target, "no"),
            "y": target,
        }
    )

    assert {c for c, code in codes(found) if code == "leak"} == {"code", "score"}
    assert found.schema.column("code").used


def test_columns_that_give_a_number_away(check):
    value = np.arange(N) ** 1.5
    found = check({"x": x(), "twice": value * 2 + 1, "near": value + 100 * x(), "y": value})

    assert {c for c, code in codes(found) if code == "leak"} == {"twice"}


def test_columns_that_are_mostly_missing_are_noticed(check):
    found = check({"x": x(), "gaps": [1.5, 2.5, *[""] * (N - 2)], "y": y()})

    assert ("gaps", "missing") in codes(found)
    assert found.profile["gaps"]["missing_share"] == 0.99


def test_extreme_numbers_do_not_break_the_profile(check):
    found = check({"x": [1e308, -1e308, *x()[2:]], "tiny": [5e-324, *x()[1:]], "y": y()})

    assert found.profile["x"]["histogram"] is None


def test_categories_are_capped(check):
    schema = check({"c": [f"c{i % 1500}" for i in range(3000)], "y": y(3000)}).schema

    assert len(schema.column("c").categories) == 1000
    assert schema.column("c").unique == 1500


def test_what_the_parquet_file_holds_is_what_the_schema_says(check, tmp_path):
    found = check(binary_table(60).to_dict("list"), target="outcome")
    types = {
        "int64": "int64",
        "double": "float64",
        "bool": "bool",
        "string": "string",
        "timestamp[us]": "timestamp",
    }

    schema = pq.read_schema(tmp_path / "table.parquet")
    assert {c.name: c.dtype for c in found.schema.columns} == {
        field.name: types[str(field.type)] for field in schema
    }


def test_every_error_is_the_users(refused):
    assert "did you mean" in refused({"x": x(), "y": y()}, RegattaError, ignore=("xx",))
