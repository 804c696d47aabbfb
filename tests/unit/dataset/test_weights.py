"""Weights of rows: what is refused, what is left out, what is said."""

import numpy as np
import pytest

from regatta.dataset import Schema
from regatta.errors import SchemaError, SettingsError, TargetError

N = 40


def columns(weights, y=None):
    y = ["yes", "no"] * (N // 2) if y is None else y
    return {"x": [round(0.37 * i % 5, 3) for i in range(N)], "w": weights, "y": y}


def with_one(value, row=4):
    weights = [1.5, 2.0] * (N // 2)
    weights[row] = value
    return weights


def test_a_weight_is_no_feature(check):
    found = check(columns([1, 2] * (N // 2)), weight="w")
    assert found.schema.weight == "w"
    assert [column.name for column in found.schema.features] == ["x"]
    assert found.schema.column("w").reason == "weight"
    assert found.schema.measured == ("y", "w")
    assert Schema.from_dict(found.schema.to_dict()) == found.schema
    assert not [one for one in found.findings if one.column == "w"]


def test_without_the_setting_it_is_one(check):
    schema = check(columns([1, 2] * (N // 2))).schema
    assert (schema.weight, schema.measured) == ("", ("y",))
    assert "weight" not in schema.to_dict()
    assert "w" in [column.name for column in schema.features]


def test_rows_of_weight_zero_are_counted(check):
    found = check(columns([0, 1, 2, 3] * (N // 4), ["yes", "yes", "no", "no"] * 10), weight="w")
    (finding,) = [one for one in found.findings if one.column == "w"]
    assert (finding.level, finding.message) == ("warning", "10 rows of weight 0 are left out")


def test_equal_weights_are_told(check):
    (finding,) = [one for one in check(columns([2] * N), weight="w").findings if one.column == "w"]
    assert finding.message == "all weights are the same: they change nothing"


def test_rows_without_a_target_need_no_weight(check):
    y = ["yes", "no"] * (N // 2)
    y[4] = ""
    found = check(columns(with_one(""), y), weight="w")
    assert {one.column for one in found.findings if one.code == "dropped"} == {"y"}


REFUSED = {
    "text": (with_one("much"), SchemaError, "'w' holds 'much' in row 5"),
    "missing": (with_one(""), SchemaError, "'w' is missing in row 5;"),
    "empty": ([""] * N, SchemaError, "'w' is missing in row 1 and 39 more"),
    "negative": (with_one(-2.5), SchemaError, "'w' is negative (-2.5) in row 5"),
    "infinite": (with_one("inf"), SchemaError, "'w' is infinite (inf) in row 5"),
    "true": (["true", "false"] * (N // 2), SchemaError, "'w' holds true and false"),
    "dates": (["2024-01-02", "2024-02-03"] * (N // 2), SchemaError, "'w' holds dates"),
    "zeros": ([0] * N, SchemaError, "'w' are 0 in all rows"),
    "few": ([*[1] * 12, *[0] * (N - 12)], SchemaError, "12 rows have a target and a weight 'w'"),
    "huge": ([1e200] * N, SchemaError, "weight 'w' is 1e+200 in row 1;"),
    "tiny": ([1e-200] * N, SchemaError, "weight 'w' is 1e-200 in row 1;"),
    "range": (with_one(1e-12), SchemaError, "'w' reach from 1e-12 to 2"),
    "class": ([1, 0] * (N // 2), TargetError, "class 'no' of target 'y' has no rows with a weight"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(refused, case):
    weights, error, expected = REFUSED[case]
    message = refused(columns(weights), error, weight="w")
    assert expected in message


def test_a_class_needs_two_rows_of_weight(refused):
    weights = [1, 1, *[1, 0] * (N // 2)][:N]
    message = refused(columns(weights), TargetError, weight="w")
    assert "class 'no' of target 'y' has 1 row with a weight 'w' above 0" in message


def test_a_regression_needs_two_values_of_weight(refused):
    y = [5.5, *np.linspace(1, 3, N - 1).round(3)]
    y[:22] = [5.5] * 22
    message = refused(columns([*[1] * 22, *[0] * (N - 22)], y), TargetError, weight="w")
    assert "one value in all rows whose weight 'w' is above 0" in message


NAMED = {
    "unknown": ({"weight": "ww"}, "no column 'ww' (did you mean 'w'?) for the weights"),
    "target": ({"weight": "y"}, "'y' is to be the target and the weight"),
    "kind": ({"weight": "w", "kinds": {"w": "text"}}, "the weight of the rows, is text"),
}


@pytest.mark.parametrize("case", NAMED)
def test_a_name_that_does_not_do(refused, case):
    settings, expected = NAMED[case]
    assert expected in refused(columns([1] * N), SettingsError, **settings)
