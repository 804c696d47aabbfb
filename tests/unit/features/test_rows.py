"""Row-wise features: the same for a row alone and for a row among others."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regatta.dataset.schema import Column, Schema
from regatta.errors import ArtifactError
from regatta.features.rows import RowFeatures
from regatta.testing.contracts import toy_features, toy_schema
from regatta.testing.tables import binary_table


def planned(*columns, n_rows=100):
    return RowFeatures.plan(Schema("binary", "y", ("no", "yes"), columns, n_rows))


def test_a_table_of_every_kind():
    rows, frame, _, _ = toy_features("binary")
    assert list(frame.columns) == [feature.name for feature in rows.columns]
    kinds = {feature.name: feature.kind for feature in rows.columns}
    assert kinds["age"] == "numeric"
    assert kinds["city"] == "categorical"
    assert kinds["review"] == "text"
    assert kinds["review:words"] == "numeric"
    assert kinds["joined:weekhour"] == "numeric"
    numeric = [name for name, kind in kinds.items() if kind == "numeric"]
    assert (frame[numeric].dtypes == np.float32).all()


def test_a_row_alone_is_as_among_others():
    table = binary_table(150)
    rows = RowFeatures.plan(toy_schema(table, "binary"))
    every = rows.transform(table)
    for place in (0, 7, 149):
        alone = rows.transform(table.iloc[place : place + 1])
        for name in every:
            one, other = alone[name].iloc[0], every[name].iloc[place]
            if isinstance(one, np.ndarray):
                assert np.array_equal(one, other)
            else:
                assert one == other or (pd.isna(one) and pd.isna(other))


def test_the_plan_survives_json():
    rows, _, _, _ = toy_features("regression")
    again = RowFeatures.from_dict(rows.to_dict())
    assert again.columns == rows.columns
    assert again.max_words == rows.max_words


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"columns": [], "max_words": "many"},
        {"columns": [{"name": "a"}], "max_words": 3},
        {"columns": [{"name": "a", "kind": "numeric", "source": "a", "raw": "?"}], "max_words": 3},
        {"columns": 5, "max_words": 3},
    ],
)
def test_a_damaged_plan_is_refused(values):
    with pytest.raises(ArtifactError, match="row features"):
        RowFeatures.from_dict(values)


def test_columns_that_are_not_used_are_left_out():
    rows = planned(Column("a", "numeric", "float64"), Column("b", "numeric", "float64", used=False))
    assert rows.sources == ("a",)


def test_names_stay_unique():
    rows = planned(
        Column("t", "text", "string"),
        Column("t:words", "numeric", "float64"),
    )
    names = [feature.name for feature in rows.columns]
    assert len(set(names)) == len(names)
    frame = pd.DataFrame({"t": ["a b", None], "t:words": [5.0, 6.0]})
    assert rows.transform(frame)["t:words_"].tolist() == [5.0, 6.0]


def test_infinite_and_huge_numbers():
    rows = planned(Column("a", "numeric", "float64"))
    found = rows.transform(pd.DataFrame({"a": [np.inf, -np.inf, 1e300, np.nan]}))["a"]
    assert found.isna().tolist() == [True, True, False, True]
    assert np.isfinite(found[2])


def test_long_numbers_keep_their_differences():
    low, high = 1_700_000_000.0, 1_700_000_900.0
    rows = planned(Column("a", "numeric", "int64", minimum=low, maximum=high))
    found = rows.transform(pd.DataFrame({"a": [1_700_000_001, 1_700_000_002]}))["a"]
    assert found.tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    "values",
    [
        pd.Series([True, False, None], dtype=object),
        pd.Series([True, False, None], dtype="boolean"),
        pd.Series([1.0, 0.0, np.nan]),
    ],
)
def test_booleans_of_every_type(values):
    rows = planned(Column("a", "boolean", "bool"))
    found = rows.transform(pd.DataFrame({"a": values}))["a"].tolist()
    assert found[:2] == [1.0, 0.0]
    assert np.isnan(found[2])


def test_a_category_is_the_same_text_whatever_the_column_holds():
    rows = planned(Column("a", "categorical", "int64"))
    expected = ["1", "2", None]
    for values in (
        pd.Series([1.0, 2.0, np.nan]),
        pd.Series([1, 2, pd.NA], dtype="Int64"),
        pd.Series(["1 ", " 2", None], dtype=object),
        pd.Series(["1", "2", None], dtype="category"),
    ):
        assert rows.transform(pd.DataFrame({"a": values}))["a"].tolist() == expected
        many = pd.DataFrame({"a": pd.concat([values] * 50, ignore_index=True)})
        assert rows.transform(many)["a"].tolist() == expected * 50


@given(st.lists(st.one_of(st.none(), st.text(max_size=30)), min_size=1, max_size=5))
def test_any_text_has_terms_and_measures(texts):
    rows = planned(Column("a", "text", "string"))
    found = rows.transform(pd.DataFrame({"a": pd.Series(texts, dtype=object)}))
    for text, terms, length in zip(texts, found["a"], found["a:chars"], strict=True):
        assert (terms is None) == (text is None)
        assert text is None or length == len(text)
        assert text is None or (np.diff(terms) > 0).all()


def test_texts_that_come_again_are_categories_too():
    names = ["The Green Lantern", None, "The Old Mill at the River", "The Green Lantern"]
    for n_rows, unique, missing, kinds in (
        (100, 30, 10, ["text", "categorical"]),
        (100, 31, 10, ["text"]),
        (100, 0, 100, ["text"]),
    ):
        column = Column("a", "text", "string", missing=missing, unique=unique)
        rows = planned(column, Column("b", "numeric", "float64"), n_rows=n_rows)
        assert [item.kind for item in rows.columns if item.kind != "numeric"] == kinds
    rows = planned(Column("a", "text", "string", unique=2), Column("a:value", "numeric", "float64"))
    found = rows.transform(pd.DataFrame({"a": names, "a:value": 1.0}))
    assert found["a:value"].tolist() == names
    assert (found["a:value_"] == 1.0).all()
    assert RowFeatures.from_dict(rows.to_dict()).columns == rows.columns


def test_long_texts_are_cut_where_the_table_is_large():
    few = planned(Column("a", "text", "string"), n_rows=100)
    many = planned(Column("a", "text", "string"), n_rows=1_000_000)
    assert few.max_words > 100
    assert 1 < many.max_words < 20


def test_dates_have_distances():
    columns = (Column("a", "datetime", "timestamp"), Column("b", "datetime", "timestamp"))
    frame = pd.DataFrame(
        {
            "a": pd.to_datetime(["2024-03-03", None]),
            "b": pd.to_datetime(["2024-03-01 12:00", "2024-01-01 00:00"]),
        }
    )
    found = planned(*columns).transform(frame)["a:minus b"].tolist()
    assert found[0] == 1.5
    assert np.isnan(found[1])
