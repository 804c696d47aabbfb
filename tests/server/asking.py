"""Requests over HTTP, as the tests of the protocols make them."""

import json
from typing import Any

from regatta.bundle import Bundle
from regatta.serving.client import Client
from regatta.serving.services import Service
from regatta.serving.sockets import bind

__all__ = ["EVENT", "Rows", "free_port", "httpx_post", "post", "tensors", "v1", "v2"]

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


def httpx_post(service: Service, body: bytes, headers: dict[str, str]) -> tuple[int, str]:
    import httpx

    answer = httpx.post(f"{service.url}/v2/models/toy/infer", headers=headers, content=body)
    return answer.status_code, answer.json().get("error", "")


def free_port() -> int:
    with bind("127.0.0.1", 0) as listener:
        return int(listener.getsockname()[1])
