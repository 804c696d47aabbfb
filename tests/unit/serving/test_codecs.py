"""Request bodies: what is understood, what is refused, and that nothing else happens."""

from collections.abc import Callable
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regatta.bundle import Bundle
from regatta.dataset.schema import Column
from regatta.errors import RequestError
from regatta.features.rows import RowFeatures
from regatta.serving import codecs
from regatta.serving.tensors import Tensor, inputs, outputs

SIGNATURE = (
    Column("age", "numeric", "int64", example=31),
    Column("plan", "categorical", "string", missing=3, example="basic"),
    Column("member", "boolean", "bool", missing=3, example=True),
    Column("since", "datetime", "timestamp", missing=3, example="2024-01-31T00:00:00"),
)


def make(classes: tuple[str, ...] = ("no", "yes"), thresholds: tuple[float, ...] = ()) -> Bundle:
    return Bundle(
        name="churn",
        task="binary" if classes else "regression",
        target="churn",
        classes=classes,
        signature=SIGNATURE,
        thresholds=thresholds,
        metadata={"columns": ["id", "age", "plan", "member", "since", "churn"]},
        features=RowFeatures(()),
        parts=(),
    )


BUNDLE = make()


def test_v1_rows_become_columns_in_the_order_of_the_signature() -> None:
    rows = [{"plan": "basic", "age": 31}, {"age": None}]
    frame = codecs.decode_v1({"instances": rows}, BUNDLE).frame
    assert frame.columns.tolist() == ["age", "plan", "member", "since"]
    assert frame["plan"].tolist() == ["basic", None]


