import csv
import datetime
import gzip
import random
import re
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet as pq

from regatta.dataset import read_table, reading, source, streams, write_table
from regatta.errors import DataError, SettingsError, TargetError
from regatta.settings import DataSettings
from regatta.testing.tables import binary_table


def read(path, content, **settings):
    data = content if isinstance(content, bytes) else content.encode()
    path.write_bytes(data)
    return read_table(path, DataSettings(**settings))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "table.csv"


def types(table):
    return {field.name: str(field.type) for field in table.schema}


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found_out(path, delimiter):
    rows = [["name", "n"], ["a,b;c", "1"], ["x\ty|z", "2"]]
    with path.open("w", newline="") as stream:
        csv.writer(stream, delimiter=delimiter).writerows(rows)

    assert read_table(path, DataSettings()).to_pylist() == [
        {"name": "a,b;c", "n": 1},
        {"name": "x\ty|z", "n": 2},
    ]


def test_a_delimiter_may_be_given(path):
    assert read(path, "a~b\n1~2\n", delimiter="~").to_pylist() == [{"a": 1, "b": 2}]
    assert read(path, "a,x\tb\n1\t2\n", delimiter="tab").column_names == ["a,x", "b"]
    with pytest.raises(SettingsError, match="delimiter"):
        read(path, "a,b\n1,2\n", delimiter="::")


def test_quotes_and_quoted_newlines(path):
    table = read(path, 'a,b\r\n"x ""y""\r\nz",1\r\n"",2\r\n5" pipe,3\r\n')

    assert table.to_pydict() == {"a": ['x "y"\r\nz', None, '5" pipe'], "b": [1, 2, 3]}


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_line_ends(path, newline):
    assert read(path, f"a,b{newline}1,2{newline}{newline}3,4").to_pydict() == {
        "a": [1, 3],
        "b": [2, 4],
    }


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_byte_order_marks_tell_the_encoding(path, encoding):
    table = read(path, "name,n\nZürich,1\n東京,2\n".encode(encoding))

    assert table.to_pydict() == {"name": ["Zürich", "東京"], "n": [1, 2]}


def test_utf16_without_a_mark_is_named_and_can_be_read(path):
    content = "name,n\nZürich,1\n".encode("utf-16-le")
    with pytest.raises(DataError, match=r"data.encoding=utf-16-le"):
        read(path, content)

    assert read(path, content, encoding="utf-16-le").to_pydict() == {"name": ["Zürich"], "n": [1]}


def test_latin_1_is_named_with_line_and_byte_and_can_be_read(path):
    content = "name,n\nBern,1\nZürich,2\n".encode("latin-1")
    with pytest.raises(DataError, match=r"line 3 .* byte 0xFC.*data.encoding=latin-1"):
        read(path, content)

    assert read(path, content, encoding="latin-1")["name"].to_pylist() == ["Bern", "Zürich"]


def test_wrong_bytes_in_the_header_and_far_down_are_found(path):
    with pytest.raises(DataError, match=r"line 1 .*0x80.*cp1252"):
        read(path, b"pr\x80is,n\n1,2\n")
    with pytest.raises(DataError, match=r"line 300002 .*0xE9"):
        read(path, b"a,b\n" + b"1,x\n" * 300_000 + b"1,\xe9\n")


def test_an_unknown_encoding_is_a_wrong_setting(path):
    with pytest.raises(SettingsError, match="latin-1"):
        read(path, "a,b\n1,2\n", encoding="latin-one")
    with pytest.raises(SettingsError, match="encoding"):
        read(path, "a,b\n1,2\n", encoding="zip")


def test_gzip(tmp_path):
    packed = tmp_path / "table.csv.gz"
    packed.write_bytes(gzip.compress(b"a,b\n1,x\n2,y\n"))

    assert read_table(packed, DataSettings()).to_pydict() == {"a": [1, 2], "b": ["x", "y"]}


