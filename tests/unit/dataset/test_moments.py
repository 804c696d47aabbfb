"""Every spelling of dates is read alike in a table and in a request."""

import datetime

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regatta.dataset.moments import FORMATS, ISO_FORMATS, looks_like_date, parse_column, parse_one

DAYS = st.datetimes(datetime.datetime(1970, 1, 1), datetime.datetime(2068, 12, 31))
SPELLINGS = [spelling for spelling in FORMATS if spelling not in ISO_FORMATS]


def first_fitting(text):
    column = pa.chunked_array([[text]])
    for spelling in FORMATS:
        found = parse_column(column, spelling)
        if found is not None:
            return found[0].as_py(), spelling
    return None, ""


@settings(max_examples=400)
@given(spelling=st.sampled_from(SPELLINGS), day=DAYS)
def test_a_date_means_the_same_in_a_table_and_in_a_request(spelling, day):
    text = day.strftime(spelling)
    found, chosen = first_fitting(text)

    assert looks_like_date(text)
    assert parse_one(text, chosen) == found
    if "%d" in chosen and chosen == spelling:
        assert found.date() == day.date()


@given(st.from_regex(r"[0-9A-Za-z:. /,-]{1,14}", fullmatch=True))
def test_what_a_table_reads_a_request_reads(text):
    found, chosen = first_fitting(text) if looks_like_date(text) else (None, "")

    if found is not None:
        assert parse_one(text, chosen) == found


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("27May2020", (2020, 5, 27)),
        ("27MAY2020:10:30:15", (2020, 5, 27, 10, 30, 15)),
        ("2020.05.27", (2020, 5, 27)),
        ("May 27 2020", (2020, 5, 27)),
        ("27 January 2020", (2020, 1, 27)),
        ("January 27, 2020", (2020, 1, 27)),
        ("5/27/00", (2000, 5, 27)),
    ],
)
def test_spellings(text, day):
    found, chosen = first_fitting(text)

    assert looks_like_date(text)
    assert found == parse_one(text, chosen) == datetime.datetime(*day)


@pytest.mark.parametrize("text", ["12ab2020", "27May20", "a 5 2020", "5May20201", "1.234.567"])
def test_keys_are_not_worth_trying(text):
    assert not looks_like_date(text)
