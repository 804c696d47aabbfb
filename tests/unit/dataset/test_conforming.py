import datetime
import json
import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regatta.dataset import Column, conform, load_frame, read_frame
from regatta.dataset.reading import write_table
from regatta.dataset.validation import validate
from regatta.errors import DataError, RequestError
from regatta.settings import DataSettings
from regatta.testing.tables import binary_table

AGE = Column("age", "numeric", "int64", na_values=("NA", "?", "-999"))
CITY = Column("city", "categorical", "string", categories=("Bern", "1", "2.5"), na_values=("NA",))
MEMBER = Column("member", "boolean", "bool", na_values=("NA",))
NOTE = Column("note", "text", "string")
JOINED = Column("joined", "datetime", "timestamp", format="%d/%m/%Y", na_values=("NA",))


def one(column, *values, dtype=object):
    frame = pd.DataFrame({column.name: pd.Series(list(values), dtype=dtype)})
    return conform(frame, [column])[column.name].tolist()


def nan_as_none(values):
    return [None if value != value else value for value in values]


def test_numbers_in_any_form():
    found = one(AGE, 1, 2.5, "3", " 4e1 ", True, None, np.nan, pd.NA, "NA", " ? ", "", np.int8(7))

    assert nan_as_none(found) == [1, 2.5, 3, 40, 1, None, None, None, None, None, None, 7]


def test_marks_are_missing_but_in_categories():
    assert nan_as_none(one(AGE, ".", " - ", "N.A.", "3")) == [None, None, None, 3]
    assert one(MEMBER, "-", "true") == [None, True]
    assert str(one(JOINED, ".")[0]) == "NaT"
    assert one(CITY, "-", "Bern") == ["-", "Bern"]


@pytest.mark.parametrize("dtype", ["int8", "float32", "Int64", "Float32", "bool", "category"])
def test_numbers_of_any_type(dtype):
    assert one(AGE, 1, 0, 1, dtype=dtype) == [1.0, 0.0, 1.0]


def test_numbers_that_mean_missing():
    assert nan_as_none(one(AGE, -999, 1)) == [None, 1]
    assert nan_as_none(one(AGE, "-999.0", "1")) == [None, 1]
    assert nan_as_none(one(AGE, -999.0, 1.0, dtype="float64")) == [None, 1]


def test_categories_are_compared_as_text():
    found = one(CITY, "Bern", " Bern ", 1, 1.0, "1", "1.0", 2.5, True, None, pd.NA, "NA", "", "x.0")

    assert found == [
        "Bern",
        "Bern",
        "1",
        "1",
        "1",
        "1",
        "2.5",
        "true",
        None,
        None,
        None,
        None,
        "x.0",
    ]


@pytest.mark.parametrize("dtype", ["int64", "float64", "Int64", "string", "category"])
def test_categories_of_any_type(dtype):
    values = ["1", "2"] if dtype == "string" else [1, 2]
    assert one(CITY, *values, dtype=dtype) == ["1", "2"]


def categories(*known, unique=0):
    return Column("c", "categorical", "string", categories=known, unique=unique)


def test_a_category_is_known_however_its_number_comes():
    rotary = categories("4.0", "6.0", "rotary")
    assert one(rotary, 4, 4.0, "4", "4.0", "Rotary", "5") == ["4.0"] * 4 + ["rotary", "5"]
    assert one(rotary, 4, 6, dtype="int64") == ["4.0", "6.0"]
    assert one(categories("10115.0"), "10115", np.int32(10115)) == ["10115.0"] * 2
    assert one(categories("True", "False", "Unknown"), True, "false", "UNKNOWN", False) == [
        "True",
        "False",
        "Unknown",
        "False",
    ]


def test_a_category_that_is_known_as_it_is_stays():
    both = categories("4", "4.0", "a", "A", "ß")

    assert one(both, "4", "4.0", 4, 4.0, "a", "A") == ["4", "4.0", "4", "4.0", "a", "A"]
    assert one(categories("2.5", "2.5.0"), 2.5, "2.5", np.float32(2.5)) == ["2.5"] * 3
    assert one(both, "SS", "B", 5.0) == ["ß", "B", "5"]
    assert one(categories("yes", "Yes"), "YES") == ["YES"]


def test_of_very_many_categories_letters_count():
    # The rare ones are not listed, and may be any.
    assert one(categories("Bern", "4.0", unique=3), "BERN", "4") == ["BERN", "4.0"]


LABELS = st.one_of(
    st.text("aAbBßéÉ01.", min_size=1, max_size=4),
    st.integers(-99, 99).map(str),
    st.integers(-99, 99).map(lambda number: f"{number}.0"),
)


@given(known=st.lists(LABELS, unique=True, max_size=8), label=LABELS, more=st.integers(0, 1))
def test_a_label_is_found_among_any_categories(known, label, more):
    column = categories(*known, unique=len(known) + more)
    (found,) = one(column, label)

    assert found in (*known, label)
    if label in known:
        assert found == label
    elif found != label:
        same_number = found in (f"{label}.0", label.removesuffix(".0"))
        assert same_number or found.casefold() == label.casefold()
    # What is in a table is the same once it was read, one row or many.
    assert one(column, found) == [found]
    assert one(column, *[label, None] * 200) == [found, None] * 200


