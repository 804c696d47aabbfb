"""V1, V2 and /metrics, as a client sees them."""

import concurrent.futures
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from regatta.bundle import Bundle
from regatta.serving.client import Client
from regatta.serving.services import Service

Rows = list[dict[str, Any]]

EVENT = {
    "ce-specversion": "1.0",
    "ce-id": "1",
    "ce-source": "tests",
    "ce-type": "row",
    "content-type": "application/json",
}


def post(client: Client, path: str, body: Any) -> tuple[int, dict[str, Any]]:
    status, answer = client.request("POST", path, body)
    return status, json.loads(answer)


def v1(client: Client, body: Any) -> tuple[int, dict[str, Any]]:
    return post(client, "/v1/models/toy:predict", body)


def v2(client: Client, body: Any) -> tuple[int, dict[str, Any]]:
    return post(client, "/v2/models/toy/infer", body)


def tensors(rows: Rows, loaded: Bundle) -> list[dict[str, Any]]:
    kinds = {"int64": "FP64", "float64": "FP64", "bool": "BOOL"}
    return [
        {
            "name": column.name,
            "shape": [len(rows)],
            "datatype": kinds.get(column.dtype, "BYTES"),
            "data": [row[column.name] for row in rows],
        }
        for column in loaded.signature
    ]


def test_v1_exact_json(client: Client, rows: Rows, loaded: Bundle) -> None:
    status, body = v1(client, {"instances": rows[:2]})
    assert status == 200
    no, yes = loaded.predict_array(pd.DataFrame(rows[:2]))[0].tolist()
    assert body["predictions"][0] == {
        "prediction": "yes" if yes > no else "no",
        "probabilities": {
            "no": pytest.approx(no, abs=1e-9),
            "yes": pytest.approx(yes, abs=1e-9),
        },
    }
    assert list(body) == ["predictions"]
    assert len(body["predictions"]) == 2


def test_v2_exact_json(client: Client, rows: Rows, loaded: Bundle) -> None:
    status, body = v2(client, {"id": "abc", "inputs": tensors(rows[:2], loaded)})
    assert status == 200
    predicted = loaded.predict(pd.DataFrame(rows[:2]))
    assert body == {
        "model_name": "toy",
        "model_version": "7",
        "id": "abc",
        "outputs": [
            {
                "name": "prediction",
                "shape": [2],
                "datatype": "BYTES",
                "data": predicted["prediction"].tolist(),
            },
            *(
                {
                    "name": name,
                    "shape": [2],
                    "datatype": "FP64",
                    "data": pytest.approx(predicted[name].tolist(), abs=1e-9),
                }
                for name in ("proba_no", "proba_yes")
            ),
        ],
    }


def test_answers_are_json_by_their_headers(service: Service, rows: Rows, loaded: Bundle) -> None:
    import httpx

    with httpx.Client(base_url=service.url) as http:
        for path, body in (
            ("/v1/models/toy:predict", {"instances": rows}),
            ("/v2/models/toy/infer", {"inputs": tensors(rows, loaded)}),
            ("/v1/models/toy:predict", {"instances": []}),
        ):
            answer = http.post(path, json=body)
            assert answer.headers["content-type"] == "application/json"
            answer.json()


def test_both_protocols_predict_table_and_bundle_agree(
    client: Client,
    rows: Rows,
    loaded: Bundle,
    table: pd.DataFrame,
    bundle_path: Path,
    tmp_path: Path,
) -> None:
    from regatta.cli import app

    expected = loaded.predict(table)
    table.to_csv(tmp_path / "table.csv", index=False)
    for suffix in ("csv", "parquet"):
        out = tmp_path / f"out.{suffix}"
        command = ["predict", str(bundle_path), str(tmp_path / "table.csv"), "--out", str(out)]
        result = CliRunner().invoke(app, command)
        assert result.exit_code == 0, result.output
    from_csv = pd.read_csv(tmp_path / "out.csv")
    from_parquet = pd.read_parquet(tmp_path / "out.parquet")
    for found in (
        pd.DataFrame(
            {
                "prediction": answer["prediction"],
                **{f"proba_{name}": value for name, value in answer["probabilities"].items()},
            }
            for answer in client.predict_v1(rows)
        ),
        pd.DataFrame(
            {
                "prediction": answer["prediction"],
                **{f"proba_{name}": value for name, value in answer["probabilities"].items()},
            }
            for answer in client.predict_v2(rows)
        ),
        from_csv,
        from_parquet,
    ):
        assert found.columns.tolist() == expected.columns.tolist()
        assert found["prediction"].tolist() == expected["prediction"].tolist()
        np.testing.assert_allclose(
            found.iloc[:, 1:].to_numpy(float), expected.iloc[:, 1:].to_numpy(float), atol=1e-6
        )


