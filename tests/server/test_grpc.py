"""V2 over gRPC, as a client sees it: the answers of HTTP, by another way."""

import concurrent.futures
import contextlib
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb

from regatta.bundle import Bundle
from regatta.errors import RequestError, ServiceError
from tests.server.asking import Rows
from tests.server.grpc_calls import LONGEST, Served, age, message, packed, refused, serving
from tests.server.test_refusals import relaxed


@pytest.fixture(scope="module")
def served(bundle_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(bundle_path, tmp_path_factory.mktemp("grpc")) as found:
        assert found.process.stdout is not None
        assert found.process.stdout.readline() == "ready\n", found.log.read_text()
        yield found
        assert found.process.poll() is None
        assert "Traceback" not in found.log.read_text()


def probabilities(answer: Any) -> Any:
    """Return the probabilities of a typed or a raw answer."""
    if answer.raw_output_contents:
        return np.column_stack([np.frombuffer(raw) for raw in answer.raw_output_contents[1:]])
    return np.column_stack([list(out.contents.fp64_contents) for out in answer.outputs[1:]])


@pytest.mark.parametrize("raw", [False, True])
def test_answers_are_the_bundles(served: Served, rows: Rows, loaded: Bundle, raw: bool) -> None:
    expected = loaded.predict(pd.DataFrame(rows))
    answer = served.infer(message(rows, loaded, raw=raw))
    described = [(out.name, out.datatype, list(out.shape)) for out in answer.outputs]
    n_rows = [len(rows)]
    assert described == [
        ("prediction", "BYTES", n_rows),
        ("proba_no", "FP64", n_rows),
        ("proba_yes", "FP64", n_rows),
    ]
    assert (answer.model_name, answer.model_version, answer.id) == ("toy", "7", "abc")
    wanted = expected[["proba_no", "proba_yes"]].to_numpy()
    np.testing.assert_allclose(probabilities(answer), wanted, rtol=0, atol=1e-12)
    labels = [label.encode() for label in expected["prediction"]]
    if raw:
        assert answer.raw_output_contents[0] == packed("BYTES", labels)
        assert not any(out.HasField("contents") for out in answer.outputs)
    else:
        assert list(answer.outputs[0].contents.bytes_contents) == labels


def test_the_client_answers_as_over_http(served: Served, rows: Rows) -> None:
    odd: Rows = [{**rows[0], "age": "50", "member": None, "city": None}]
    for asked in (rows, odd):
        found, wanted = served.grpc.predict(asked), served.http.predict_v1(asked)
        assert [one["prediction"] for one in found] == [one["prediction"] for one in wanted]
        for one, other in zip(found, wanted, strict=True):
            assert one["probabilities"] == pytest.approx(other["probabilities"], abs=1e-12)


NUMBERS = {
    **{f"INT{size}": "int_contents" for size in (8, 16, 32)},
    **{f"UINT{size}": "uint_contents" for size in (8, 16, 32)},
    **{kind: f"{kind.lower()}_contents" for kind in ("INT64", "UINT64", "FP32", "FP64")},
    "FP16": None,
}


@pytest.mark.parametrize("kind", NUMBERS)
def test_all_datatypes_of_numbers(served: Served, rows: Rows, loaded: Bundle, kind: str) -> None:
    rows = [{**rows[0], "age": 50}, {**rows[1], "age": 33}]
    wanted = probabilities(served.infer(message(rows, loaded)))
    raw, typed = message(rows, loaded, raw=True), message(rows, loaded)
    raw.inputs[0].datatype, raw.raw_input_contents[0] = kind, packed(kind, [50, 33])
    np.testing.assert_array_equal(probabilities(served.infer(raw)), wanted)
    if field := NUMBERS[kind]:
        typed.inputs[0].datatype = kind.lower()
        typed.inputs[0].shape.append(1)
        typed.inputs[0].contents.Clear()
        getattr(typed.inputs[0].contents, field).extend([50, 33])
        np.testing.assert_array_equal(probabilities(served.infer(typed)), wanted)


def test_some_outputs_and_columns_only(served: Served, rows: Rows, loaded: Bundle) -> None:
    request = message(rows[:2], loaded)
    request.outputs.add(name="proba_yes")
    request.model_version = "7"
    missing = next(n for n, column in enumerate(loaded.signature) if column.name == "income")
    del request.inputs[missing]
    request.inputs.add(name="key", datatype="BYTES", shape=[2]).contents.bytes_contents.extend(
        [b"a", b"b"]
    )
    (output,) = served.infer(request).outputs
    assert output.name == "proba_yes"
    frame = pd.DataFrame([{**row, "income": None} for row in rows[:2]])
    np.testing.assert_allclose(
        output.contents.fp64_contents, loaded.predict_array(frame)[:, 1], rtol=0, atol=1e-12
    )


def test_health_and_metadata(served: Served) -> None:
    stub = served.grpc.stub
    assert stub.ServerLive(pb.ServerLiveRequest()).live
    assert stub.ServerReady(pb.ServerReadyRequest()).ready
    assert stub.ModelReady(pb.ModelReadyRequest(name="toy", version="7")).ready
    server = stub.ServerMetadata(pb.ServerMetadataRequest())
    over_http = served.http.metadata()
    assert (server.name, list(server.extensions)) == ("regatta", ["binary_tensor_data"])
    found = served.grpc.metadata()
    assert (found.name, found.platform, list(found.versions)) == ("toy", "regatta", ["7"])
    for mine, theirs in ((found.inputs, "inputs"), (found.outputs, "outputs")):
        tensors = [
            {"name": one.name, "datatype": one.datatype, "shape": list(one.shape)} for one in mine
        ]
        assert tensors == over_http[theirs]


BOTH = age("FP64", [1], b"12345678", fp64_contents=[1.0])
TWICE = pb.ModelInferRequest(model_name="toy", inputs=[*age("FP64", [1]).inputs] * 2)
UNEVEN = pb.ModelInferRequest(model_name="toy", raw_input_contents=[b"12345678"])
UNKNOWN = pb.ModelInferRequest(
    model_name="toy",
    inputs=[{"name": "agee", "datatype": "INT8", "shape": [1], "contents": {"int_contents": [1]}}],
)
OUTPUT = age("FP64", [1], fp64_contents=[1.0])
OUTPUT.outputs.add(name="proba_yse")


@pytest.mark.parametrize(
    ("request_", "found"),
    [
        (pb.ModelInferRequest(model_name="toy"), "the request has no 'inputs'"),
        (age("FP64", [1], fp64_contents=[3.0]), "the request has no column 'clicks'"),
        (UNKNOWN, "the model knows no column 'agee' (did you mean 'age'?)"),
        (OUTPUT, "the request has no column"),
        (TWICE, "has shape [1] and 0 values"),
        (BOTH, "input 'age' has contents, and the request has raw_input_contents"),
        (UNEVEN, "the request has 0 inputs and 1 raw_input_contents"),
        (age("FP64", [1], fp32_contents=[1]), "datatype FP64 has values in fp32_contents"),
        (age("FP16", [1], fp32_contents=[1]), "datatype FP16 has values in fp32_contents"),
        (age("FP16", [1]), "input 'age' has shape [1] and 0 values"),
        (age("FP64", [1]), "input 'age' has shape [1] and 0 values"),
        (age("FP64", [], fp64_contents=[1]), "input 'age' has shape [] and 1 value"),
        (age("FP64", [-1], fp64_contents=[1]), "input 'age' has shape [-1] and 1 value"),
        (age("FP64", [2**62, 4], fp64_contents=[1]), "input 'age' has shape [4611686018427387904"),
        (age("FP64", [2], fp64_contents=[1]), "input 'age' has shape [2] and 1 value"),
        (age("", [1], fp64_contents=[1]), "input 'age' has the datatype ''"),
        (age("FP65", [1], fp64_contents=[1]), "'FP65' (did you mean 'FP64'?)"),
        (age("BYTES", [1], bytes_contents=[b"\xff"]), "input 'age' holds text that is not UTF-8"),
        (age("BYTES", [1], b"\x02\x00\x00\x00\xff\xfe"), "input 'age' holds text that is not"),
        (age("BYTES", [1], b"\x09\x00\x00\x00ab"), "input 'age' has a text of 9 bytes"),
        (age("BYTES", [1], b"\xff\xff\xff\xff"), "input 'age' has a text of 4294967295 bytes"),
        (age("BYTES", [1], b"\x01"), "input 'age' has 1 bytes at byte 0"),
        (age("FP64", [1], b"1234567"), "input 'age' has 7 bytes"),
        (age("FP64", [1], b""), "input 'age' has shape [1] and 0 values"),
        (age("INT64", [1], b"12345678" * 2), "input 'age' has shape [1] and 2 values"),
        (age("BOOL", [1], b"\x07"), "input 'age' holds the byte 7"),
    ],
)
def test_requests_that_do_not_fit(served: Served, request_: Any, found: str) -> None:
    code, details = refused(served.infer, request_)
    assert (code, found in details) == ("INVALID_ARGUMENT", True), details
    assert "; expected " in details
    assert ". To fix: " in details


def test_values_that_do_not_fit(served: Served, rows: Rows) -> None:
    for name, value in (("joined", "yesterday"), ("age", "old"), ("member", "maybe")):
        with pytest.raises(RequestError) as caught:
            served.grpc.predict([rows[0], {**rows[0], name: value}])
        assert f"INVALID_ARGUMENT: column '{name}' holds '{value}' in row 2" in caught.value.found


def test_other_models_versions_and_methods(served: Served, rows: Rows, loaded: Bundle) -> None:
    stub, load = served.grpc.stub, pb.RepositoryModelLoadRequest(model_name="toy")
    unload = pb.RepositoryModelUnloadRequest(model_name="toy")
    other = pb.ModelInferRequest(model_name="other")
    old = pb.ModelInferRequest(model_name="toy", model_version="6")
    unknown = served.grpc.channel.unary_unary("/inference.GRPCInferenceService/Other")
    for call, request, code, found in (
        (stub.ModelInfer, other, "NOT_FOUND", "there is no model 'other' on this server"),
        (stub.ModelInfer, old, "NOT_FOUND", "version '6' of model 'toy' is not served"),
        (stub.ModelReady, pb.ModelReadyRequest(name="ö" * 5000), "NOT_FOUND", "no model 'ööö"),
        (stub.ModelMetadata, pb.ModelMetadataRequest(name="x"), "NOT_FOUND", "no model 'x'"),
        (stub.RepositoryModelLoad, load, "UNIMPLEMENTED", "there is no model repository"),
        (stub.RepositoryModelUnload, unload, "UNIMPLEMENTED", "there is no model repository"),
        (unknown, b"", "UNIMPLEMENTED", ""),
    ):
        status, details = refused(call, request)
        assert (status, found in details) == (code, True), details
    assert len(served.infer(message(rows[:1], loaded)).outputs) == 3


def test_huge_messages(served: Served, rows: Rows, loaded: Bundle) -> None:
    for compression in (grpc.Compression.NoCompression, grpc.Compression.Gzip):
        request = age("BYTES", [1], b"\x00" * (LONGEST + 1))
        with pytest.raises(grpc.RpcError) as caught:
            served.grpc.stub.ModelInfer(request, compression=compression, timeout=30)
        assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert len(served.infer(message(rows[:1], loaded)).outputs) == 3


def test_requests_are_counted_as_those_of_http(served: Served, rows: Rows, loaded: Bundle) -> None:
    def counted(code: int) -> float:
        text = served.http.request("GET", "/metrics")[1].decode()
        name = f'regatta_requests_total{{code="{code}",model="toy",version="7"}} '
        return sum(float(line[len(name) :]) for line in text.splitlines() if line.startswith(name))

    raw = served.grpc.channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
    before = {code: counted(code) for code in (200, 400, 404)}
    served.infer(message(rows[:1], loaded))
    assert refused(raw, b"\xff")[0] == "INVALID_ARGUMENT"
    refused(served.infer, UNKNOWN)
    refused(served.infer, pb.ModelInferRequest(model_name="other"))
    served.grpc.metadata()
    after = {code: counted(code) - count for code, count in before.items()}
    assert after == {200: 1, 400: 2, 404: 0}


@relaxed
@given(body=st.binary(max_size=60))
def test_no_bytes_are_the_servers_fault(served: Served, body: bytes) -> None:
    call = served.grpc.channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
    assert refused(call, body)[0] in ("INVALID_ARGUMENT", "NOT_FOUND")


tensor_messages = st.builds(
    pb.ModelInferRequest.InferInputTensor,
    name=st.sampled_from(["age", "city", "x", ""]),
    datatype=st.sampled_from(["FP64", "BYTES", "INT64", "BOOL", "FP16", "bool", "?"]),
    shape=st.lists(st.integers(-1, 3) | st.integers(-(2**63), 2**63 - 1), max_size=3),
    contents=st.none()
    | st.builds(
        pb.InferTensorContents,
        fp64_contents=st.lists(st.floats(), max_size=2),
        bytes_contents=st.lists(st.binary(max_size=3), max_size=2),
        bool_contents=st.lists(st.booleans(), max_size=2),
    ),
)
requests = st.builds(
    pb.ModelInferRequest,
    model_name=st.just("toy"),
    inputs=st.lists(tensor_messages, max_size=3),
    raw_input_contents=st.lists(st.binary(max_size=17), max_size=3),
)


@relaxed
@given(request_=requests)
def test_no_message_is_the_servers_fault(served: Served, request_: Any) -> None:
    assert refused(served.infer, request_)[0] == "INVALID_ARGUMENT"


@relaxed
@given(data=st.data())
def test_no_values_are_the_servers_fault(
    served: Served, rows: Rows, loaded: Bundle, data: st.DataObject
) -> None:
    request = message(rows[:2], loaded, raw=True)
    place = data.draw(st.integers(0, len(loaded.signature) - 1))
    request.raw_input_contents[place] = data.draw(st.binary(min_size=16, max_size=16))
    with contextlib.suppress(grpc.RpcError):
        served.infer(request)
        return
    assert refused(served.infer, request)[0] == "INVALID_ARGUMENT"


def test_from_the_first_connection_to_the_last(
    bundle_path: Path, rows: Rows, tmp_path: Path
) -> None:
    with serving(bundle_path, tmp_path) as served, concurrent.futures.ThreadPoolExecutor() as pool:
        port, closed = int(served.grpc.address.rpartition(":")[2]), 0
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=5).close()
                break
            except ConnectionRefusedError:
                assert served.process.poll() is None, served.log.read_text()
                closed += 1
                time.sleep(0.01)
        assert closed > 10
        # The first connection that is accepted finds a model that is warm.
        assert len(served.grpc.predict(rows)) == len(rows)
        # SIGTERM finishes what is at work.
        work = pool.submit(served.grpc.predict, rows * 60)
        time.sleep(0.2)
        served.process.send_signal(signal.SIGTERM)
        assert len(work.result()) == len(rows) * 60
        assert served.process.wait(30) == 0
        with pytest.raises(ServiceError, match="UNAVAILABLE"):
            served.grpc.predict(rows[:1])
    assert "Traceback" not in served.log.read_text()


def test_a_taken_port_is_one_message(bundle_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "regatta.serving", "--model_dir", str(bundle_path)]
        command += ["--http_port", "0", "--grpc_port", port]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert result.stderr.splitlines()[-1].startswith(f"port {port} of 127.0.0.1 is taken")