@given(number=st.integers(-(2**53), 2**53), known=st.sampled_from(["{}", "{}.0"]))
def test_a_number_is_the_same_category_in_a_file_and_in_a_request(number, known):
    column = categories(known.format(number), "other")
    written = [str(number), f"{number}.0", number, float(number)]

    assert one(column, *written) == [known.format(number)] * 4
    for dtype in ("int64", "float64"):
        assert one(column, *[number] * 300, dtype=dtype) == [known.format(number)] * 300


@pytest.mark.parametrize("values", [["4.0", "6.0", "rotary"], ["True", "False", "Unknown"]])
def test_a_file_and_a_request_mean_the_same_categories(tmp_path, values):
    rows = [(values[i % 3], i % 2) for i in range(300)]
    (tmp_path / "train.csv").write_text("c,y\n" + "".join(f"{c},{y}\n" for c, y in rows))
    settings = DataSettings(target="y")
    reading = write_table(tmp_path / "train.csv", settings, tmp_path / "table.parquet")
    columns = validate(tmp_path / "table.parquet", reading, settings).schema.features
    first = "true" if values[0] == "True" else "4.0"
    (tmp_path / "new.jsonl").write_text(f'{{"c": {first}}}\n{{"c": "{values[2].upper()}"}}\n')
    requested = pd.DataFrame({"c": [json.loads(first), values[2].upper()]})

    assert columns[0].kind == "categorical"
    for frame in (read_frame(tmp_path / "new.jsonl", columns), requested):
        assert conform(frame, columns)["c"].tolist() == [values[0], values[2]]


def test_a_million_codes_are_typed_within_seconds():
    column = categories(*(f"{code}.0" for code in range(1_000)))
    frame = pd.DataFrame({"c": np.arange(1_000_000) % 2_000})

    assert _seconds(lambda: conform(frame, [column])) < 2


def test_truths():
    found = one(MEMBER, True, "false", "YES", 0, 1.0, "n", np.True_, None, "NA", "")

    assert found == [True, False, True, False, True, False, True, None, None, None]
    assert conform(pd.DataFrame({"member": ["true", "no"]}), [MEMBER])["member"].dtype == bool
    assert one(MEMBER, True, None, dtype="boolean") == [True, None]


def test_texts():
    assert one(NOTE, " a b ", 5, None, "") == ["a b", "5", None, None]


def test_dates():
    day = datetime.datetime(2024, 2, 1)
    zoned = datetime.datetime(2024, 2, 1, 2, tzinfo=datetime.timezone(datetime.timedelta(hours=2)))
    found = one(
        JOINED,
        "2024-02-01",
        "2024-02-01T02:00:00+02:00",
        "1/2/2024",
        20240201,
        1706745600,
        1706745600000,
        day,
        day.date(),
        zoned,
        np.datetime64("2024-02-01"),
        pd.Timestamp(day),
    )

    assert found == [pd.Timestamp(day)] * 11
    assert pd.isna(one(JOINED, None, "NA", pd.NaT, float("nan"), pd.NA)).all()


@pytest.mark.parametrize(
    "dtype", ["datetime64[ns]", "datetime64[s]", "datetime64[ns, Europe/Bern]"]
)
def test_dates_of_any_type(dtype):
    if "Bern" in dtype:
        values = pd.Series(pd.to_datetime(["2024-02-01T02:00+01:00"])).dt.tz_convert(
            "Europe/Zurich"
        )
    else:
        values = pd.Series(pd.to_datetime(["2024-02-01T01:00"])).astype(dtype)
    found = conform(pd.DataFrame({"joined": values}), [JOINED])["joined"]

    assert found.dtype == "datetime64[us]"
    assert found[0] == pd.Timestamp("2024-02-01T01:00")


@pytest.mark.parametrize(
    ("column", "value"),
    [
        (AGE, "old"),
        (AGE, "1_000"),
        (AGE, [1]),
        (AGE, {"a": 1}),
        (AGE, "inf"),
        (AGE, float("-inf")),
        (AGE, datetime.datetime(2024, 1, 1)),
        (AGE, 10**400),
        (CITY, ["Bern"]),
        (CITY, {"a": 1}),
        (MEMBER, "perhaps"),
        (MEMBER, 2),
        (NOTE, {"a"}),
        (JOINED, "soon"),
        (JOINED, True),
        (JOINED, 1e300),
        (JOINED, [2024]),
        (JOINED, "0001-01-01T00:00:00+23:00"),
    ],
)
def test_what_cannot_be_read_names_column_and_row(column, value):
    with pytest.raises(RequestError, match=f"column '{column.name}' holds .* in row 2"):
        one(column, None, value)


def test_the_row_is_named_in_long_columns_too():
    with pytest.raises(RequestError, match="'x' in row 701"):
        one(AGE, *["1", "2"] * 350, "x", "3", "x")


