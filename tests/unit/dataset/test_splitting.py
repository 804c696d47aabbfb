"""Columns by which rows are split: what is refused, what is left out, what is said."""

import pytest

from regatta.dataset import Schema
from regatta.errors import SchemaError, SettingsError

N = 40


def columns(values, y=None):
    y = ["yes", "no"] * (N // 2) if y is None else y
    return {"x": [round(0.37 * i % 5, 3) for i in range(N)], "s": values, "y": y}


def said(found):
    return [(one.level, one.code, one.message) for one in found.findings if one.column == "s"]


def test_a_group_is_no_feature(check):
    found = check(columns([i // 4 for i in range(N)]), split={"group": "s"})

    assert (found.schema.group, found.schema.time) == ("s", "")
    assert [column.name for column in found.schema.features] == ["x"]
    assert found.schema.column("s").reason == "group"
    assert Schema.from_dict(found.schema.to_dict()) == found.schema
    assert not said(found)


def test_a_time_is_a_feature_unless_it_is_ignored(check):
    days = [f"2024-01-{1 + i % 28:02d}" for i in range(N)]
    found = check(columns(days), split={"time": "s"})

    assert found.schema.time == "s"
    assert [column.name for column in found.schema.features] == ["x", "s"]
    assert Schema.from_dict(found.schema.to_dict()) == found.schema
    found = check(columns(days), split={"time": "s"}, ignore=("s",))
    assert [column.name for column in found.schema.features] == ["x"]


def test_without_the_settings_nothing_is_written_of_them(check):
    assert not {"group", "time"} & set(check(columns(list(range(N)))).schema.to_dict())


def test_rows_without_a_group_are_told(check):
    found = check(columns([i // 4 or "" for i in range(N)]), split={"group": "s"})
    expected = "4 rows without a value: each is taken for a group of its own"
    assert said(found) == [("warning", "no_group", expected)]


def test_groups_of_one_row_are_told(check):
    found = check(columns([f"c{i}" for i in range(N)]), split={"group": "s"})
    expected = "no two rows have the same value: splitting by groups changes nothing"
    assert said(found) == [("warning", "single_groups", expected)]


def test_rows_without_a_time_are_told(check):
    y = ["yes", "no"] * (N // 2)
    y[0] = ""
    found = check(columns(["", "", *range(2, N)], y), split={"time": "s"}, ignore=("s",))
    # The first has no target either, and is left out for that.
    assert said(found) == [("warning", "dropped", "1 row without a time is left out")]


REFUSED = {
    "texts": (["a", "b"] * (N // 2), "time", "time 's' holds 'a' in row 1"),
    "truths": (["true", "false"] * (N // 2), "time", "time 's' holds true and false;"),
    "no times": ([""] * N, "time", "the column of the times, 's', is empty in all 40 rows"),
    "no groups": ([""] * N, "group", "the column of the groups, 's', is empty in all 40 rows"),
    "infinite": ([*range(N - 1), "inf"], "time", "'s' is infinite in row 40"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(refused, case):
    values, key, expected = REFUSED[case]
    message = refused(columns(values), SchemaError, split={key: "s"})
    assert expected in message
    assert "To fix: " in message


def test_an_infinite_time_that_is_no_feature_is_refused(refused):
    message = refused(
        columns([*range(N - 1), "inf"]), SchemaError, split={"time": "s"}, ignore=("s",)
    )
    assert "'s' is infinite in row 40" in message or "holds inf in row 40" in message


NAMED = {
    "unknown": ({"group": "ss"}, {}, "no column 'ss' (did you mean 's'?) for the groups"),
    "no time": ({"time": "ss"}, {}, "no column 'ss' (did you mean 's'?) for the times"),
    "target": ({"group": "y"}, {}, "'y' is to be the target, and the groups by which"),
    "weight": ({"time": "s"}, {"weight": "s"}, "'s' is to be the weight, and the times by which"),
}


@pytest.mark.parametrize("case", NAMED)
def test_a_name_that_does_not_do(refused, case):
    split, data, expected = NAMED[case]
    assert expected in refused(columns([1, 2] * (N // 2)), SettingsError, split=split, **data)
