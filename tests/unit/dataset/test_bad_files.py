"""Files that are no table, each with one clear message."""

import gzip
import os
import zipfile

import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet as pq

from regatta.dataset import read_table
from regatta.errors import DataError, SchemaError
from regatta.settings import DataSettings

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89"


def refused(path, content=None, error=DataError, **settings):
    """Read a file that cannot be, and return the message."""
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(error) as caught:
        read_table(path, DataSettings(**settings))
    assert caught.value.exit_code == 2
    assert caught.value.fix
    return str(caught.value)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "table.csv"


def test_a_missing_file_with_the_nearest_name(tmp_path, path):
    path.touch()

    assert "did you mean 'table.csv'" in refused(tmp_path / "tabel.csv")
    assert "there is no file" in refused(tmp_path / "no" / "such.csv")


def test_a_folder(tmp_path):
    assert "is a folder" in refused(tmp_path)


def test_an_address(tmp_path):
    assert "is an address" in refused("https://example.org/table.csv")
    assert "is an address" in refused("s3://bucket/table.csv")


def test_what_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")

    assert "no regular file" in refused(tmp_path / "pipe")
    assert "there is no file" in refused("a\0b")
    assert "is no path" in refused("x" * 5000)


@pytest.mark.parametrize(
    "content", [b"", b"\n\n  \n", b"\xef\xbb\xbf", gzip.compress(b"", mtime=0)]
)
def test_an_empty_file(path, content):
    assert "is empty" in refused(path, content)


@pytest.mark.parametrize("content", ["a,b\n", "a,b", "a;b\r\n\r\n"])
def test_a_header_only(path, content):
    assert "has 2 columns and no rows" in refused(path, content)


def test_two_columns_of_one_name(path):
    message = refused(path, "a,b,a\n1,2,3\n", SchemaError)
    assert "columns 1 and 3 are both named 'a'" in message
    assert "both named 'a'" in refused(path, "a, a \n1,2\n", SchemaError)


def test_a_file_without_a_header(path):
    rows = "5.1,3.5,1.4,5.1,setosa\n4.9,3.0,1.4,0.2,setosa\n"
    assert "the first line must hold the names" in refused(path, rows, SchemaError)
    message = refused(path, rows.replace("1.4,5.1", "1.4,0.2"), target="species")
    assert "--target; the first line must hold the names" in message
    assert "first line" not in refused(path, "a,b,2024\n1,2,3\n", target="c")


@pytest.mark.parametrize("rows", [1, 500])
def test_row_names_without_a_header(path, rows):
    content = '"a","b"\n' + '"r1",1,"x"\n' * rows
    message = refused(path, content)
    assert "has 3 fields, and the header 2 names" in message
    assert "row.names=FALSE" in message
    assert "write.table(…, col.names=NA)" in message


@pytest.mark.parametrize("content", ["a,b\n1,x,\n2,y,\n", "a,b\n1,2,x\n1,x\n", "a,b\n1,2\n3,4,5\n"])
def test_other_rows_of_one_more_field(path, content):
    assert "3 fields; expected 2, as in the header" in refused(path, content)


@pytest.mark.parametrize(
    ("first", "delimiter"), [("sep=;", "';'"), ('"SEP=,"', ","), ("sep=\t", "tab")]
)
def test_the_line_that_tells_excel_the_delimiter(path, first, delimiter):
    message = refused(path, f"\ufeff{first}\r\na;b\r\n1;2\r\n")
    assert "only tells Excel what separates" in message
    assert f"delete that line, and add --set data.delimiter={delimiter}" in message


def test_arff(path):
    content = "% 1. Title: Iris\n%\n\n@RELATION iris\n@ATTRIBUTE a REAL\n@DATA\n5.1\n"
    assert "an ARFF file" in refused(path, content)
    path.write_text("%fat,b\n1,2\n")
    assert read_table(path, DataSettings()).column_names == ["%fat", "b"]


@pytest.mark.parametrize("options", [{}, {"indent": 2}, {"orient": "records"}])
@pytest.mark.parametrize("rows", [2, 50_000])
def test_json_of_pandas_that_is_no_lines(tmp_path, options, rows):
    path = tmp_path / "table.json"
    pd.DataFrame({'a "b"': [1] * rows, "c": ["x"] * rows}).to_json(path, **options)

    assert 'to_json(path, orient="records", lines=True)' in refused(path)


@pytest.mark.parametrize(
    ("content", "line", "found"),
    [
        ("a,b\n1,2\n3\n", 3, "1 field;"),
        ("a,b\n1,2\n\n3,4,5\n", 4, "3 fields"),
        ('a,b\n"x\ny\nz",2\n3,4,5\n', 5, "3 fields"),
        ("a,b\r1,2\r3,4,5\r", 3, "3 fields"),
    ],
)
def test_ragged_rows_name_the_line(path, content, line, found):
    message = refused(path, content)

    assert f"line {line} of" in message
    assert found in message
    assert "expected 2, as in the header" in message


