"""What one column tells of the target, compared with a plain count over the rows."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regatta.dataset.leaks import LeakCheck
from regatta.dataset.measures import measure

FEATURES = st.sampled_from([None, -3, 0, 1, 2, 7])
TARGETS = st.sampled_from([None, "a", "b", "c"])


def plain(features, targets):
    """Return whether few values have one class each, or the ranges of many are apart."""
    rows = [(x, y) for x, y in zip(features, targets, strict=True) if y is not None]
    classes = {}
    for x, y in rows:
        classes.setdefault(x, set()).add(y)
    return all(len(found) == 1 for found in classes.values())


@given(st.lists(st.tuples(FEATURES, TARGETS), min_size=70, max_size=90))
@pytest.mark.parametrize("tells", [False, True])
def test_values_of_one_class(tells, pairs):
    names = {None: "a", -3: "a", 0: "b", 1: "c", 2: "b", 7: "a"}
    features = [x for x, _ in pairs]
    targets = [y and (names[x] if tells else y) for x, y in pairs]
    feature, target = pa.chunked_array([features], pa.int64()), pa.chunked_array([targets])
    measures = measure(feature)
    if measures.present < 50 or target.null_count == len(target):
        return
    found = LeakCheck(target, "multiclass").gives_away(feature, measures)
    assert found == plain(features, targets)
    assert not tells or found


@pytest.mark.parametrize("dtype", [pa.int64(), pa.float64()])
def test_ranges_that_are_apart(dtype):
    values = [None if i % 9 == 0 else i for i in range(200)]
    target = pa.chunked_array(
        [[None if i % 7 == 0 else "no" if i < 90 else "yes" for i in range(200)]]
    )
    feature = pa.chunked_array([values], dtype)
    touching = pa.chunked_array([[*values[:199], 20]], dtype)
    check = LeakCheck(target, "binary")

    assert check.gives_away(feature, measure(feature))
    assert not check.gives_away(touching, measure(touching))


def test_a_linear_function():
    values = [None if i % 9 == 0 else float(i % 61) for i in range(200)]
    target = pa.chunked_array([[None if i % 7 == 0 else 3.0 * (i % 61) - 1 for i in range(200)]])
    feature = pa.chunked_array([values])
    other = pa.chunked_array([[v and v * v for v in values]])
    check = LeakCheck(target, "regression")

    assert check.gives_away(feature, measure(feature))
    assert not check.gives_away(other, measure(other))


def test_numbers_near_the_largest_float():
    feature = pa.chunked_array([[1e308 * (-1) ** i for i in range(100)]])
    target = pa.chunked_array([[float(i % 7) for i in range(100)]])

    assert not LeakCheck(target, "regression").gives_away(feature, measure(feature))
