"""What V1 and V2 refuse, and in which words; nothing a client sends is the server's fault."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from regatta.bundle import Bundle
from regatta.serving.client import Client
from regatta.serving.services import Service
from tests.server.asking import EVENT, Rows, httpx_post, post, tensors, v1, v2


def change(rows: Rows, **values: Any) -> dict[str, Any]:
    return {"instances": [rows[0], {**rows[0], **values}]}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"age": "old"}, "column 'age' holds 'old' in row 2"),
        ({"age": [1]}, "column 'age' holds a list of 1 value in row 2"),
        ({"age": {"a": 1}}, "column 'age'"),
        ({"member": "maybe"}, "column 'member' holds 'maybe' in row 2"),
        ({"joined": "yesterday"}, "column 'joined' holds 'yesterday' in row 2"),
        ({"joined": True}, "column 'joined'"),
        ({"agee": 1}, "did you mean 'age'"),
    ],
)
def test_v1_values_that_do_not_fit(
    client: Client, rows: Rows, values: dict[str, Any], message: str
) -> None:
    status, body = v1(client, change(rows, **values))
    assert status == 400
    assert message in body["error"]


def test_v1_missing_column(client: Client, rows: Rows) -> None:
    del rows[1]["age"]
    status, body = v1(client, {"instances": rows})
    assert status == 400
    assert "row 2 has no column 'age'" in body["error"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nonsense",
        b"\xff\xfe",
        b"[]",
        b"3",
        b'"text"',
        b"null",
        b"{}",
        b'{"instances": null}',
        b'{"instances": []}',
        b'{"instances": {}}',
        b'{"instances": [1]}',
        b'{"instances": [[1, 2]]}',
        b'{"instances": [{}]}',
        b'{"instances": [{"age": NaN}]}',
        b'{"instances": ' + b"[" * 5000 + b"]" * 5000 + b"}",
        b'{"time": 1, "type": 2, "source": 3, "id": 4, "specversion": 5, "data": 6}',
    ],
)
def test_v1_bodies_that_are_no_request(client: Client, body: bytes) -> None:
    status, answer = v1(client, body)
    assert status == 400
    assert answer["error"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b"3",
        b'"text"',
        b"null",
        b"{}",
        b'{"inputs": null}',
        b'{"inputs": []}',
        b'{"inputs": {}}',
        b'{"inputs": [1]}',
        b'{"inputs": [{"name": "age"}]}',
        b'{"inputs": [{"name": "age", "shape": [1], "datatype": "FP64", "data": ["x"]}]}',
        b'{"inputs": [{"name": "age", "shape": [2], "datatype": "FP64", "data": [1]}]}',
        b'{"inputs": [{"name": "age", "shape": [1], "datatype": "FP16", "data": [1]}]}',
        b'{"inputs": [{"name": "age", "shape": [1], "datatype": "FP64", "data": [1e999]}]}',
        b'{"inputs": [{"name": "age", "shape": [1], "datatype": "FP64", "data": [1'
        + b"0" * 5000
        + b"]}]}",
        b'{"id": "\\ud800", "inputs": [{"name": "\\ud800", "shape": [1], "datatype": "BYTES",'
        b' "data": ["\\ud800"]}]}',
        b'{"inputs": [{"name": "age", "shape": [1], "datatype": "FP64", "data": '
        + b"[" * 5000
        + b"]" * 5000
        + b"}]}",
    ],
)
def test_v2_bodies_that_are_no_request(client: Client, body: bytes) -> None:
    status, answer = v2(client, body)
    assert status == 400
    assert answer["error"]


def test_strange_headers(service: Service, rows: Rows, loaded: Bundle) -> None:
    import httpx

    one, many = "/v1/models/toy:predict", "/v2/models/toy/infer"
    good = json.dumps({"instances": rows[:1]}).encode()
    with httpx.Client(base_url=service.url) as http:
        for path, headers, body, wanted in (
            (one, {"content-type": "application/json; charset=utf-8"}, good, 200),
            (one, {"content-type": "text/plain"}, good, 200),
            (one, {}, good, 200),
            (one, {"content-type": "application/octet-stream"}, b"\x00\x01", 400),
            (one, {"content-encoding": "gzip"}, b"\x1f\x8b", 400),
            (one, EVENT, b"{", 400),
            (one, {**EVENT, "ce-specversion": "9"}, good, 400),
            (many, {"inference-header-content-length": "x"}, good, 400),
            (many, {"inference-header-content-length": "-5"}, good, 400),
            (
                many,
                {
                    "inference-header-content-length": "4",
                    "content-type": "application/octet-stream",
                },
                b"nullxx",
                400,
            ),
        ):
            answer = http.post(path, headers=headers, content=body)
            assert answer.status_code == wanted, (path, headers, answer.text)
            assert "error" in answer.json() or wanted == 200


def test_v2_shapes_that_do_not_fit(client: Client, rows: Rows, loaded: Bundle) -> None:
    for shape, message in (
        ([3], "input 'age' has shape [3] and 2 values; expected shape [2] or [2, 1]"),
        ([1, 2], "input 'age' has shape [1, 2] and 2 values; expected shape [2] or [2, 1]"),
        ([-1], "input 'age' has shape [-1] and 2 values; expected shape [2] or [2, 1]"),
        ("x", "input 'age' has 'shape' 'x'; expected a tensor like {"),
        ([1.5], "input 'age' has 'shape' a list of 1 value; expected a tensor like {"),
    ):
        sent = tensors(rows[:2], loaded)
        sent[0]["shape"] = shape
        status, body = v2(client, {"inputs": sent})
        assert status == 400
        assert message in body["error"]
        assert ". To fix: " in body["error"]


@pytest.mark.parametrize(
    ("kind", "shape", "size", "content"),
    [
        ("BYTES", [1], 6, b"\x09\x00\x00\x00ab"),
        ("BYTES", [1], 2, b"\x01\x00"),
        ("BYTES", [1], 6, b"\x02\x00\x00\x00\xff\xfe"),
        ("BYTES", [1], 10**12, b"\x01\x00\x00\x00a"),
        ("BYTES", [1], -4, b"\x01\x00\x00\x00a"),
        ("FP64", [1], 7, b"1234567"),
        ("FP64", [-1], 8, b"12345678"),
        ("FP64", [2], 8, b"12345678"),
        ("INT64", [1], 8, b""),
        ("NONE", [1], 8, b"12345678"),
    ],
)
def test_hostile_binary_tensors_are_refused_and_counted(
    client: Client, service: Service, kind: str, shape: list[int], size: int, content: bytes
) -> None:
    def refused() -> float:
        text = client.request("GET", "/metrics")[1].decode()
        name = 'regatta_requests_total{code="400",model="toy",version="7"} '
        return sum(float(line[len(name) :]) for line in text.splitlines() if line.startswith(name))

    tensor = {"name": "age", "shape": shape, "datatype": kind}
    head = json.dumps({"inputs": [{**tensor, "parameters": {"binary_data_size": size}}]}).encode()
    before, log = refused(), Path(service.log).read_text()
    headers = {"inference-header-content-length": str(len(head))}
    status, error = httpx_post(service, head + content, headers)
    assert status == 400
    assert "; expected " in error
    assert ". To fix: " in error
    assert refused() == before + 1
    assert Path(service.log).read_text() == log


def test_v2_in_the_headers_of_an_event(service: Service, rows: Rows, loaded: Bundle) -> None:
    body = json.dumps({"inputs": tensors(rows[:1], loaded)}).encode()
    assert httpx_post(service, body, EVENT)[0] in (200, 400)


def test_other_models_paths_and_methods_say_what_would_do(client: Client, rows: Rows) -> None:
    body = {"instances": rows[:1], "inputs": []}
    for method, path, code, expected in (
        ("POST", "/v1/models/other:predict", 404, "POST /v1/models/toy:predict"),
        ("POST", "/v2/models/other/infer", 404, "POST /v2/models/toy/infer"),
        ("GET", "/v2/models/other", 404, "GET /v2/models/toy"),
        ("POST", "/v3", 404, "POST /v1/models/toy:predict"),
        ("POST", "/v2/repository/models/toy/load", 404, "the model that is served"),
        ("GET", "/v1/models/toy:predict", 405, "POST"),
        ("GET", "/v2/models/toy/infer", 405, "POST"),
        ("POST", "/v1/models/toy", 405, "GET"),
        ("POST", "/v1/models/toy:explain", 501, "a prediction"),
        ("POST", "/v2/models/toy/versions/7/infer", 501, "a path without a version"),
        ("GET", "/v2/models/toy/versions/7", 501, "a path without a version"),
    ):
        status, answer = client.request(method, path, body if method == "POST" else None)
        message = json.loads(answer)["error"]
        assert status == code, (method, path, message)
        assert f" {expected}" in message.partition("; expected")[2], message
        assert ". To fix: " in message
    for nonsense in (b"", b"{", b"\xff", {"instances": []}, {"instances": [{"x": 1}]}):
        assert client.request("POST", "/v1/models/toy:explain", nonsense)[0] == 501


def test_nobody_unloads_the_model(client: Client, rows: Rows) -> None:
    for action in ("unload", "load"):
        status, _ = client.request("POST", f"/v2/repository/models/toy/{action}")
        assert status == 404
    assert len(client.predict_v1(rows[:1])) == 1


@pytest.mark.parametrize("path", ["/v1/models/toy:predict", "/v2/models/toy/infer"])
def test_bodies_of_very_many_parts_are_refused_before_they_are_parsed(
    client: Client, path: str
) -> None:
    parts = b"[" + b"{}," * 1_000_001 + b"{}]"
    status, answer = client.request("POST", path, b'{"inputs":' + parts + b',"instances":[]}')
    assert status == 400
    assert "more than 1,000,000 brackets" in json.loads(answer)["error"]


def test_huge_bodies(client: Client, rows: Rows) -> None:
    body = b'{"instances": [' + b" " * (33 * 2**20) + b"]}"
    status, answer = v1(client, body)
    assert status == 413
    assert "33554432 bytes" in answer["error"]
    assert len(client.predict_v1(rows[:1])) == 1


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10)
anything = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["age", "inputs", "instances", "name", "shape", "data", "id"]), inner
        )
    ),
    max_leaves=8,
)
instances = st.fixed_dictionaries({"instances": st.lists(anything, max_size=3)})
tensor_lists = st.lists(
    st.fixed_dictionaries(
        {
            "name": st.sampled_from(["age", "city", "x"]) | anything,
            "shape": st.lists(st.integers(-1, 3), max_size=2) | anything,
            "datatype": st.sampled_from(["FP64", "BYTES", "INT64", "BOOL"]) | anything,
            "data": st.lists(scalars, max_size=3) | anything,
        }
    ),
    max_size=3,
)
inputs = st.fixed_dictionaries({"inputs": tensor_lists}, optional={"id": anything})
relaxed = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@relaxed
@given(body=anything | instances | inputs)
def test_no_json_is_answered_with_500(client: Client, body: Any) -> None:
    sent = json.dumps(body).encode()
    for path in ("/v1/models/toy:predict", "/v2/models/toy/infer"):
        status, answer = post(client, path, sent)
        assert status in (200, 400), (path, body, answer)


@relaxed
@given(body=st.binary(max_size=60))
def test_no_bytes_are_answered_with_500(client: Client, body: bytes) -> None:
    for path in ("/v1/models/toy:predict", "/v2/models/toy/infer"):
        assert post(client, path, body)[0] == 400