def test_health_and_metadata(client: Client, loaded: Bundle) -> None:
    for path in ("/", "/v2/health/live", "/v2/health/ready", "/v2/models/toy/ready"):
        assert client.request("GET", path)[0] == 200
    assert json.loads(client.request("GET", "/v1/models/toy")[1]) == {"name": "toy", "ready": True}
    metadata = client.metadata()
    assert metadata["versions"] == ["7"]
    assert metadata["platform"] == "regatta"
    assert {tensor["name"]: tensor["datatype"] for tensor in metadata["inputs"]} == {
        "age": "FP64",
        "income": "FP64",
        "clicks": "FP64",
        "member": "BOOL",
        "city": "BYTES",
        "plan": "BYTES",
        "review": "BYTES",
        "joined": "BYTES",
    }
    outputs = [(tensor["name"], tensor["datatype"]) for tensor in metadata["outputs"]]
    assert outputs == [("prediction", "BYTES"), ("proba_no", "FP64"), ("proba_yes", "FP64")]


def test_some_outputs_only(client: Client, rows: Rows, loaded: Bundle) -> None:
    body = {"inputs": tensors(rows[:1], loaded), "outputs": [{"name": "proba_yes"}]}
    status, answer = v2(client, body)
    assert status == 200
    assert [output["name"] for output in answer["outputs"]] == ["proba_yes"]


def test_columns_that_the_model_does_not_read(client: Client, rows: Rows) -> None:
    status, _ = v1(client, {"instances": [{**rows[0], "key": "k-1", "outcome": "no"}]})
    assert status == 200


def test_unseen_categories_and_missing_values(client: Client, rows: Rows) -> None:
    row = {**rows[0], "city": "Atlantis", "income": None, "review": None, "age": None}
    del row["joined"]
    assert v1(client, {"instances": [row]})[0] == 200


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


def test_cloud_events_are_answered_as_such(service: Service, rows: Rows) -> None:
    import httpx

    body = json.dumps({"instances": rows[:1]}).encode()
    answer = httpx.post(f"{service.url}/v1/models/toy:predict", headers=EVENT, content=body)
    assert answer.status_code == 200
    assert answer.headers["ce-type"] == "io.kserve.inference.response"
    assert len(answer.json()["predictions"]) == 1


def test_v2_needs_no_content_type(service: Service, rows: Rows, loaded: Bundle) -> None:
    import http.client
    from urllib.parse import urlsplit

    body = json.dumps({"inputs": tensors(rows[:1], loaded)}).encode()
    address = urlsplit(service.url).netloc
    for headers in (
        {},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "text/plain"},
        {"content-type": "application/octet-stream"},
        {"content-type": "multipart/form-data; boundary=x"},
        {"content-type": "application/json", "inference-header-content-length": str(len(body))},
    ):
        connection = http.client.HTTPConnection(address, timeout=30)
        connection.request("POST", "/v2/models/toy/infer", body, headers)
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        connection.close()
    assert httpx_post(service, b"", {})[0] == 400
    status, error = httpx_post(service, b"{", {"content-type": "text/plain"})
    assert status == 400
    assert "the request body is not JSON" in error


def httpx_post(service: Service, body: bytes, headers: dict[str, str]) -> tuple[int, str]:
    import httpx

    answer = httpx.post(f"{service.url}/v2/models/toy/infer", headers=headers, content=body)
    return answer.status_code, answer.json().get("error", "")


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


