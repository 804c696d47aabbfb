"""Numbers and dates as people write them, and keys that are none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regatta.dataset.moments import FORMATS
from regatta.dataset.written import (
    date_speller,
    date_spellings,
    number_speller,
    two_spellings,
    written,
)

WAYS = (
    "${:,.2f}",
    "-${:,.2f}",
    "$-{:,.2f}",
    "(${:,.2f})",
    "€ {:,.2f}",
    "USD {:,.0f}",
    "CA${:.2f}",
    "{:,.2f} €",
    "{:.3f}kg",
    "{:.1f} km/h",
    "{:.3f}%",
    "{:.0f}M",
    "\u2212{:.1f}",
    "{:.1f}\u202f°C",
    "{:.2e}m³",
)


@given(
    way=st.sampled_from(WAYS),
    numbers=st.lists(st.floats(0, 1e9), min_size=1, max_size=30),
    swapped=st.booleans(),
    others=st.integers(0, 30),
)
def test_numbers_are_recognized_in_any_way(way, numbers, swapped, others):
    texts = [way.format(number) for number in numbers]
    if swapped:
        texts = [text.translate(str.maketrans(",.", ".,")) for text in texts]
    found = written([*texts, *["unknown"] * others])

    assert (found is not None) == (others <= len(numbers))
    if found is not None:
        assert found.what == "numbers"
        assert found.different == len(set(texts))
        assert set(found.examples) <= set(texts)
        assert "write each as a plain number" in found.advice


@given(number=st.integers(1_000, 10**12), separator=st.sampled_from(",.' \u00a0\u202f’"))
def test_thousands_are_told_from_addresses(number, separator):
    text = f"{number:,}".replace(",", separator)
    groups = text.split(".")
    address = len(groups) == 4 and all(int(group) < 256 for group in groups)

    assert (written([text]) is None) == address


@given(
    st.lists(st.from_regex(r"[0-2]?\d:[0-5]\d(:[0-5]\d(\.\d{3})?)?", fullmatch=True), min_size=1)
)
def test_times(texts):
    found = written(texts)

    assert found is not None
    assert (found.what, found.different) == ("times", len(set(texts)))
    assert "seconds since midnight" in found.advice


KEYS = st.one_of(
    st.uuids().map(str),
    st.ip_addresses().map(str),
    st.from_regex(r"[A-Z]{1,2}-?\d{3,6}", fullmatch=True),
    st.from_regex(r"0\d{3,6}[A-Z]?", fullmatch=True),
    st.from_regex(r"\d{2,4}-\d{3,5}", fullmatch=True),
    st.from_regex(r"\d{1,3}(\.\d{1,2}){2}", fullmatch=True),
    st.from_regex(r"\d{1,2}/\d{1,2}", fullmatch=True),
    st.from_regex(r"#?\d+[a-f]\d+", fullmatch=True),
)


@given(st.lists(KEYS, max_size=30))
def test_keys_are_no_numbers(texts):
    assert written(texts) is None


def test_letters_of_all_kinds_make_keys():
    seats = [f"{row}{seat}" for row in range(1, 40) for seat in "ABCDEFGHJK"]

    assert written(seats) is None
    assert written(["190xx", "900xx"]) is None
    assert written(["19M", "201k", "3.5M"]).units == ("M", "k")


@given(st.lists(st.text(max_size=12), max_size=20), st.integers(0, 20))
def test_any_texts_are_looked_at(texts, plain):
    found = written(texts, plain)

    if found is not None:
        assert 1 <= found.different <= len(set(texts))
        assert set(found.examples) <= set(texts)


@pytest.mark.parametrize(
    ("comma", "texts", "two"),
    [
        (True, ["3", "0.5", "1.5", "0,5"], ("0.5", "0,5")),
        (True, ["3", "0,5", "1,5"], None),
        (False, ["3", "0.5", "0,5"], None),
    ],
)
def test_decimal_signs(comma, texts, two):
    assert two_spellings(texts, number_speller(decimal_comma=comma)) == two


@given(
    days=st.lists(st.datetimes(), min_size=1, max_size=5),
    spellings=st.lists(st.sampled_from(["%Y-%m-%d", "%m/%d/%Y", "%d.%m.%Y", "%d %b %Y"])),
)
def test_dates_are_read_in_the_spellings_that_were_found(days, spellings):
    days = [day.replace(year=max(day.year, 1000)) for day in days]
    texts = [day.strftime(spelling) for spelling in spellings for day in days]
    found = date_spellings([*texts, "soon", "12"])
    spell = date_speller(found)

    assert set(found) <= {"", *FORMATS}
    assert all(map(spell, texts))
    assert (spell("soon"), spell("12")) == ("", "")
    if len(set(spellings)) > 1:
        assert two_spellings(texts, spell) is not None
