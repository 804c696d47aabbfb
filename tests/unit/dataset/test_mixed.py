"""Columns that are mostly numbers, and targets out of range."""

import contextlib
import shlex

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regatta.dataset.conforming import conform
from regatta.dataset.kinds import check_mixed, kind_of
from regatta.dataset.measures import measure
from regatta.dataset.reading import write_table
from regatta.dataset.target import analyse
from regatta.dataset.validation import validate
from regatta.dataset.written import date_speller, date_spellings, two_spellings, written
from regatta.errors import SchemaError, TargetError
from regatta.settings import DataSettings

N = 400


def numbers(n=N, seed=0):
    return np.random.default_rng(seed).normal(size=n).round(5)


def with_texts(share, texts):
    """Return texts of numbers, some of which are replaced at even distances."""
    values = [str(number) for number in numbers()]
    n_texts = round(share * N)
    for i, row in enumerate(np.linspace(0, N - 1, n_texts).astype(int)):
        values[row] = texts[i % len(texts)]
    return values


@pytest.fixture
def check(tmp_path):
    """Write columns as CSV, and validate them as the stages do."""

    def run(columns, separator=",", **settings):
        path = tmp_path / "table.csv"
        rows = [list(columns), *zip(*columns.values(), strict=True)]
        path.write_text("".join(separator.join(map(str, row)) + "\n" for row in rows))
        data = DataSettings(**{"target": "y", **settings})
        reading = write_table(path, data, tmp_path / "table.parquet")
        return validate(tmp_path / "table.parquet", reading, data)

    return run


def mixed(found):
    return [f for f in found.findings if f.code == "mixed"]