def test_types_are_those_of_the_whole_column(path):
    table = read(
        path,
        "i,f,b,d,s,empty,big\n1,1,true,2024-01-02,a,,1\n 2 ,2.5,FALSE,2024-02-03,,,9e400\n"
        "NA,1e3,?,,7,NA,18446744073709551615\n",
        na_values=("NA", "?"),
    )

    assert types(table) == {
        "i": "int64",
        "f": "double",
        "b": "bool",
        "d": "timestamp[us]",
        "s": "string",
        "empty": "string",
        "big": "double",
    }
    assert table["i"].to_pylist() == [1, 2, None]
    assert table["b"].to_pylist() == [True, False, None]
    assert table["s"].to_pylist() == ["a", None, "7"]


def test_a_text_in_the_last_row_decides(path, monkeypatch):
    monkeypatch.setattr(reading, "CHUNK_ROWS", 100)
    numbers = [str(number) for number in range(60_000)]
    table = read(path, "n,k\n" + "".join(f"{n},1\n" for n in numbers) + "007x,2.5\n")

    assert types(table) == {"n": "string", "k": "double"}
    assert table["n"].to_pylist() == [*numbers, "007x"]
    assert table["k"].to_pylist()[-2:] == [1.0, 2.5]


def test_a_second_pass_writes_the_same_as_one_would(tmp_path, path, monkeypatch):
    rows = "".join(f"{i},{i % 7},2024-01-{1 + i % 28:02d}\n" for i in range(50_000))
    path.write_text("a,b,c\n" + rows + "1.5,x,soon\n")
    one = read_table(path, DataSettings())
    monkeypatch.setattr(reading, "CHUNK_ROWS", 1_000)
    monkeypatch.setattr("regatta.dataset.csv_file.block_bytes", lambda size: 1 << 16)
    passes = []
    again = reading._write_by
    monkeypatch.setattr(reading, "_write_by", lambda *args: (passes.append(2), again(*args)))
    found = write_table(path, DataSettings(), tmp_path / "table.parquet")

    assert passes == [2]
    assert found.n_rows == 50_001
    assert pq.read_table(tmp_path / "table.parquet").equals(one)
    assert types(one) == {"a": "double", "b": "string", "c": "string"}


@pytest.mark.parametrize(
    ("texts", "first"),
    [
        (["2024-05-01", "2024-12-31"], (2024, 5, 1)),
        (["2024-05-01 12:30", "2024-05-02 00:00"], (2024, 5, 1, 12, 30)),
        (["2024-05-01T12:30:15Z", "2024-05-02T00:00:00Z"], (2024, 5, 1, 12, 30, 15)),
        (["2024-05-01T12:30:15+02:00", "2024-05-02T00:00:00Z"], (2024, 5, 1, 10, 30, 15)),
        (["2024-05-01T12:30:15.123456789"] * 2, (2024, 5, 1, 12, 30, 15, 123456)),
        (["13/01/2024", "1/2/2024"], (2024, 1, 13)),
        (["1/2/2024", "1/13/2024"], (2024, 1, 2)),
        (["1/2/2024 01:05 PM", "1/13/2024 12:00 AM"], (2024, 1, 2, 13, 5)),
        (["31.1.2024", "1.2.2024"], (2024, 1, 31)),
        (["1/2/24", "12/31/23"], (2024, 1, 2)),
        (["1 Jan 2024", "15 Mar 2024"], (2024, 1, 1)),
        (["Jan 5, 2024", "Mar 15, 2024"], (2024, 1, 5)),
        (["Jan 5 2024", "March 15 2024"], (2024, 1, 5)),
        (["27May2020", "01JAN2021"], (2020, 5, 27)),
        (["27May2020:10:30:15", "01JAN2021:00:00:00"], (2020, 5, 27, 10, 30, 15)),
        (["2020.05.27", "2021.01.01"], (2020, 5, 27)),
        (["2020.05.27 10:30", "2021.01.01 23:59"], (2020, 5, 27, 10, 30)),
    ],
)
def test_dates(path, texts, first):
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows([["d", "n"], *([text, 1] for text in texts)])
    table = read_table(path, DataSettings())

    assert types(table)["d"] == "timestamp[us]"
    assert table["d"][0].as_py() == datetime.datetime(*first)


@pytest.mark.parametrize(
    "text", ["12.5.3", "a-b", "1-2", "0 - 10%", "2024-13-45", "10:30", "27abc2020"]
)
def test_what_is_no_date(path, text):
    assert types(read(path, f"d,n\n{text},1\n{text},2\n"))["d"] == "string"