def test_a_ragged_row_far_down(path):
    assert "line 200002 of" in refused(path, "a,b\n" + "1,2\n" * 200_000 + "1\n")


def test_a_quote_that_is_never_closed(path):
    message = refused(path, 'a,b\n1,"x"\n2,"open\n3,y\n4,z\n')

    assert "the quote opened in line 3" in message
    assert "never closed" in message


def test_a_quote_that_swallows_a_large_file_is_found_in_bounded_memory(path):
    rows = "1,2\n" * 1_000_000
    before = pa.total_allocated_bytes()
    message = refused(path, 'a,b\n1,"x\n' + rows, max_field_bytes=1 << 16)

    assert "the quote opened in line 2" in message
    assert pa.total_allocated_bytes() - before < 16 << 20


def test_a_field_that_is_too_long(path):
    content = "a,b\n1,2\n3," + "x" * 5_000 + "\n"
    assert "row 2" in refused(path, content, max_field_bytes=1_024)
    assert "longer than 1,024 bytes" in refused(path, content, max_field_bytes=1_024)

    assert read_table(path, DataSettings(max_field_bytes=10_000)).num_rows == 2


def test_a_file_of_one_endless_line(path):
    assert "longer than" in refused(path, "x" * 3_000_000, max_field_bytes=1_024)
    assert "longer than" in refused(path, "a,b\n1," + "x" * 3_000_000, max_field_bytes=1_024)


def test_a_closed_field_that_is_larger_than_a_block(path):
    content = 'a,b\n1,"' + "x\n" * 1_500_000 + '"\n'

    assert "longer than 1,024 bytes" in refused(path, content, max_field_bytes=1_024)


def test_nul_bytes_name_the_line(path):
    assert "line 3 holds a NUL byte" in refused(path, b"a,b\n1,2\n3,\0\n")
    assert "line 200002" in refused(path, b"a,b\n" + b"1,2\n" * 200_000 + b"1,\0\n")


def test_files_of_other_kinds_are_called_by_name(path, tmp_path):
    assert "a PNG picture" in refused(path, PNG)
    assert "a PDF document" in refused(path, b"%PDF-1.7 ...")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("table.csv", "a,b\n1,2\n")
    assert "a ZIP archive or an Excel workbook" in refused(path)
    assert "NUL byte" in refused(path, bytes(range(256)) * 4)
    assert "Parquet file inside gzip" in refused(path, gzip.compress(b"PAR1 and so on"))


def test_damaged_files(path, tmp_path):
    whole = gzip.compress(b"a,b\n" + b"".join(b"%d,2\n" % i for i in range(300_000)))
    assert "damaged gzip" in refused(path, whole[: len(whole) // 2])
    assert "damaged gzip" in refused(path, whole[:12])
    pq.write_table(pa.table({"a": list(range(1000))}), path)
    content = path.read_bytes()
    assert "damaged Parquet" in refused(path, content[: len(content) // 2])
    assert "damaged Parquet" in refused(path, b"PAR1" + b"\0" * 100)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(path):
    path.write_text("a,b\n1,2\n")
    path.chmod(0)

    assert "cannot be read" in refused(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"a": 1}\n{"a": \n', "line 2 .* is not JSON"),
        ('{"a": 1}\n\n[1, 2]\n', "line 3 .* is an array"),
        ('{"a": 1}\n3\n', "line 2 .* is a text or number"),
        ('{"a": 1}\n{"a": {"b": 2}}\n', "line 2 has an object in column 'a'"),
        ('{"a": 1}\n{"a": [2]}\n', "line 2 has an array in column 'a'"),
        ('{"a": "\\ud800"}\n', "half a character"),
        ('{"a": 1, " a": 2}\n', "both named 'a'"),
        ('{"a": ' + "[" * 100_000 + "\n", "line 1 .* is not JSON"),
        ('[{"a": 1}]\n', "JSON array.*jq"),
        ("{}\n{}\n", "no columns"),
    ],
)
def test_json_lines(tmp_path, content, message):
    path = tmp_path / "table.jsonl"
    path.write_text(content)
    with pytest.raises(DataError, match=message):
        read_table(path, DataSettings())


def test_nested_values_of_an_ignored_column_are_left_out(tmp_path):
    path = tmp_path / "table.jsonl"
    path.write_text('{"a": 1, "b": [1]}\n{"a": 2, "b": null}\n')

    assert read_table(path, DataSettings(ignore=("b",))).to_pydict() == {
        "a": [1, 2],
        "b": [None, None],
    }


def test_a_key_a_line_is_no_table(tmp_path, monkeypatch):
    monkeypatch.setattr("regatta.dataset.json_lines.MAX_COLUMNS", 100)
    path = tmp_path / "table.jsonl"
    path.write_text("".join(f'{{"k{i}": 1}}\n' for i in range(200)))

    assert "more than 100 keys" in refused(path)


def test_a_table_without_columns(tmp_path):
    path = tmp_path / "table.parquet"
    pq.write_table(pa.table({}), path)

    assert "no columns" in refused(path)
