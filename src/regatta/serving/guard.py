"""What stands before KServe's endpoints: a bound on bodies, no remote unloading, counting."""

import logging
import re
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from regatta.serving.answers import (
    Refusal,
    too_long,
    unexpected,
    unserved,
    without_repository,
    wrong_method,
)
from regatta.serving.metrics import REQUESTS

__all__ = ["MAX_BODY_BYTES", "Guard"]

logger = logging.getLogger(__name__)

MAX_BODY_BYTES = 32 * 2**20

# What is still read of a body that is too large, so that a client which writes all of it before
# it reads the answer gets to see the answer.
DRAINED_BODIES = 4

_PREDICT = re.compile(r"/v1/models/([^/:]+):predict|/v2/models/([^/]+)(?:/versions/[^/]+)?/infer")
_UNSERVED = re.compile(r"/v1/models/([^/:]+):explain|/v2/models/([^/]+)/versions/.+")
_REPOSITORY = "/v2/repository/"


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
        counted = _Response(send)
        try:
            await self._serve(scope, receive, counted)
        except Exception as err:  # the server's one handler of what nobody expected
            if counted.status:
                # The client has got a part of an answer; only a broken connection tells it.
                raise
            logger.error("%s %s", scope["method"], scope["path"], exc_info=err)
            await _refuse(counted, unexpected())
        finally:
            self._count(scope["path"], counted.status)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request, or let it through."""
        path, method = scope["path"], scope["method"]
        if method in ("POST", "PUT", "PATCH"):
            body = await self._read(receive)
            if body is None:
                await _refuse(send, too_long(self.max_body_bytes))
                return
            receive = _replay(body, receive)
        if refused := self._refused(method, path):
            await _refuse(send, refused)
            return
        found = _PREDICT.fullmatch(path)
        if found and found[2]:
            # Clients say of the same body that it is JSON, bytes, a form or nothing. Called
            # bytes, it is left alone on its way to the one reader of V2 bodies.
            kept = [(name, value) for name, value in scope["headers"] if name != b"content-type"]
            scope = {**scope, "headers": [*kept, (b"content-type", b"application/octet-stream")]}
        await self.app(scope, receive, send)

    def _refused(self, method: str, path: str) -> Refusal | None:
        """Return the answer to a request that KServe shall not see."""
        if path.startswith(_REPOSITORY):
            # KServe lets any client load and unload models here. What is served is decided by
            # who starts the server.
            return without_repository()
        found = _UNSERVED.fullmatch(path)
        if found and self.model in found.groups():
            return unserved(path)
        found = _PREDICT.fullmatch(path)
        if found and self.model in found.groups() and method != "POST":
            # Left to KServe, it would be a request for a model of the name "model:predict".
            return wrong_method(method, path, "POST")
        return None

    def _count(self, path: str, status: int) -> None:
        found = _PREDICT.fullmatch(path)
        if status and found and self.model in found.groups():
            REQUESTS.labels(self.model, self.version, str(status)).inc()

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


class _Response:
    """The way back to the client: remembers the status, and names a type where KServe does not."""

    def __init__(self, send: Send) -> None:
        self.send = send
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers: list[Any] = list(message.get("headers", ()))
            if not any(name.lower() == b"content-type" for name, _ in headers):
                message["headers"] = [*headers, (b"content-type", b"application/json")]
        await self.send(message)


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


async def _refuse(send: Send, refused: Refusal) -> None:
    body = refused.body
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        *(
            (name.encode("latin-1"), value.encode("latin-1"))
            for name, value in refused.headers.items()
        ),
    ]
    await send({"type": "http.response.start", "status": refused.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