def test_dates_that_can_be_read_twice_are_noticed(tmp_path, path):
    path.write_text("d,n\n1/2/2024,1\n3/4/2024,2\n")
    found = write_table(path, DataSettings(), tmp_path / "table.parquet")

    assert found.formats == {"d": "%m/%d/%Y"}
    assert [finding.code for finding in found.findings] == ["ambiguous_dates"]


def test_leading_zeros_are_kept(path):
    table = read(path, "zip,hour\n08001,01\n3011,12\n")

    assert table.to_pydict() == {"zip": ["08001", "3011"], "hour": [1, 12]}


def test_decimal_commas_where_the_comma_separates_nothing_else(path):
    assert read(path, "a;b\n1,5;x\n2;y\n")["a"].to_pylist() == [1.5, 2.0]
    assert read(path, "a;b\n1,5;x\n2.5;y\n")["a"].to_pylist() == ["1,5", "2.5"]
    assert read(path, 'a,b\n"1,5",x\n2,y\n')["a"].to_pylist() == ["1,5", "2"]


@pytest.mark.parametrize(
    ("content", "values", "told"),
    [
        ("a\tb\n944\tx\n1,362\ty\n45,210\tz\n", [944.0, 1.362, 45.21], "like 1,362 .* as 1.362"),
        ("a;b\n944;x\n1.362;y\n45.210;z\n", [944.0, 1.362, 45.21], "the point separates"),
        ("a\tb\n944\tx\n1,362\ty\n0,210\tz\n", [944.0, 1.362, 0.21], ""),
        ("a|b\n1,5|x\n1,362|y\n", [1.5, 1.362], ""),
        ("a,b\n1.362,x\n45.210,y\n", [1.362, 45.21], ""),
        ("a\tb\n944\tx\n1,362,000\ty\n", ["944", "1,362,000"], ""),
    ],
)
def test_commas_that_may_separate_thousands_are_noticed(tmp_path, path, content, values, told):
    path.write_text(content)
    found = write_table(path, DataSettings(), tmp_path / "table.parquet")

    assert pq.read_table(tmp_path / "table.parquet")["a"].to_pylist() == values
    assert [finding.code for finding in found.findings] == ["ambiguous_numbers"] * bool(told)
    assert all(re.search(told, finding.message) for finding in found.findings)


def test_one_decimal_comma_far_down_tells_what_the_others_are(tmp_path, path, monkeypatch):
    monkeypatch.setattr(reading, "CHUNK_ROWS", 100)
    monkeypatch.setattr("regatta.dataset.csv_file.block_bytes", lambda size: 1 << 12)
    path.write_text("a;b\n" + "1,362;x\n" * 2_000)
    assert write_table(path, DataSettings(), tmp_path / "table.parquet").findings
    path.write_text("a;b\n" + "1,362;x\n" * 2_000 + "1,5;x\n")
    assert not write_table(path, DataSettings(), tmp_path / "table.parquet").findings


def test_missing_values_with_blanks_around_them(path):
    table = read(path, "job,n\n Clerk, 1\n ?, ?\n Cook , 3\n")

    assert table.to_pydict() == {"job": ["Clerk", None, "Cook"], "n": [1, None, 3]}


def test_numbers_may_mean_missing(path):
    table = read(path, "a,b\n-999,-999.0\n1,2.5\n", na_values=("-999",))

    assert table.to_pydict() == {"a": [None, 1], "b": [None, 2.5]}


def test_a_common_none_is_a_category_and_a_rare_one_is_missing(path):
    rows = [
        ("None" if i % 3 else "Xmas", "None" if i == 5 else "x", "None" if i % 3 else i)
        for i in range(300)
    ]
    table = read(path, "common,rare,number\n" + "".join(f"{a},{b},{c}\n" for a, b, c in rows))

    assert table["common"].null_count == 0
    assert table["rare"].null_count == 1
    assert types(table)["number"] == "int64"
    assert table["number"].null_count == 200


def test_none_is_a_value_when_it_is_no_na_value(path):
    table = read(path, "a,b\n" + "x,1\n" * 500 + "None,2\n", na_values=("NA",))

    assert table["a"].null_count == 0


