"""Messages of gRPC: what is read of them, and how answers are written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kserve import InferResponse

from regatta.errors import RequestError
from regatta.serving import v2_messages
from regatta.serving.tensors import unpack

OUTPUTS = [
    {"name": "prediction", "shape": [2], "datatype": "BYTES", "data": ["ja", "größer"]},
    {"name": "proba_ja", "shape": [2], "datatype": "FP64", "data": [0.1, 1 / 3]},
]


@pytest.mark.parametrize("raw", [False, True])
def test_an_answer_is_read_by_kserves_client(raw: bool) -> None:
    body = {"model_name": "toy", "id": "1", "outputs": OUTPUTS}
    answer = v2_messages.write(body, raw=raw)
    assert (answer.model_name, answer.model_version, answer.id) == ("toy", "", "1")
    labels, numbers = InferResponse.from_grpc(answer).outputs
    assert [text.decode() for text in labels.as_numpy()] == ["ja", "größer"]
    assert numbers.as_numpy().tolist() == [0.1, 1 / 3]
    assert len(answer.raw_output_contents) == (2 if raw else 0)


@pytest.mark.parametrize("raw", [False, True])
def test_a_regression_has_one_output(raw: bool) -> None:
    output = {"name": "prediction", "shape": [1], "datatype": "FP64", "data": [1e-300]}
    body = {"model_name": "toy", "model_version": "3", "id": "1", "outputs": [output]}
    answer = v2_messages.write(body, raw=raw)
    assert answer.model_version == "3"
    (found,) = InferResponse.from_grpc(answer).outputs
    assert found.as_numpy().tolist() == [1e-300]


def test_inputs_are_read_in_their_order() -> None:
    request = v2_messages.ModelInferRequest(raw_input_contents=[b"\x01\x00", b"\x01\x00\x00\x00a"])
    request.inputs.add(name="member", datatype="bool", shape=[2])
    request.inputs.add(name="plan", datatype="BYTES", shape=[1, 1])
    first, second = v2_messages.read(request)
    assert (first.name, first.datatype, first.shape, first.data) == (
        *("member", "BOOL", [2]),
        [True, False],
    )
    assert (second.shape, second.data) == ([1, 1], [b"a"])
    request.inputs[1].contents.SetInParent()
    with pytest.raises(RequestError, match="'plan' has contents, and the request has raw_input"):
        v2_messages.read(request)


def test_a_message_of_absurdly_many_parts_is_not_read() -> None:
    request = v2_messages.ModelInferRequest(model_name="toy", inputs=[{}] * 9)
    request.parameters["a"].int64_param = 300
    request.raw_input_contents.append(b"x" * 1000)
    body = request.SerializeToString()
    v2_messages.check_message(body, 12)
    with pytest.raises(RequestError, match="more than 11 tensors"):
        v2_messages.check_message(body, 11)
    with pytest.raises(RequestError, match="more than 100000 tensors"):
        v2_messages.check_message(b"\x2a\x00" * 2**20)


@given(body=st.binary(max_size=40))
def test_what_is_no_message_is_left_to_the_reader(body: bytes) -> None:
    v2_messages.check_message(body)


@given(values=st.lists(st.text(max_size=5)))
def test_texts_survive(values: list[str]) -> None:
    packed = v2_messages.pack("BYTES", values)
    assert unpack("plan", "BYTES", packed) == [text.encode() for text in values]


@given(values=st.lists(st.floats(allow_nan=False)))
def test_numbers_survive(values: list[float]) -> None:
    assert unpack("age", "FP64", v2_messages.pack("FP64", values)) == values
