"""V2 bodies with binary tensors: what is true is read, what is not is refused."""

import json
import struct
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regatta.errors import RequestError
from regatta.serving import v2_body


def texts(*values: bytes) -> bytes:
    return b"".join(struct.pack("<I", len(value)) + value for value in values)


def pack(content: bytes, *inputs: dict[str, Any], **more: Any) -> tuple[bytes, str]:
    head = orjson.dumps({"inputs": list(inputs), **more})
    return head + content, str(len(head))


def binary(kind: str, shape: list[int], size: Any, name: str = "a") -> dict[str, Any]:
    parameters = {"binary_data_size": size}
    return {"name": name, "shape": shape, "datatype": kind, "parameters": parameters}


def test_binary_tensors_and_json_side_by_side() -> None:
    numbers, words = np.array([1.5, np.nan]).tobytes(), texts(b"", "ä".encode())
    body, length = pack(
        numbers + words + b"\x00\x01",
        binary("FP64", [2], len(numbers), "x"),
        {"name": "j", "shape": [2], "datatype": "int8", "data": [1, None]},
        binary("BYTES", [2], len(words), "y"),
        binary("BOOL", [2], 2, "z"),
        id="mine",
        outputs=[{"name": "prediction", "parameters": {"binary_data": True}}],
    )
    found = v2_body.read(body, length)
    assert [tensor.name for tensor in found.tensors] == ["x", "j", "y", "z"]
    x, j, y, z = (list(tensor.data) for tensor in found.tensors)
    assert x[0] == 1.5
    assert np.isnan(x[1])
    assert (j, y, z) == ([1, None], [b"", "ä".encode()], [False, True])
    assert found.tensors[1].datatype == "INT8"
    assert found.id == "mine"
    assert found.outputs == [("prediction", {"binary_data": True})]


@pytest.mark.parametrize(
    ("content", "tensor", "message"),
    [
        (b"\x09\x00\x00\x00ab", binary("BYTES", [1], 6), "a text of 9 bytes at byte 0 of its 6"),
        (b"\xff\xff\xff\xffab", binary("BYTES", [1], 6), "a text of 4294967295 bytes"),
        (b"\x01\x00", binary("BYTES", [1], 2), "2 bytes at byte 0 of its 2"),
        (texts(b"a") + b"xyz", binary("BYTES", [1], 8), "3 bytes at byte 5 of its 8"),
        (b"abc", binary("BYTES", [1], 900), "binary_data_size 900, and 3 bytes are left"),
        (b"abc", binary("BYTES", [1], -1), "binary_data_size -1"),
        (b"abc", binary("BYTES", [1], "3"), "binary_data_size '3'"),
        (b"abc", binary("BYTES", [1], 3.0), "binary_data_size 3.0"),
        (b"abc", binary("BYTES", [1], True), "binary_data_size True"),
        (b"abc", binary("FP64", [1], 3), "has 3 bytes; expected a multiple of 8"),
        (b"\x02", binary("BOOL", [1], 1), "holds the byte 2; expected 0 or 1"),
        (b"abcd", binary("FP64", [0], 0), "4 bytes follow the last tensor"),
        (b"", binary("FP128", [1], 0), "datatype 'FP128' .did you mean 'FP"),
        (b"", binary("FP64", ["1"], 0), "has 'shape' a list of 1 value"),  # type: ignore[list-item]
        (b"", {"name": "a", "shape": [1], "datatype": "FP64"}, "input 'a' has no 'data'"),
        (b"", {"name": "a", "datatype": "FP64", "data": [1]}, "input 'a' has no 'shape'"),
        (b"", {"name": "a", "shape": [1], "data": [1]}, "input 'a' has no 'datatype'"),
        (b"", {"shape": [1], "datatype": "FP64", "data": [1]}, "input 1 has no 'name'"),
        (b"", {"name": 3, "shape": [1]}, "input 1 has 'name' 3"),
    ],
)
def test_sizes_and_lengths_that_are_not_true(
    content: bytes, tensor: dict[str, Any], message: str
) -> None:
    body, length = pack(content, tensor)
    with pytest.raises(RequestError, match=message) as caught:
        v2_body.read(body, length)
    assert caught.value.expected
    assert caught.value.fix


@pytest.mark.parametrize("length", ["", "x", "-5", "1e3", "٣", "9" * 400, "26", " 2", "+2"])
def test_lengths_of_the_json_that_cannot_be(length: str) -> None:
    with pytest.raises(RequestError, match="inference-header-content-length is"):
        v2_body.read(b'{"inputs": [], "id": "ab"}'[:25], length)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "is empty"),
        (b"{", "not JSON"),
        (b"[]", "no 'inputs'"),
        (b'{"instances": []}', "no 'inputs'"),
        (b'{"inputs": {}}', "'inputs' as an object of 0 values"),
        (b'{"inputs": [3]}', "input 1 is 3"),
        (b'{"inputs": [], "id": 3}', "'id' of the request is 3"),
        (b'{"inputs": [], "parameters": []}', "'parameters' of the request is a list"),
        (b'{"inputs": [], "outputs": {}}', "'outputs' of the request is an object"),
        (b'{"inputs": [], "outputs": [1]}', "output 1 of the request is 1"),
        (b'{"inputs": [], "outputs": [{"name": "p", "parameters": 1}]}', "'parameters' of output"),
    ],
)
def test_json_that_is_no_request(body: bytes, message: str) -> None:
    with pytest.raises(RequestError, match=message) as caught:
        v2_body.read(body)
    assert caught.value.expected
    assert "instances" not in caught.value.expected


sizes = st.integers(-3, 40) | st.sampled_from([2**31, 2**63, -(2**63), None, "8", 1.5, True])
shapes = st.lists(st.integers(-2, 5), max_size=3) | st.none() | st.just([2**70])
tensors = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["age", "plan", ""]) | st.none(),
        "shape": shapes,
        "datatype": st.sampled_from(["BYTES", "FP64", "FP16", "BOOL", "INT64", "UINT8", "X", ""]),
        "parameters": st.fixed_dictionaries({}, optional={"binary_data_size": sizes}) | st.none(),
    },
    optional={"data": st.lists(st.integers() | st.text(max_size=3), max_size=3) | st.none()},
)
contents = st.binary(max_size=60) | st.lists(st.binary(max_size=6)).map(lambda v: texts(*v))


@st.composite
def garbled(draw: st.DrawFn) -> tuple[bytes, str]:
    head = json.dumps({"inputs": draw(st.lists(tensors, max_size=3))}).encode()
    length = draw(st.just(len(head)) | st.integers(-2, len(head) + 9))
    text = draw(st.just(str(length)) | st.text(max_size=4))
    body = head + draw(contents)
    return body[: draw(st.just(len(body)) | st.integers(0, len(body)))], text


@settings(deadline=None, max_examples=300)
@given(garbled())
def test_garbled_bodies_are_read_or_refused_and_nothing_else(found: tuple[bytes, str]) -> None:
    from regatta.serving.app import DataPlane

    body, length = found
    refused, request = None, None
    try:
        request, _ = DataPlane(None).decode(body, {v2_body.LENGTH_HEADER: length}, "v2", "toy")
    except RequestError as err:
        refused = err
    if refused is None:
        assert all(isinstance(tensor.data, list) for tensor in request.inputs)
    else:
        assert refused.expected
        assert refused.fix
        assert len(str(refused)) < 1000
