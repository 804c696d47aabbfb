"""What stands before KServe's endpoints: a bound on bodies, no remote unloading, counting."""

import json
import re
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from regatta.serving.metrics import REQUESTS

__all__ = ["MAX_BODY_BYTES", "Guard", "body_of"]

MAX_BODY_BYTES = 32 * 2**20

# What is still read of a body that is too large, so that a client which writes all of it before
# it reads the answer gets to see the answer.
DRAINED_BODIES = 4

_PREDICT = re.compile(r"/v1/models/([^/:]+):predict|/v2/models/([^/]+)(?:/versions/[^/]+)?/infer")
_REPOSITORY = "/v2/repository/"


def body_of(message: str) -> bytes:
    """Return the JSON body of an error, in ASCII whatever the message quotes."""
    return json.dumps({"error": message[:2000]}).encode("ascii")


class Guard:
    """ASGI middleware around the whole server.

    Parameters
    ----------
    app : ASGI application
        What answers the requests that are let through.
    model, version : str
        Labels of the metrics. Other names in a URL are not counted: anyone could make them up.
    max_body_bytes : int, default 32 MiB
        Longest body; a longer one is answered with 413.
    """

    def __init__(
        self, app: ASGIApp, *, model: str, version: str, max_body_bytes: int = MAX_BODY_BYTES
    ) -> None:
        self.app = app
        self.model = model
        self.version = version
        self.max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        counted = self._counted(scope["path"], send)
        if scope["path"].startswith(_REPOSITORY):
            # KServe lets any client load and unload models here. What is served is decided by
            # who starts the server.
            await _refuse(counted, 404, "there is no model repository on this server")
            return
        if scope["method"] not in ("POST", "PUT", "PATCH"):
            await self.app(scope, receive, counted)
            return
        body = await self._read(receive)
        if body is None:
            limit = f"{self.max_body_bytes} bytes"
            message = f"the request body is longer than {limit}. To fix: send fewer rows at once"
            await _refuse(counted, 413, message)
            return
        await self.app(scope, _replay(body, receive), counted)

    async def _read(self, receive: Receive) -> bytes | None:
        """Return the body, or None if it is too long."""
        chunks: list[bytes] = []
        length = 0
        while length <= self.max_body_bytes * DRAINED_BODIES:
            message = await receive()
            if message["type"] == "http.disconnect":
                break
            chunk = message.get("body", b"")
            length += len(chunk)
            if length <= self.max_body_bytes:
                chunks.append(chunk)
            if not message.get("more_body", False):
                break
        return b"".join(chunks) if length <= self.max_body_bytes else None

    def _counted(self, path: str, send: Send) -> Send:
        """Count the response, and name its type where KServe leaves it out."""
        found = _PREDICT.fullmatch(path)
        is_ours = found is not None and self.model in found.groups()

        async def counting(message: Message) -> None:
            if message["type"] == "http.response.start":
                if is_ours:
                    code = str(message["status"])
                    REQUESTS.labels(self.model, self.version, code).inc()
                headers: list[Any] = list(message.get("headers", ()))
                if found and not any(name.lower() == b"content-type" for name, _ in headers):
                    message["headers"] = [*headers, (b"content-type", b"application/json")]
            await send(message)

        return counting


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return a channel that gives a body that was read already, then what comes after it."""
    given = False

    async def replaying() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replaying


async def _refuse(send: Send, status: int, message: str) -> None:
    body = body_of(message)
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
