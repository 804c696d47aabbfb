"""What stands before KServe: whatever happens behind it is answered once and counted."""

import json
import logging
from typing import Any

import httpx
import pytest
from prometheus_client import REGISTRY

from regatta.serving.guard import Guard

PREDICT = "/v1/models/toy:predict"


async def broken(scope: Any, receive: Any, send: Any) -> None:
    raise ZeroDivisionError("secret")


def ask(app: Any, method: str, path: str, **values: Any) -> httpx.Response:
    import asyncio

    async def call() -> httpx.Response:
        transport = httpx.ASGITransport(Guard(app, model="toy", version="guard", max_body_bytes=99))
        async with httpx.AsyncClient(transport=transport, base_url="http://toy") as client:
            return await client.request(method, path, **values)

    return asyncio.run(call())


def counted(code: int) -> float:
    labels = {"model": "toy", "version": "guard", "code": str(code)}
    return REGISTRY.get_sample_value("regatta_requests_total", labels) or 0.0


@pytest.mark.parametrize("path", [PREDICT, "/v2/models/toy/infer"])
def test_a_defect_is_answered_logged_and_counted(
    path: str, caplog: pytest.LogCaptureFixture
) -> None:
    before = counted(500)
    with caplog.at_level(logging.ERROR):
        answer = ask(broken, "POST", path, content=b"{}")
    assert answer.status_code == 500
    assert "To fix: read the log" in answer.json()["error"]
    assert "secret" not in answer.text
    assert [record.getMessage() for record in caplog.records] == [f"POST {path}"]
    assert counted(500) == before + 1


def test_an_answer_that_has_begun_is_not_begun_again() -> None:
    async def half(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        ask(half, "POST", PREDICT, content=b"{}")


def test_refusals_of_its_own_are_counted() -> None:
    for code, method, path, size in (
        (413, "POST", PREDICT, 100),
        (405, "GET", PREDICT, 0),
        (501, "POST", "/v2/models/toy/versions/1/infer", 3),
    ):
        before = counted(code)
        answer = ask(broken, method, path, content=b"x" * size)
        assert answer.status_code == code
        assert "; expected " in answer.json()["error"]
        assert counted(code) == before + 1
        assert answer.headers.get("allow") == ("POST" if code == 405 else None)


def test_v2_bodies_are_called_bytes_whatever_the_client_calls_them() -> None:
    async def echo(scope: Any, receive: Any, send: Any) -> None:
        types = [value.decode() for name, value in scope["headers"] if name == b"content-type"]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": json.dumps(types).encode()})

    for given in ({}, {"content-type": "text/plain"}, {"content-type": "application/json"}):
        answer = ask(echo, "POST", "/v2/models/toy/infer", content=b"{}", headers=given)
        assert answer.json() == ["application/octet-stream"]
        answer = ask(echo, "POST", PREDICT, content=b"{}", headers=given)
        assert answer.json() == list(given.values())
