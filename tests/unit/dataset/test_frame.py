"""A file to predict: which rows are read."""

import csv
import io
import tempfile
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regatta.dataset import Column, conform, read_frame
from regatta.errors import DataError

AGE = Column("age", "numeric", "int64", minimum=0.0, maximum=99.0)


def read(path, content, *columns, **options):
    path.write_text(content)
    frame = conform(read_frame(path, columns, **options), columns)
    # NaN is equal to nothing.
    return frame.astype(object).where(frame.notna(), None).to_dict("list")


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
