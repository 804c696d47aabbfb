"""Any table that `csv` writes is read as it was; any bytes at all end in a table or a message."""

import contextlib
import csv
import gzip
import json
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from regatta.dataset import read_table
from regatta.errors import RegattaError
from regatta.settings import DataSettings

relaxed = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])

# Blanks at the ends are cut, and NUL is refused; both have tests of their own.
cells = st.text(
    st.characters(codec="utf-8", exclude_characters="\0", exclude_categories=("Cs", "Cc", "Zs")),
    max_size=12,
)
inner = st.tuples(
    cells, st.sampled_from(["", " ", "\n", "\r\n", ",", ";", '"', '""', "\t", "|"]), cells
)
texts = inner.map("".join).map(str.strip)


def read(content, name="table.csv", **values):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_bytes(content)
        return read_table(path, DataSettings(**values))


@st.composite
def tables(draw):
    width = draw(st.integers(2, 5))
    rows = draw(st.lists(st.lists(texts, min_size=width, max_size=width), min_size=1, max_size=8))
    return width, rows


@relaxed
@given(
    table=tables(),
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    newline=st.sampled_from(["\n", "\r\n"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_what_csv_writes_is_read_back(table, delimiter, quoting, newline, encoding):
    width, rows = table
    names = [f"col {i}" for i in range(width)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "table.csv")
        with path.open("w", newline="", encoding=encoding) as stream:
            writer = csv.writer(
                stream, delimiter=delimiter, quoting=quoting, lineterminator=newline
            )
            writer.writerows([names, *rows])
        found = read_table(
            path,
            DataSettings(delimiter=delimiter, na_values=(), kinds=dict.fromkeys(names, "text")),
        )

    assert found.column_names == names
    back = [[value or "" for value in row.values()] for row in found.to_pylist()]
    assert back == rows


@relaxed
@given(
    st.lists(
        st.tuples(
            st.integers(-(2**63), 2**63 - 1),
            st.floats(allow_nan=False, allow_infinity=False),
            st.booleans(),
            st.datetimes(),
        ),
        min_size=1,
        max_size=20,
    )
)
def test_values_keep_their_type(rows):
    lines = [f"{i},{f!r},{b},{d.isoformat()}" for i, f, b, d in rows]
    found = read("\n".join(["i,f,b,d", *lines]).encode())

    assert [str(field.type) for field in found.schema] in (
        ["int64", "double", "bool", "timestamp[us]"],
    )
    assert [tuple(row.values()) for row in found.to_pylist()] == rows


@relaxed
@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["a", "b", "c"]),
            st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), texts),
            min_size=1,
        ),
        min_size=1,
        max_size=10,
    )
)
def test_json_lines_of_scalars_are_read(records):
    content = "\n".join(json.dumps(record) for record in records)
    found = read(content.encode(), "table.jsonl")

    assert found.num_rows == len(records)
    assert set(found.column_names) == {key for record in records for key in record}


fragments = st.lists(
    st.one_of(
        st.sampled_from(
            [
                b",",
                b";",
                b'"',
                b"\n",
                b"\r",
                b"\0",
                b"a",
                b"1",
                b" ",
                b"\xff",
                b"{",
                b"[",
                b"2024-01-01",
                b"NaN",
                b"inf",
                b"None",
                b"true",
                b"-",
                b".",
                b"0x1",
                b"1e9",
            ]
        ),
        st.binary(max_size=4),
    ),
    max_size=60,
).map(b"".join)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    content=st.one_of(fragments, fragments.map(lambda tail: b"a,b\n1,2\n" + tail)),
    name=st.sampled_from(["t.csv", "t.tsv", "t.jsonl", "t.parquet", "t", "t.csv.gz"]),
    encoding=st.sampled_from(["", "", "utf-8", "latin-1", "utf-16", "ascii", "cp1252", "utf-7"]),
    packed=st.booleans(),
)
@example(content=b'a,b\n1,"', name="t.csv", encoding="", packed=False)
@example(content=b"PAR1PAR1", name="t.csv", encoding="", packed=False)
def test_any_bytes_end_in_a_table_or_a_message(content, name, encoding, packed):
    if packed:
        content = gzip.compress(content)[: max(1, len(content) + 12)]
    with contextlib.suppress(RegattaError):
        assert read(content, name, encoding=encoding).num_rows > 0
