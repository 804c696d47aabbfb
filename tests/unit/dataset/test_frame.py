"""A file to predict: which columns and rows are read, and what a comma means."""

import csv
import io
import json
import tempfile
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet as pq

from regatta.dataset import Column, conform, read_frame
from regatta.dataset.separators import Separators
from regatta.errors import DataError, RequestError, SchemaError

AGE = Column("age", "numeric", "int64", minimum=0.0, maximum=99.0)
INCOME = Column("income", "numeric", "float64", minimum=944.0, maximum=45_210.5)
DENSITY = Column("density", "numeric", "float64", minimum=0.9, maximum=1.1)
CITY = Column("city", "categorical", "string", missing=3)
TRUTH = Column("left", "categorical", "string")


def read(path, content, *columns, **options):
    if isinstance(content, pa.Table):
        pq.write_table(content, path)
    else:
        path.write_text(content)
    frame = conform(read_frame(path, columns, **options), columns)
    # NaN is equal to nothing.
    return frame.astype(object).where(frame.notna(), None).to_dict("list")


@pytest.fixture(params=["csv", "jsonl", "parquet"])
def written(request, tmp_path):
    """Write records in each format."""

    def write(*records):
        path = tmp_path / f"rows.{request.param}"
        table = pa.Table.from_pylist(list(records))
        if request.param == "csv":
            table.to_pandas().to_csv(path, index=False)
        elif request.param == "parquet":
            pq.write_table(table, path)
        else:
            path.write_text("".join(json.dumps(record) + "\n" for record in records))
        return path

    return write


def test_a_column_that_had_missing_values_may_be_left_out(written, caplog):
    frame = read_frame(written({"age": 1}, {"age": 2}), [AGE, CITY])

    assert conform(frame, [AGE, CITY])["city"].tolist() == [None, None]
    assert "no column 'city': all values count as missing" in caplog.text
    assert read_frame(written({"age": 1, "city": "Bern"}), [AGE, CITY])["city"].tolist() == ["Bern"]


def test_a_column_that_always_had_a_value_may_not(written):
    with pytest.raises(RequestError, match=r"no column 'age' \(did you mean 'agee'"):
        read_frame(written({"agee": 1, "city": "Bern"}), [AGE, CITY])


def test_rows_of_columns_that_may_all_be_left_out(written):
    path = written({"city": "Bern", "more": 1}, {"city": None, "more": 2})
    other = Column("other", "numeric", "float64", missing=1)

    assert conform(read_frame(path, [other, CITY]), [CITY])["city"].tolist() == ["Bern", None]
    with pytest.raises(RequestError, match=r"no column that the model reads; found 'city', 'more'"):
        read_frame(path, [other])


def test_what_judges_the_predictions_is_returned_if_it_is_there(written):
    path = written({"age": 1})

    assert list(read_frame(path, [AGE, CITY], optional=[TRUTH])) == ["age", "city"]
    path = written({"left": "yes", "age": 1})
    assert list(read_frame(path, [AGE], optional=[TRUTH])) == ["age", "left"]


def test_a_line_of_json_is_checked_as_a_row_of_a_request(tmp_path):
    path = tmp_path / "rows.jsonl"
    content = '{"age": 1}\n\n{" age": null, "city": "Bern"}\n'
    with pytest.raises(SchemaError, match="both named 'age'"):
        read(path, content, AGE, CITY)
    content = content.replace('" age"', '"age"')
    assert read(path, content, AGE, CITY) == {"age": [1.0, None], "city": [None, "Bern"]}
    with pytest.raises(RequestError, match=r"line 4 of .* no column 'age'.*leave it null"):
        read(path, content + '{"city": "Bern"}\n', AGE, CITY)


def test_a_column_that_may_be_left_out_may_come_late(tmp_path, monkeypatch):
    monkeypatch.setattr("regatta.dataset.json_lines.BATCH_ROWS", 2)
    monkeypatch.setattr("regatta.dataset.reading.CHUNK_ROWS", 2)
    size = Column("size", "numeric", "float64", missing=1)
    content = '{"age": 1}\n' * 4 + '{"age": 2, "size": 1.5, "city": "Bern"}\n'

    assert read(tmp_path / "rows.jsonl", content, AGE, size, CITY) == {
        "age": [1.0, 1.0, 1.0, 1.0, 2.0],
        "size": [None, None, None, None, 1.5],
        "city": [None, None, None, None, "Bern"],
    }


def test_columns_that_the_model_does_not_read_may_hold_anything(tmp_path):
    content = '{"tags": ["x"], "age": 1, "a": 1, " a": 2}\n{"age": 2, "tags": {"y": 1}}\n'
    assert read(tmp_path / "rows.jsonl", content, AGE) == {"age": [1.0, 2.0]}
    content = "note,age,note\nx,1,y\n"
    assert read(tmp_path / "rows.csv", content, AGE) == {"age": [1.0]}
    table = pa.table([[[1]], [1], [2]], names=["note", "age", " note"])
    assert read(tmp_path / "rows.parquet", table, AGE) == {"age": [1.0]}