@pytest.mark.parametrize("share", [0.01, 0.3])
@pytest.mark.parametrize("separator", [",", ";"])
def test_marks_among_numbers_are_missing_values(check, share, separator):
    values = with_texts(share, [".", "-", "N.A."])
    if separator == ";":
        values = [value.replace(".", ",") if len(value) > 4 else value for value in values]
    found = check({"x": values, "y": ["no", "yes"] * (N // 2)}, separator=separator)

    column = found.schema.column("x")
    assert (column.kind, column.dtype) == ("numeric", "float64")
    assert column.missing == round(share * N)
    assert not mixed(found)


def test_marks_among_dates_and_truths_are_missing_values(check):
    days = [f"2024-{1 + i % 12:02d}-{1 + i % 28:02d}" if i % 9 else "." for i in range(N)]
    truths = [("true", "false", "-")[i % 3] for i in range(N)]
    found = check({"day": days, "flag": truths, "y": ["no", "yes"] * (N // 2)}).schema

    assert (found.column("day").kind, found.column("day").missing) == ("datetime", 45)
    assert (found.column("flag").kind, found.column("flag").missing) == ("boolean", 133)


def test_errors_of_excel_among_numbers_are_missing_values(check):
    errors = ["#DIV/0!", "#N/A", "#VALUE!", "#REF!", "#NAME?", "#NUM!", "#NULL!"]
    found = check({"x": with_texts(0.3, errors), "y": ["no", "yes"] * (N // 2)}).schema.column("x")

    assert (found.dtype, found.missing) == ("float64", round(0.3 * N))
    typed = conform(pd.DataFrame({"x": ["#DIV/0!", "#N/A", "1.5"]}), [found])["x"]
    assert typed.isna().tolist() == [True, True, False]


def test_marks_among_texts_are_categories(check):
    signs = [("+", "-", "?")[i % 3] for i in range(N)]
    late = ["-"] * (N - 1) + ["good"]
    found = check({"sign": signs, "late": late, "x": numbers(), "y": ["-", "+"] * (N // 2)}).schema

    assert set(found.column("sign").categories) == {"+", "-"}
    assert set(found.column("late").categories) == {"-", "good"}
    assert set(found.classes) == {"-", "+"}


def test_a_mark_in_a_target_of_numbers_is_refused(check):
    with pytest.raises(TargetError, match=r"target 'y' holds '\.' in row 1"):
        check({"x": numbers(), "y": with_texts(0.01, ["."])})


@pytest.mark.parametrize(
    ("share", "texts"),
    [(0.06, ["unknown"]), (0.2, ["n/a?", "unknown"]), (0.45, ["12 kg", "7 kg", "to follow"])],
)
def test_many_texts_among_numbers_are_warned_of(check, share, texts):
    columns = {"x": with_texts(share, texts), "z": numbers(), "y": ["no", "yes"] * (N // 2)}
    found = check(columns)

    (finding,) = mixed(found)
    assert finding.level == "warning"
    assert finding.message.startswith(f"{1 - share:.1%} of the values of 'x' are numbers")
    assert all(repr(text) in finding.message for text in texts)
    assert '--set \'data.kinds={"x": "categorical"}\'' in finding.message
    assert found.schema.column("x").used

    assert not mixed(check(columns, kinds={"x": "categorical"}))
    as_missing = check(columns, na_values=tuple(texts))
    assert not mixed(as_missing)
    assert as_missing.schema.column("x").dtype == "float64"


def test_what_the_warning_says_to_type_helps(check):
    columns = {"x": with_texts(0.3, ["unknown"]), "y": ["no", "yes"] * (N // 2)}
    (finding,) = mixed(check(columns))
    typed = shlex.split(finding.message.split("data.na_values: ")[1].split("; ")[0])
    values = typed[1].removeprefix("data.na_values=").split(",")

    assert typed[0] == "--set"
    assert check(columns, na_values=tuple(values)).schema.column("x").kind == "numeric"


def test_a_column_of_numbers_with_units_is_no_key(check):
    values = [f"{v}kg" if i % 3 == 0 else str(v) for i, v in enumerate(numbers())]
    found = check({"x": values, "z": numbers(seed=1), "y": ["no", "yes"] * (N // 2)})

    assert mixed(found)
    assert found.schema.column("x").used


WRITTEN = {
    "$": lambda v: f"${abs(v):,.2f}",
    "kg": lambda v: f"{abs(v):.3f}kg",
    "thousands": lambda v: f"{round(abs(v) * 1e6) + 1000:,}",
    "German": lambda v: f"{abs(v) * 1e4:,.2f}".translate(str.maketrans(",.", ".,")),
    "%": lambda v: f"{abs(v):.3f}%",
    "M": lambda v: f"{abs(v) * 100:.1f}M",
    "minus": lambda v: f"{v:.3f}".replace("-", "\u2212") if v < 0.6 else f"{v:.3f} m",
}


@pytest.mark.parametrize("repeated", [False, True])
@pytest.mark.parametrize("way", WRITTEN)
def test_numbers_that_are_written_as_texts_are_told_and_no_keys(check, way, repeated):
    values = [WRITTEN[way](v) for v in numbers()]
    values = values[:40] * 10 if repeated else values
    columns = {"x": [f'"{v}"' for v in values], "z": numbers(), "y": ["no", "yes"] * (N // 2)}
    found = check(columns)
    (finding,) = mixed(found)

    assert found.schema.column("x").used
    assert finding.message.startswith("'x' holds mostly numbers that are written as texts, such as")
    assert any(repr(value) in finding.message for value in values)
    assert "write each as a plain number in one unit, such as -1234.5, without" in finding.message
    assert '--set \'data.kinds={"x": "categorical"}\'' in finding.message
    assert not mixed(check(columns, kinds={"x": "categorical"}))


def test_times_that_are_written_as_texts_are_told_and_no_keys(check):
    times = [f"{i // 60 % 24:02d}:{i % 60:02d}:{i * 7 % 60:02d}" for i in range(N)]
    found = check({"t": times, "z": numbers(), "y": ["no", "yes"] * (N // 2)})
    (finding,) = mixed(found)

    assert found.schema.column("t").used
    assert "mostly times that are written as texts, such as '00:00:00'" in finding.message


def test_numbers_below_a_thousand_belong_to_those_above(check):
    values = [f"{i * 61 + 7:,}" for i in range(N)]
    found = check({"x": [f'"{v}"' for v in values], "y": ["no", "yes"] * (N // 2)})
    half = check({"x": ["$12"] * 100 + ["?"] * 300, "z": numbers(), "y": ["no", "yes"] * (N // 2)})

    assert "numbers that are written as texts, such as '1,044'" in mixed(found)[0].message
    assert not mixed(half)


@pytest.mark.parametrize(
    "key",
    [
        lambda i: f"{i * 7919 % 10007:05d}",
        lambda i: f"INV-{i}",
        lambda i: f"10.0.{i // 250}.{i % 250}",
        lambda i: f"{i * 7919:x}k",
        lambda i: f"{10_000_000 + i}{'TRWAGMYFPDXBNJZSQVHLCKE'[i % 23]}",
    ],
)
def test_keys_stay_keys(check, key):
    columns = {"x": [key(i) for i in range(N)], "z": numbers(), "y": ["no", "yes"] * (N // 2)}
    found = check(columns)

    assert found.schema.column("x").reason == "id"
    assert not mixed(found)


def test_a_target_of_numbers_that_are_written_as_texts(check):
    columns = {"x": numbers(), "y": [f"${v:.3f}" for v in numbers(seed=1)]}
    with pytest.raises(TargetError) as caught:
        check(columns)

    assert "target 'y' holds numbers that are written as texts, such as '$" in str(caught.value)
    assert "expected plain numbers" in str(caught.value)


DAYS = [f"2024-{1 + i % 12:02d}-{1 + i % 28:02d}" for i in range(N)]
TWO_WAYS = {
    "zone": [f"{day}T00:00:00{'Z' * (i % 2)}" for i, day in enumerate(DAYS)],
    "American": [day if i % 5 < 2 else f"{day[5:7]}/{day[8:]}/2024" for i, day in enumerate(DAYS)],
    "American first": [
        day if i % 5 else f"{day[5:7]}/{day[8:]}/2024" for i, day in enumerate(DAYS)
    ],
    # More than half are spelt as the first is, but hardly all.
    "mostly ISO": [
        day if i % 5 < 3 else f"{day[8:]}.{day[5:7]}.2024" for i, day in enumerate(DAYS)
    ],
    "three": [
        (day, f"{day[5:7]}/{day[8:]}/2024", f"{day[8:]}.{day[5:7]}.2024")[i % 3]
        for i, day in enumerate(DAYS)
    ],
    "comma": [str(v).replace(".", "," if i % 2 else ".") for i, v in enumerate(numbers())],
}


@pytest.mark.parametrize("way", TWO_WAYS)
def test_numbers_and_dates_in_two_spellings_are_told(check, way):
    columns = {"x": TWO_WAYS[way], "z": range(N), "y": ["no", "yes"] * (N // 2)}
    found = check(columns, separator=";")
    (finding,) = mixed(found)

    assert found.schema.column("x").kind == "categorical"
    assert found.schema.column("x").used
    what = "numbers" if way == "comma" else "dates"
    said = f"'x' holds {what} that are not all spelt alike, such as "
    assert said in finding.message
    one, other = finding.message.removeprefix(said).split(": it is")[0].split(" and ")
    assert {one.strip("'"), other.strip("'")} <= set(columns["x"])
    assert "spell them alike" in finding.message
    assert not mixed(check(columns, separator=";", kinds={"x": "categorical"}))
    with pytest.raises(TargetError, match=f"target 'x' holds {what} that are not all spelt alike"):
        check({"y": columns["z"], "x": columns["x"]}, separator=";", target="x")


def test_the_two_spellings_are_not_two_readings_of_one():
    days = [f"{1 + i % 28:02d}/{1 + i % 12:02d}/2020" for i in range(90)]
    texts = ["01/01/2020", *days, "2020-01-01"]
    assert two_spellings(texts, date_speller(date_spellings(texts))) == (texts[0], texts[-1])
    assert two_spellings(texts[:-1], date_speller(date_spellings(texts[:-1]))) is None


def test_codes_with_a_letter_are_no_numbers_with_a_unit():
    assert written([f"{1000 + i}A" for i in range(60)]) is None
    assert written([f"{1000 + i}{'AB'[i % 2]}" for i in range(60)]) is None
    assert written([f"{i}.5{'KM'[i % 2]}" for i in range(60)]).units == ("K", "M")


def test_codes_and_few_values_in_two_spellings_are_not_told(check):
    codes = [f"{i * 7:04d}" for i in range(N)]
    few = [("0.5", "0,5", "1.5", "2")[i % 4] for i in range(N)]
    columns = {"zip": codes, "few": few, "z": numbers(), "y": ["no", "yes"] * (N // 2)}

    assert not mixed(check(columns, separator=";"))


@pytest.mark.parametrize(("n_strays", "refused"), [(1, True), (20, True), (21, False), (40, False)])
def test_strays_are_a_mistake_and_foreign_codes_are_categories(check, n_strays, refused):
    codes = [str(10_000 + 7 * i % 3_000) for i in range(1_000)]
    for i in range(n_strays):
        codes[i * 25] = f"V{i}X {i}"
    columns = {"zip": codes, "z": numbers(1_000), "y": ["no", "yes"] * 500}
    if refused:
        with pytest.raises(SchemaError, match="column 'zip' holds 'V0X 0' in row 1"):
            check(columns)
        return
    found = check(columns)
    (finding,) = mixed(found)
    assert f"{1 - n_strays / 1_000:.1%} of the values of 'zip' are numbers" in finding.message
    assert found.schema.column("zip").kind == "categorical"
    assert found.schema.column("zip").used


def test_codes_are_not_warned_of(check):
    codes = [("1", "2", "3", "A1", "B2")[i % 5] for i in range(N)]
    floors = [("0", "1", "2", "3+")[i % 4] for i in range(N)]

    assert not mixed(check({"x": codes, "z": floors, "y": ["no", "yes"] * (N // 2)}))


def test_decimal_commas_are_numbers(check):
    values = [text.replace(".", ",") for text in with_texts(0.2, ["unknown"])]
    columns = {"x": values, "z": numbers(), "y": ["no", "yes"] * (N // 2)}

    assert mixed(check(columns, separator=";"))


@pytest.mark.parametrize("task", ["auto", "regression"])
@pytest.mark.parametrize("share", [0.01, 0.1, 0.45])
def test_texts_in_a_target_of_numbers(check, share, task):
    columns = {"x": numbers(), "y": with_texts(share, ["unknown"])}
    with pytest.raises(TargetError) as caught:
        check(columns, task=task, max_classes=1_000)

    message = str(caught.value)
    assert caught.value.exit_code == 2
    assert "target 'y' holds 'unknown' in row 1 and" in message
    assert "expected numbers in every row" in message
    assert "run with --set 'data.na_values=NA,N/A," in message
    assert "or, if these are classes, with --set 'data.kinds=" in message
    assert check(columns, task=task, na_values=("unknown",)).schema.task == "regression"


def test_classes_of_numbers_and_letters(check):
    columns = {"x": numbers(), "y": [("1", "2", "3", "A", "B")[i % 5] for i in range(N)]}

    assert check(columns).schema.task == "multiclass"


@given(
    texts=st.lists(st.sampled_from(["a", "12 kg", "?!", "1.2.3", "1_000", "٣ m"]), max_size=60),
    n_numbers=st.integers(0, 80),
    seed=st.integers(0, 99),
)
def test_any_mixture_is_told_or_refused(texts, n_numbers, seed):
    values = [*texts, *(repr(i + 0.5) for i in range(n_numbers))]
    values = [values[i] for i in np.random.default_rng(seed).permutation(len(values))]
    column = pa.chunked_array([pa.array(values, pa.string())])
    measures = measure(column)
    share = n_numbers / max(len(values), 1)
    try:
        said = check_mixed("x", column, measures, DataSettings())
    except SchemaError:
        assert 0.95 <= share < 1
        return
    assert bool(said) == (0.5 <= share < 0.95 and n_numbers > 20)
    assert kind_of(measures) in ("categorical", "text")


@pytest.mark.parametrize("largest", [1e300, -1e300, 1e160, 1e39])
def test_targets_whose_squares_overflow(check, largest):
    with pytest.raises(TargetError) as caught:
        check({"x": numbers(), "y": [*numbers()[:-1], largest]})

    assert caught.value.exit_code == 2
    assert f"target 'y' holds {largest:g} in row {N}" in str(caught.value)
    assert "expected numbers between -1e+36 and 1e+36" in str(caught.value)


def test_targets_that_hardly_differ(check):
    with pytest.raises(TargetError, match=r"varies by .*e-\d\d only"):
        check({"x": numbers(), "y": numbers() * 1e-40})


@pytest.mark.parametrize("scale", [1e35, 1e-28])
def test_large_and_small_targets_stay(check, scale):
    assert check({"x": numbers(), "y": numbers() * scale}).schema.task == "regression"


@pytest.mark.parametrize("scale", [1e39, 1e300])
def test_large_features_stay(check, scale):
    found = check({"x": numbers() * scale, "z": numbers(seed=2), "y": numbers(seed=1)})

    assert found.schema.column("x").used
    (finding,) = (f for f in found.findings if f.code == "huge")
    assert (finding.level, finding.column) == ("warning", "x")
    assert "beyond 1e+30 are taken for 1e+30" in finding.message


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=3, max_size=30))
def test_any_finite_target_is_judged_without_overflow(values):
    column = pa.chunked_array([pa.array(values, pa.float64())])
    settings = DataSettings(target="y", task="regression")
    fits = max(map(abs, values)) <= 1e36 and max(values) - min(values) >= 1e-30
    with contextlib.nullcontext() if fits else pytest.raises(TargetError):
        assert analyse(column, measure(column), settings).task == "regression"
