"""V1, V2 and /metrics, as a client sees them."""

import concurrent.futures
import json
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from regatta.bundle import Bundle
from regatta.serving.client import Client
from regatta.serving.services import Service
from tests.server.asking import EVENT, Rows, httpx_post, tensors, v1, v2


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
