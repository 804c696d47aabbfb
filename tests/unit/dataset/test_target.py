"""What is known and what is refused of a target: task, classes, values."""

import json

import numpy as np
import pandas as pd
import pytest

from regatta.dataset import Schema
from regatta.errors import TargetError
from regatta.testing.tables import multiclass_table, regression_table
from tests.unit.dataset.columns import N, codes, x, y


@pytest.mark.parametrize(
    ("table", "task", "n_outputs"),
    [(multiclass_table, "multiclass", 3), (regression_table, "regression", 1)],
)
def test_other_tasks(check, table, task, n_outputs):
    frame = table(200)
    schema = check(frame.to_dict("list"), target="outcome").schema

    assert schema.task == task
    assert schema.n_outputs == n_outputs


@pytest.mark.parametrize(
    ("values", "task", "classes"),
    [
        (["a", "b"] * 100, "binary", ("a", "b")),
        (["true", "FALSE"] * 100, "binary", ("FALSE", "true")),
        (["true", "TRUE", "false"] * 70, "binary", ("false", "true")),
        ([" <=50K", " >50K"] * 100, "binary", (" <=50K", " >50K")),
        ([" no", "no", " yes"] * 70, "binary", ("no", " yes")),
        ([0, 1] * 100, "binary", ("0", "1")),
        ([0.5, 1.5] * 100, "binary", ("0.5", "1.5")),
        ([10, 9, -1, 8] * 50, "multiclass", ("-1", "8", "9", "10")),
        ([1.0, 2.0, 3.0, ""] * 50, "multiclass", ("1.0", "2.0", "3.0")),
        (["1", "1.0", "2", "3"] * 50, "multiclass", ("1", "2", "3")),
        (["b", "a", "c", "c"] * 50, "multiclass", ("a", "b", "c")),
        ([0.5, 1.5, 2.5, 3.5] * 50, "regression", ()),
        (list(range(200)), "regression", ()),
        ([*range(20), *range(20)] * 5, "multiclass", tuple(map(str, range(20)))),
        ([i % 21 for i in range(200)], "regression", ()),
        ([i % 19 for i in range(100)], "regression", ()),
    ],
)
def test_the_task_is_found_out(check, values, task, classes):
    schema = check({"x": x(len(values)), "y": values}).schema

    assert (schema.task, schema.classes) == (task, classes)


def test_a_task_may_be_given(check, refused):
    ints = [0, 1, 2, 3] * 50
    assert check({"x": x(), "y": ints}, task="regression").schema.task == "regression"
    many = [i % 50 for i in range(N)]
    assert len(check({"x": x(), "y": many}, task="multiclass").schema.classes) == 50
    as_class = check({"x": x(), "y": many}, kinds={"y": "categorical"})
    assert as_class.schema.task == "multiclass"
    as_number = check({"x": x(), "y": ints}, kinds={"y": "numeric"})
    assert as_number.schema.task == "regression"
    assert "has 4 classes" in refused({"x": x(), "y": ints}, TargetError, task="binary")
    assert "--task binary" in refused({"x": x(), "y": y()}, TargetError, task="multiclass")


def test_a_regression_target_with_text(refused):
    values = [str(i) for i in range(N)]
    values[6] = "n. a."
    assert "'n. a.' in row 7" in refused({"x": x(), "y": values}, TargetError)
    assert "'n. a.' in row 7" in refused({"x": x(), "y": values}, TargetError, task="regression")
    message = refused({"x": x(), "y": y()}, TargetError, task="regression")
    assert "holds 'no' in row 1" in message
    true = ["true", "false"] * (N // 2)
    assert "true and false" in refused({"x": x(), "y": true}, TargetError, task="regression")


def test_targets_that_cannot_be_learnt(refused):
    assert "is empty in all 200 rows" in refused({"x": x(), "y": ["?"] * N}, TargetError)
    assert "the one value 'a'" in refused({"x": x(), "y": ["a"] * N}, TargetError)
    assert "the one value 7" in refused({"x": x(), "y": [7] * N}, TargetError)
    assert "the one value 'a'" in refused({"x": x(), "y": ["a", ""] * 100}, TargetError)
    dates = [f"2024-01-{1 + i % 28:02d}" for i in range(N)]
    assert "holds dates" in refused({"x": x(), "y": dates}, TargetError)
    infinite = [*range(N - 1), "inf"]
    assert "infinite in row 200" in refused({"x": x(), "y": infinite}, TargetError)


def test_a_class_with_a_single_row(refused):
    message = refused({"x": x(), "y": ["rare", *y()[1:]]}, TargetError)
    assert "class 'rare' of target 'y' has a single row" in message
    assert "merge it" in message
    numbers = [7, *([0, 1, 2] * 67)[: N - 1]]
    assert "--task regression" in refused({"x": x(), "y": numbers}, TargetError)


def test_numbers_are_classes_whatever_rows_are_looked_at(check):
    grades = [(1.0, 2.0, 3.0)[i % 3] for i in range(N)]
    grades[5:7] = [2.5, 2.5]
    schema = check({"x": x(), "y": grades}, task="multiclass").schema
    assert schema.classes == ("1.0", "2.0", "2.5", "3.0")
    # Whole numbers alone are written without a point.
    whole = schema.encode_target(pd.Series([1.0, 3.0, np.nan]))
    assert np.array_equal(whole, [0, 3, np.nan], equal_nan=True)
    assert schema.encode_target(pd.Series([2.5, 1.0])).tolist() == [2, 0]
    with pytest.raises(TargetError, match="holds '4'"):
        schema.encode_target(pd.Series([1.0, 4.0]))


def test_a_thousand_classes(refused):
    values = [f"class {i}" for i in range(1000)]
    many = {"x": x(2000), "y": values * 2}
    assert "has 1,000 different values; expected at most 100" in refused(many, TargetError)
    numbers = {"x": x(2000), "y": list(range(1000)) * 2}
    assert "1,000 different" in refused(numbers, TargetError, task="multiclass")


def test_more_classes_may_be_allowed(check):
    found = check({"x": x(), "y": [f"c{i % 60}" for i in range(N)]}, max_classes=60)

    assert len(found.schema.classes) == 60


def test_a_missing_target(check, refused):
    assert "no target is given" in refused({"x": x(), "y": y()}, TargetError, target="")
    assert "did you mean 'y'" in refused({"x": x(), "y": y()}, TargetError, target="Y")


def test_rows_without_a_target_are_noticed(check):
    found = check({"x": x(), "y": ["", *y()[1:]]})

    assert ("y", "dropped") in codes(found)
    assert found.findings[0].level == "warning"
    assert "1 row without a target" in found.findings[0].message


def test_rare_classes_are_noticed(check):
    values = ["rare"] * 2 + ["no", "yes"] * 249

    assert ("y", "rare_class") in codes(check({"x": x(500), "y": values}))


def test_classes_are_as_the_file_writes_them_whatever_was_read(check):
    values = [" True", "False", " True", "", "?"] * 40
    schema = check({"x": x(200), "y": values}).schema

    assert schema.classes == ("False", " True")
    assert schema.class_values == ("false", "true")
    for truths in ([True, False], [True, False, None]):
        assert schema.encode_target(pd.Series(truths))[:2].tolist() == [1, 0]
    assert np.isnan(schema.encode_target(pd.Series([True, None]))[1])
    assert Schema.from_dict(json.loads(json.dumps(schema.to_dict()))) == schema