def test_columns_without_a_name_get_one(tmp_path, path):
    path.write_text(",a,\n0,x,\n1,y,\n")
    found = write_table(path, DataSettings(), tmp_path / "table.parquet")

    assert found.columns == ("column_1", "a", "column_3")
    assert {finding.code for finding in found.findings} == {"unnamed"}


def test_kinds_that_are_known_guide_the_types(path):
    table = read(
        path,
        "code,year,flag\n1,2020,1\n02,2021,0\n",
        kinds={"code": "categorical", "year": "text", "flag": "numeric"},
    )

    assert types(table) == {"code": "string", "year": "string", "flag": "int64"}


def test_settings_are_compared_with_the_columns(path):
    with pytest.raises(TargetError, match="did you mean 'churn'"):
        read(path, "churn,b\n1,2\n", target="chrun")
    with pytest.raises(SettingsError, match=r"data.ignore names 'c'"):
        read(path, "a,b\n1,2\n", ignore=("c",))
    with pytest.raises(SettingsError, match=r"data.kinds names 'aa'.*did you mean"):
        read(path, "aab,b\n1,2\n", kinds={"aa": "text"})
    with pytest.raises(SettingsError, match="is to be ignored"):
        read(path, "a,b\n1,2\n", target="a", kinds={"a": "ignore"})


@pytest.mark.parametrize("suffix", ["csv", "parquet", "jsonl"])
def test_the_format_does_not_matter(tmp_path, suffix):
    frame = binary_table(120)
    path = tmp_path / f"table.{suffix}"
    if suffix == "csv":
        frame.to_csv(path, index=False)
    elif suffix == "parquet":
        frame.to_parquet(path)
    else:
        frame.to_json(path, orient="records", lines=True, date_format="iso", date_unit="us")
    table = read_table(path, DataSettings())

    assert types(table) == {
        "age": "int64",
        "income": "double",
        "clicks": "int64",
        "member": "bool",
        "city": "string",
        "plan": "string",
        "review": "string",
        "joined": "timestamp[us]",
        "key": "string",
        "outcome": "string",
    }
    back = table.to_pandas()
    pd.testing.assert_frame_equal(back, frame.astype(back.dtypes.to_dict()), check_dtype=False)


def test_parquet_is_recognised_by_content(tmp_path):
    path = tmp_path / "table.csv"
    pd.DataFrame({"a": [1, 2]}).to_parquet(path)

    assert read_table(path, DataSettings())["a"].to_pylist() == [1, 2]


def test_json_lines_are_recognised_by_content(tmp_path):
    path = tmp_path / "table.txt"

    assert read(path, '{"a": 1, "b": "x"}\n{"b": null, "c": true}\n').to_pydict() == {
        "a": [1, None],
        "b": ["x", None],
        "c": [None, True],
    }


def test_columns_of_json_lines_may_come_late(tmp_path, monkeypatch):
    monkeypatch.setattr("regatta.dataset.json_lines.BATCH_ROWS", 10)
    monkeypatch.setattr(reading, "CHUNK_ROWS", 20)
    lines = ['{"a": 1}\n'] * 50 + ['{"a": 2.5, "late": "2024-05-01"}\n']
    table = read(tmp_path / "table.jsonl", "".join(lines))

    assert types(table) == {"a": "double", "late": "timestamp[us]"}
    assert table.num_rows == 51


def test_parquet_types_are_brought_to_the_known_ones(tmp_path):
    path = tmp_path / "table.parquet"
    moment = datetime.datetime(2024, 5, 1, 12, tzinfo=datetime.UTC)
    pq.write_table(
        pa.table(
            {
                "u8": pa.array([1, None], pa.uint8()),
                "f32": pa.array([0.5, float("nan")], pa.float32()),
                "dec": pa.array([1, 2], pa.decimal128(10, 2)),
                "cat": pa.array([" a", "?"]).dictionary_encode(),
                "day": pa.array([moment.date()] * 2),
                "zoned": pa.array([moment] * 2, pa.timestamp("ns", "Europe/Zurich")),
                "span": pa.array([datetime.timedelta(seconds=90)] * 2),
                "clock": pa.array([datetime.time(10, 30)] * 2),
                "big": pa.array([2**64 - 1, 1], pa.uint64()),
                "nothing": pa.nulls(2),
                "text": pa.array(["12", "13"], pa.large_string()),
                "bytes": pa.array([b"x", b"y"]),
            }
        ),
        path,
    )
    table = read_table(path, DataSettings())

    assert types(table) == {
        "u8": "int64",
        "f32": "double",
        "dec": "double",
        "cat": "string",
        "day": "timestamp[us]",
        "zoned": "timestamp[us]",
        "span": "double",
        "clock": "string",
        "big": "double",
        "nothing": "string",
        "text": "int64",
        "bytes": "string",
    }
    assert table["f32"].null_count == 1
    assert table["cat"].to_pylist() == ["a", None]
    assert table["zoned"][0].as_py() == datetime.datetime(2024, 5, 1, 12)
    assert table["span"][0].as_py() == 90.0