def test_v1_columns_of_the_training_table_that_are_not_read_are_allowed() -> None:
    frame = codecs.decode_v1({"instances": [{"age": 1, "id": 7, "churn": "no"}]}, BUNDLE).frame
    assert "id" not in frame
    assert frame["age"].tolist() == [1]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ([], "no 'instances'"),
        (None, "no 'instances'"),
        ({}, "no 'instances'"),
        ({"inputs": []}, "no 'instances'"),
        ({"instances": []}, "at least one row"),
        ({"instances": {"age": 1}}, "an object of 1 value"),
        ({"instances": [[1, 2]]}, "row 1 of 'instances' is a list"),
        ({"instances": [{"age": 1}, 5]}, "row 2 of 'instances' is 5"),
        ({"instances": [{"aeg": 1}]}, r"'aeg' \(did you mean 'age'\?\)"),
        ({"instances": [{"age": 1}, {"age": [1]}]}, "column 'age' holds a list .* in row 2"),
        ({"instances": [{"age": {"a": 1}}]}, "column 'age' holds an object"),
        ({"instances": [{"age": 1}, {"plan": "a"}]}, "row 2 has no column 'age'"),
        ({"instances": [{}]}, "row 1 has no column 'age'"),
    ],
)
def test_v1_refuses(body: Any, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        codecs.decode_v1(body, BUNDLE)


@pytest.mark.parametrize(("body", "message"), [(b"", "is empty"), (b'{"a": NaN}', "not JSON")])
def test_bodies_that_are_no_json(body: bytes, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        codecs.parse_json(body)


def test_v2_one_tensor_a_column() -> None:
    tensors = [
        Tensor("age", "INT64", [2], [31, None]),
        Tensor("plan", "BYTES", [2, 1], [["basic"], [b"pro"]]),
        Tensor("member", "BOOL", [2], [True, False]),
        Tensor("id", "BYTES", [2], ["a", "b"]),
    ]
    table = codecs.decode_v2(tensors, ["proba_yes"], BUNDLE)
    assert table.frame["plan"].tolist() == ["basic", "pro"]
    assert table.frame.columns.tolist() == ["age", "plan", "member", "since"]
    assert table.frame["since"].tolist() == [None, None]
    assert table.wanted == ("proba_yes",)


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ([], "no 'inputs'"),
        ([Tensor("aeg", "FP64", [1], [1.0])], "did you mean 'age'"),
        ([Tensor("age", "FP64", [2], [1.0])], r"shape \[1\] or \[1, 1\]"),
        ([Tensor("age", "FP64", [0], [])], "0 values"),
        ([Tensor("age", "FP64", [1, 1, 1], [1.0])], r"has shape \[1, 1, 1\] and 1 value;"),
        ([Tensor("age", "FP64", [-1], [1.0])], r"has shape \[-1\] and 1 value;"),
        ([Tensor("age", "FP64", [1], ["x"])], "holds 'x' in row 1"),
        ([Tensor("age", "FP64", [1], [True])], "holds True in row 1"),
        ([Tensor("age", "INT8", [1], [1.5])], "holds 1.5 in row 1"),
        ([Tensor("age", "FP64", [1], [10**400])], "a huge number"),
        ([Tensor("age", "FP64", [1], [[[1]]])], "holds a list"),
        ([Tensor("age", "FLOAT", [1], [1.0])], "datatype 'FLOAT'"),
        ([Tensor("plan", "BYTES", [1], [1])], "holds 1 in row 1"),
        ([Tensor("plan", "BYTES", [1], [b"\xff"])], "not UTF-8"),
        ([Tensor("plan", "BYTES", [1], ["\ud800"])], "not UTF-8"),
        ([Tensor("age", "FP64", [1], [1.0])] * 2, "given twice"),
        ([Tensor("plan", "BYTES", [1], ["a"])], "the request has no column 'age'"),
        (
            [Tensor("age", "FP64", [1], [1.0]), Tensor("member", "BOOL", [2], [True, None])],
            r"shape \[1\]",
        ),
    ],
)
def test_v2_refuses(tensors: list[Tensor], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        codecs.decode_v2(tensors, [], BUNDLE)


def test_v2_refuses_unknown_outputs() -> None:
    tensors = [Tensor("age", "FP64", [1], [1.0])]
    with pytest.raises(RequestError, match="did you mean 'proba_yes'"):
        codecs.decode_v2(tensors, ["proba_yse"], BUNDLE)


def test_answers_of_a_classification() -> None:
    predicted = np.array([[0.75, 0.25], [0.4, 0.6]])
    assert codecs.encode_v1(predicted, BUNDLE) == {
        "predictions": [
            {"prediction": "no", "probabilities": {"no": 0.75, "yes": 0.25}},
            {"prediction": "yes", "probabilities": {"no": 0.4, "yes": 0.6}},
        ]
    }
    assert codecs.encode_v2(predicted, BUNDLE) == [
        {"name": "prediction", "shape": [2], "datatype": "BYTES", "data": ["no", "yes"]},
        {"name": "proba_no", "shape": [2], "datatype": "FP64", "data": [0.75, 0.4]},
        {"name": "proba_yes", "shape": [2], "datatype": "FP64", "data": [0.25, 0.6]},
    ]
    assert [o["name"] for o in codecs.encode_v2(predicted, BUNDLE, ["proba_no"])] == ["proba_no"]


def test_answers_of_a_regression() -> None:
    predicted = np.array([[3.5]])
    assert codecs.encode_v1(predicted, make(())) == {"predictions": [{"prediction": 3.5}]}
    assert codecs.encode_v2(predicted, make(())) == [
        {"name": "prediction", "shape": [1], "datatype": "FP64", "data": [3.5]}
    ]


def test_thresholds_decide_the_label() -> None:
    predicted = np.array([[0.75, 0.25]])
    answer = codecs.encode_v1(predicted, make(thresholds=(0.8, 0.2)))
    assert answer["predictions"][0]["prediction"] == "yes"


def test_predictions_that_overflow_are_the_requests_fault() -> None:
    with pytest.raises(RequestError, match="row 2 is not finite"):
        codecs.encode_v1(np.array([[1.0], [np.inf]]), make(()))


def test_metadata_names_every_tensor() -> None:
    assert inputs(BUNDLE) == [
        {"name": "age", "datatype": "FP64", "shape": [-1]},
        {"name": "plan", "datatype": "BYTES", "shape": [-1]},
        {"name": "member", "datatype": "BOOL", "shape": [-1]},
        {"name": "since", "datatype": "BYTES", "shape": [-1]},
    ]
    assert [o["name"] for o in outputs(BUNDLE)] == ["prediction", "proba_no", "proba_yes"]


def attempt(function: Callable[..., Any], *values: Any) -> Any:
    """Return what a function returned, or the `RequestError` that it raised."""
    try:
        return function(*values)
    except RequestError as err:
        return err


scalars = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats() | st.text(max_size=20)
)
names = st.sampled_from(["age", "plan", "member", "since", "id", "aeg"]) | st.text(max_size=5)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
    max_leaves=10,
)
bodies = values | st.fixed_dictionaries(
    {"instances": st.lists(st.dictionaries(names, values, max_size=4) | values, max_size=4)}
)


@settings(deadline=None)
@given(bodies)
def test_v1_takes_or_refuses_any_json(body: Any) -> None:
    found = attempt(codecs.decode_v1, body, BUNDLE)
    if isinstance(found, RequestError):
        assert len(str(found)) < 1000
    else:
        assert len(found.frame) == len(body["instances"])


@settings(deadline=None)
@given(st.binary(max_size=50) | bodies.map(lambda body: orjson.dumps(repr(body))))
def test_any_bytes_are_parsed_or_refused(body: bytes) -> None:
    found = attempt(codecs.parse_json, body)
    assert not isinstance(found, RequestError) or found.http_status == 400


tensors = st.builds(
    Tensor,
    name=names,
    datatype=st.sampled_from(["BYTES", "FP64", "FP32", "INT64", "UINT8", "BOOL", "X", ""]),
    shape=st.lists(st.integers(-2, 4), max_size=3),
    data=st.lists(values | st.binary(max_size=4) | st.integers(), max_size=4),
)


@settings(deadline=None)
@given(st.lists(tensors, max_size=4), st.lists(st.text(max_size=5), max_size=2))
def test_v2_takes_or_refuses_any_tensors(found: list[Tensor], wanted: list[str]) -> None:
    table = attempt(codecs.decode_v2, found, wanted, BUNDLE)
    if isinstance(table, RequestError):
        assert len(str(table)) < 1000
    else:
        assert len(table.frame) == found[0].shape[0]