def test_binary_tensors(service: Service, rows: Rows, loaded: Bundle) -> None:
    import httpx
    from kserve import InferInput, InferRequest, InferResponse

    inputs = []
    for tensor in tensors(rows[:3], loaded):
        found = InferInput(tensor["name"], [3], tensor["datatype"], data=tensor["data"])
        if tensor["name"] == "age":
            found.set_data_from_numpy(np.array(tensor["data"], dtype=np.float64))
        inputs.append(found)
    asked = {"binary_data_output": True}
    body, length = InferRequest("toy", inputs, parameters=asked).to_rest()
    assert isinstance(body, bytes)
    headers = {
        "inference-header-content-length": str(length),
        "content-type": "application/octet-stream",
    }
    answer = httpx.post(f"{service.url}/v2/models/toy/infer", headers=headers, content=body)
    assert answer.status_code == 200
    size = int(answer.headers["inference-header-content-length"])
    outputs = InferResponse.from_bytes(answer.content, size).outputs
    expected = loaded.predict(pd.DataFrame(rows[:3]))
    np.testing.assert_allclose(outputs[2].as_numpy(), expected["proba_yes"], atol=1e-9)


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


def test_huge_bodies(client: Client, rows: Rows) -> None:
    body = b'{"instances": [' + b" " * (33 * 2**20) + b"]}"
    status, answer = v1(client, body)
    assert status == 413
    assert "33554432 bytes" in answer["error"]
    assert len(client.predict_v1(rows[:1])) == 1


def test_many_clients_at_once(service: Service, rows: Rows, loaded: Bundle) -> None:
    expected = loaded.predict_array(pd.DataFrame(rows))[:, 1]

    def ask(place: int) -> float:
        client = Client(service.url, service.name)
        ask = client.predict_v1 if place % 2 else client.predict_v2
        row = place % len(rows)
        (answer,) = ask([rows[row]])
        return abs(answer["probabilities"]["yes"] - expected[row])

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        differences = list(pool.map(ask, range(160)))
    assert max(differences) < 1e-6


def test_health_is_answered_while_a_large_request_is_at_work(service: Service, rows: Rows) -> None:
    client = Client(service.url, service.name)
    many = {"instances": rows * 300}
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        work = pool.submit(v1, client, many)
        slowest, start = 0.0, time.perf_counter()
        while not work.done():
            began = time.perf_counter()
            assert client.ready()
            slowest = max(slowest, time.perf_counter() - began)
        assert work.result()[0] == 200
    assert slowest < (time.perf_counter() - start) / 2


def test_metrics(client: Client, rows: Rows) -> None:
    def read() -> dict[str, float]:
        text = client.request("GET", "/metrics")[1].decode()
        lines = [line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")]
        return {name: float(value) for name, value in lines}

    before = read()
    client.predict_v1(rows[:5])
    v1(client, b"{")
    v1(client, {"instances": []})
    after = read()

    def grown(name: str) -> float:
        return after[name] - before.get(name, 0.0)

    labels = 'model="toy",version="7"'
    assert grown(f'regatta_requests_total{{code="200",{labels}}}') == 1
    assert grown(f'regatta_requests_total{{code="400",{labels}}}') == 2
    assert grown(f"regatta_rows_total{{{labels}}}") == 5
    classes = [f'regatta_prediction_class_total{{class="{c}",{labels}}}' for c in ("no", "yes")]
    assert sum(map(grown, classes)) == 5
    assert grown(f"regatta_prediction_probability_count{{{labels}}}") == 5
    (info,) = [name for name in after if name.startswith("regatta_model_info")]
    assert info == (
        'regatta_model_info{fingerprint="abababababab",model="toy",task="binary",version="7"}'
    )
    # KServe counts an explanation only once one was asked for.
    for step in ("preprocess", "predict", "postprocess"):
        assert any(name.startswith(f"request_{step}_seconds") for name in after), step


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