def test_long_columns_are_read_as_short_ones():
    values = ["1", " 2", None, "?", "NA", "4e1"]
    short, long = one(AGE, *values), one(AGE, *values * 100)

    assert nan_as_none(long) == nan_as_none(short) * 100


def test_columns_are_found_by_name():
    frame = pd.DataFrame({" city ": ["Bern"], "more": [1], "age": ["7"]}, index=[9])
    found = conform(frame, [AGE, CITY])

    assert found.columns.tolist() == ["age", "city"]
    assert found.index.tolist() == [9]
    with pytest.raises(RequestError, match=r"'age' is missing.*did you mean 'agee'"):
        conform(pd.DataFrame({"agee": [1]}), [AGE])
    twice = pd.DataFrame([[1, 2, 3]], columns=["age", "age", "more"])
    with pytest.raises(RequestError, match="'age' is there 2 times"):
        conform(twice, [AGE])


def test_no_rows_are_no_trouble():
    frame = pd.DataFrame({"age": [], "city": [], "member": [], "note": [], "joined": []})

    assert len(conform(frame, [AGE, CITY, MEMBER, NOTE, JOINED])) == 0


def test_the_frame_given_stays_as_it_was():
    frame = pd.DataFrame({"age": [-999.0, 1.0]})
    conform(frame, [AGE])

    assert frame["age"].tolist() == [-999.0, 1.0]


@pytest.fixture
def trained(tmp_path):
    """The table of training, its signature, and the rows as they were read then."""
    frame = binary_table(200)
    frame.to_csv(tmp_path / "train.csv", index=False)
    settings = DataSettings(target="outcome")
    reading = write_table(tmp_path / "train.csv", settings, tmp_path / "table.parquet")
    columns = validate(tmp_path / "table.parquet", reading, settings).schema.features
    return frame, columns, conform(pd.read_parquet(tmp_path / "table.parquet"), columns)


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet", "csv.gz"])
def test_a_file_to_predict_is_read_as_in_training(tmp_path, trained, suffix):
    frame, columns, typed = trained
    path = tmp_path / f"rows.{suffix}"
    rows = frame.drop(columns="outcome").iloc[::-1]
    if suffix == "parquet":
        rows.to_parquet(path)
    elif suffix == "jsonl":
        rows.to_json(path, orient="records", lines=True, date_format="iso", date_unit="us")
    else:
        rows.to_csv(path, index=False)
    found = conform(read_frame(path, columns), columns)

    pd.testing.assert_frame_equal(found, typed.iloc[::-1].reset_index(drop=True), check_dtype=False)


def test_requests_row_by_row_are_read_as_in_training(trained):
    frame, columns, typed = trained
    rows = frame.astype(object).where(frame.notna(), None).to_dict("records")[:20]
    found = pd.concat([conform(pd.DataFrame([row]), columns) for row in rows], ignore_index=True)

    pd.testing.assert_frame_equal(found, typed.head(20), check_dtype=False)


def test_a_file_to_predict_is_checked(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("agee;city\n1;Bern\n")
    with pytest.raises(RequestError, match=r"no column 'age'.*did you mean 'agee'"):
        read_frame(path, [AGE])
    path.write_text("age;city\n1,5;Bern\nold;Basel\n")
    with pytest.raises(RequestError, match="'old' in row 2"):
        conform(read_frame(path, [AGE]), [AGE])
    path.write_text("age;city\n1,5;Bern\n;Basel\n")
    assert nan_as_none(conform(read_frame(path, [AGE]), [AGE])["age"].tolist()) == [1.5, None]
    path.write_text("age;city\n")
    with pytest.raises(DataError, match="no rows"):
        read_frame(path, [AGE])


def test_one_row_is_typed_within_milliseconds():
    columns = [Column(f"n{i}", "numeric", "float64", na_values=("NA",)) for i in range(12)]
    columns += [Column(f"c{i}", "categorical", "string", categories=("a",)) for i in range(8)]
    row = {column.name: 1.5 if column.kind == "numeric" else "a" for column in columns}
    frame = pd.DataFrame([row])
    best = min(_seconds(lambda: conform(frame, columns)) for _ in range(20))

    assert best < 0.01


def _seconds(call):
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def test_rows_of_a_dataset(tmp_path):
    from regatta.stages import ingest

    frame = binary_table(300)
    frame.to_csv(tmp_path / "t.csv", index=False)
    source = str(tmp_path / "t.csv")
    ingest.run(f'{{"data": {{"source": "{source}"}}}}', str(tmp_path / "dataset"))
    everything = load_frame(tmp_path / "dataset")
    rows = np.array([250, 3, 3, 17])
    some = load_frame(tmp_path / "dataset", columns=["city", "age"], rows=rows)

    assert everything.shape == (300, 10)
    assert some.columns.tolist() == ["city", "age"]
    pd.testing.assert_frame_equal(
        some, everything.loc[rows, ["city", "age"]].reset_index(drop=True)
    )
    assert load_frame(tmp_path / "dataset", rows=np.array([], dtype=int)).shape == (0, 10)
