"""Pods get a size class by what was measured of the table."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regatta.artifacts.records import Recipe
from regatta.errors import SettingsError
from regatta.learners.base import Shape
from regatta.search.pod_memory import (
    CLASSES,
    GIB,
    bytes_of,
    chosen,
    racing_bytes,
    reading_bytes,
    size_class,
)


@given(st.text(max_size=20))
def test_any_text_is_a_quantity_or_an_error(text: str) -> None:
    with contextlib.suppress(SettingsError):
        assert bytes_of(text) > 0


@given(st.integers(1, 10**6))
def test_units_agree(number: int) -> None:
    assert bytes_of(f"{number * 1024}Mi") == bytes_of(f"{number}Gi") == number * GIB


@given(st.floats(0, 1e13))
def test_a_class_holds_what_is_needed_unless_it_is_the_last(needed: float) -> None:
    found = size_class(needed)
    assert found in CLASSES
    assert needed <= bytes_of(found) or found == CLASSES[-1]


def test_what_the_user_asks_for_is_taken_as_it_is() -> None:
    assert chosen("3Gi", 1e12) == chosen(" 3Gi\n", 1) == "3Gi"
    assert chosen("auto", 3 * GIB) == chosen("", 3 * GIB) == "4Gi"
    for text in ("2 Gi", "0", "0.0Gi"):
        with pytest.raises(SettingsError, match=f"'{text}' is no quantity"):
            chosen(text, 1)


def test_a_compressed_file_counts_for_what_is_in_it() -> None:
    plain = reading_bytes(10**9, b"a,b\n")
    assert reading_bytes(10**9, b"\x1f\x8b\x08") == reading_bytes(10**9, b"PAR1") > 4 * plain / 2
    # Seen: 170 MB of text, 1,000,000 x 20, took 0.76 GiB to prepare.
    assert 0.76 * GIB < reading_bytes(170_000_000) < 2 * GIB


def test_learners_that_need_much_ask_for_more() -> None:
    shape = Shape("binary", 200_000, 100, 2)
    light = racing_bytes(250_000, 100, shape, [Recipe("linear", {})])
    heavy = racing_bytes(250_000, 100, shape, [Recipe("random_forest", {"n_estimators": 1000})])
    assert heavy > light >= racing_bytes(250_000, 100)