@pytest.mark.parametrize("content", ["age,age\n1,2\n", "age, age ,x\n1,2,3\n"])
def test_columns_that_the_model_reads_may_not_be_there_twice(tmp_path, content):
    with pytest.raises(SchemaError, match="columns 1 and 2 are both named 'age'"):
        read(tmp_path / "rows.csv", content, AGE)


@pytest.mark.parametrize("separator", ["\t", ";", "|"])
def test_a_comma_that_may_separate_thousands_is_refused(tmp_path, separator):
    path = tmp_path / "rows.csv"
    for column, text in ((AGE, "1,234"), (INCOME, "1,362"), (INCOME, " -45,210 ")):
        content = f"{column.name}{separator}b\n944{separator}x\n{text}{separator}y\n"
        with pytest.raises(RequestError, match=f"holds '{text.strip()}', which may be -?[0-9]+ or"):
            read(path, content, column)
    with pytest.raises(RequestError, match="'1,362,000' in row 1"):
        read(path, f"income{separator}b\n1,362,000{separator}x\n", INCOME)


def test_a_comma_is_a_decimal_one_where_the_file_or_training_tells(tmp_path):
    path = tmp_path / "rows.csv"
    assert read(path, "income;b\n1362,5;x\n1,362;y\n", INCOME) == {"income": [1362.5, 1.362]}
    assert read(path, "density\tb\n1,002\tx\n", DENSITY) == {"density": [1.002]}


def test_a_missing_value_with_a_point_does_not_tell(tmp_path):
    column = replace(INCOME, na_values=("-99.9",))
    content = "income;b\n1362,5;x\n-99.9;y\n"
    assert read(tmp_path / "rows.csv", content, column) == {"income": [1362.5, None]}


def test_the_longest_number_tells_if_the_first_does_not(tmp_path):
    column = replace(INCOME, minimum=1.0, maximum=9_000.0)
    content = "income;b\n1,362;x\n200,362;y\n"
    assert read(tmp_path / "rows.csv", content, column) == {"income": [1.362, 200.362]}


def test_points_and_commas_in_one_column_are_refused_as_in_training(tmp_path):
    with pytest.raises(RequestError, match="'1,362' in row 1"):
        read(tmp_path / "rows.csv", "income;b\n1,362;x\n2.5;y\n", INCOME)


@given(st.lists(st.integers(-(10**12), 10**12), min_size=1), st.sampled_from(",."))
def test_thousands_are_taken_for_what_they_may_be(numbers, sign):
    texts = [f"{number:,}".replace(",", sign) for number in numbers]
    found = Separators()
    found.take(pa.chunked_array([texts, [None]]))

    assert found.thousands == next((text for text in texts if sign in text), "")


@given(st.lists(st.integers(-(10**9), 10**9), min_size=1), st.sampled_from([1, 2, 4]))
def test_other_numbers_of_decimals_tell(numbers, decimals):
    found = Separators()
    for number in numbers:
        found.take(pa.chunked_array([[f"{number / 10**decimals:.{decimals}f}".replace(".", ",")]]))

    assert found.thousands == ""


@settings(deadline=None)
@given(
    values=st.lists(st.none() | st.integers(0, 99), min_size=1, max_size=30),
    newline=st.sampled_from(["\n", "\r\n", "\r"]),
    above=st.integers(0, 3),
    ends=st.booleans(),
    quoted=st.booleans(),
)
def test_a_blank_line_of_one_column_is_a_missing_value(values, newline, above, ends, quoted):
    empty = '""' if quoted else ""
    lines = ["age", *(empty if value is None else str(value) for value in values)]
    # A last line that is blank is one only if it has an end.
    ends = ends or (values[-1] is None and not quoted)
    content = newline * above + newline.join(lines) + newline * ends
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "rows.csv")
        path.write_bytes(content.encode())
        frame = conform(read_frame(path, [AGE]), [AGE])

    assert [None if value != value else value for value in frame["age"]] == values


def test_blank_lines_of_more_columns_are_none(tmp_path):
    assert read(tmp_path / "rows.csv", "age,b\n\n1,x\n\n", AGE) == {"age": [1.0]}


def test_what_csv_and_pandas_write_of_one_column_keeps_its_rows(tmp_path):
    stream = io.StringIO()
    csv.writer(stream).writerows([["age"], [1], [None], [3], [None]])
    expected = {"age": [1.0, None, 3.0, None]}

    assert read(tmp_path / "rows.csv", stream.getvalue(), AGE) == expected
    pd.DataFrame(expected).to_csv(tmp_path / "pandas.csv", index=False)
    assert len(read_frame(tmp_path / "pandas.csv", [AGE])) == 4


def test_a_header_without_rows(tmp_path):
    with pytest.raises(DataError, match="no rows"):
        read(tmp_path / "rows.csv", "age\n", AGE)