def test_numbers_of_parquet_may_be_kept_as_categories(tmp_path):
    path = tmp_path / "table.parquet"
    pd.DataFrame({"code": [1.0, 2.0, None], "n": [7, 8, 9]}).to_parquet(path)
    table = read_table(path, DataSettings(kinds={"code": "categorical", "n": "text"}))

    assert table.to_pydict() == {"code": ["1", "2", None], "n": ["7", "8", "9"]}


def test_nested_columns_of_parquet(tmp_path):
    path = tmp_path / "table.parquet"
    pq.write_table(pa.table({"a": [1, 2], "b": [[1], [2, 3]]}), path)
    with pytest.raises(DataError, match="column 'b' is nested"):
        read_table(path, DataSettings())

    assert read_table(path, DataSettings(ignore=("b",))).to_pydict() == {
        "a": [1, 2],
        "b": [None, None],
    }


def test_nothing_is_left_of_a_table_that_could_not_be_read(tmp_path, path):
    path.write_text("a,b\n" + "1,2\n" * 10 + "1,2,3\n")
    with pytest.raises(DataError):
        write_table(path, DataSettings(), tmp_path / "table.parquet")

    assert list(tmp_path.iterdir()) == [path]


def test_many_columns(path):
    names = [f"c{i}" for i in range(2_000)]
    path.write_text(",".join(names) + "\n" + ",".join("1" * 2_000) + "\n")

    assert read_table(path, DataSettings()).num_columns == 2_000


def test_reading_survives_json():
    found = reading.Reading(
        "t.csv", "csv", "utf-8", ",", 3, ("a",), {"a": ("NA",)}, {"a": "%d.%m.%Y"}
    )

    assert reading.Reading.from_dict(found.to_dict()) == found


def test_the_order_of_rows_is_kept(path):
    numbers = random.Random(0).sample(range(10**6), 200_000)
    path.write_text("n,m\n" + "".join(f"{n},1\n" for n in numbers))

    assert read_table(Path(path), DataSettings())["n"].to_pylist() == numbers


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_carriage_return_alone_is_part_of_a_text(path, newline):
    rows = ["a,b", "one\rtwo,1", '"x\r\ny",2', "last\r,3\r"]
    table = read(path, newline.join(rows) + newline)
    assert table.to_pydict() == {"a": ["one two", "x\r\ny", "last"], "b": [1, 2, 3]}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"a\r\nb\rc\r\n\r", b"a\r\nb c\r\n "),
        (b"a\nb\r\r\nc\r", b"a\nb \r\nc "),
        (b"a\rb\rc\nd\r", b"a\rb\rc\nd\r"),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_blocks_may_end_between_return_and_feed(path, content, expected, size, monkeypatch):
    monkeypatch.setattr(streams, "CHUNK_BYTES", size)
    path.write_bytes(content)
    with streams.TextStream(source.inspect(path, DataSettings())) as stream:
        assert b"".join(iter(lambda: stream.read(7), b"")) == expected


def test_what_pandas_writes_is_read(path):
    frame = pd.DataFrame({"text": ["a\rb", "c\nd", "e\r\nf"] * 10, "n": range(30)})
    frame.to_csv(path, index=False)
    table = read_table(path, DataSettings())
    assert table["n"].to_pylist() == list(range(30))
    assert table["text"][:3].to_pylist() == ["a b", "c\nd", "e\r\nf"]
