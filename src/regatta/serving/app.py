"""KServe's model server with our model, our bounds and our answers to bad requests."""

import logging
import signal
import socket
import warnings
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from kserve import ModelServer
from kserve.errors import InvalidInput
from kserve.protocol.dataplane import DataPlane
from kserve.protocol.rest.server import RESTServer
from starlette.exceptions import HTTPException

from regatta import __version__, bundle
from regatta.errors import RegattaError, RequestError
from regatta.serving.guard import MAX_BODY_BYTES, Guard, body_of
from regatta.serving.model import BundleModel

__all__ = ["serve"]

logger = logging.getLogger(__name__)

# A stopped server lets requests at work finish, but not for longer than this.
GRACE_SECONDS = 20


def serve(
    model_dir: str | Path,
    name: str,
    listener: socket.socket,
    *,
    version: str = "",
    threads: int = 1,
    max_body_bytes: int = MAX_BODY_BYTES,
) -> None:
    """Serve a bundle until SIGTERM or SIGINT.

    The listener accepts connections only after the model is loaded, verified and has predicted,
    so that a connection is a sign of readiness.

    Parameters
    ----------
    model_dir : str or Path
        Folder of the bundle, or a folder that has ``bundle`` in it.
    name : str
        Name of the model in URLs.
    listener : socket
        A bound socket, see `regatta.serving.sockets.bind`.
    version : str, default ""
        Version in the registry.
    threads : int, default 1
        Requests that may be worked on at once.
    max_body_bytes : int, default 32 MiB
        Longest request body.

    Raises
    ------
    ArtifactError
        The bundle is missing or damaged.
    ServiceError
        It cannot predict its own examples.
    """
    folder = Path(model_dir)
    if not (folder / "bundle.json").is_file() and (folder / "bundle").is_dir():
        folder = folder / "bundle"
    model = BundleModel(name, bundle.load(folder), version, threads)
    model.load()
    server = _Server(listener, max_body_bytes)
    host, port = listener.getsockname()[:2]
    # The port shall be free for the next one as soon as this server ends, not a minute later. Set
    # as late as this, because until a socket listens, others could bind such a port as well.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    logger.info("serving %s %s on http://%s:%d", name, version, host, port)
    server.start([model])


class _DataPlane(DataPlane):  # type: ignore[misc]
    """KServe's request handling, with its weak spots covered."""

    def __init__(self, model_registry: Any) -> None:
        super().__init__(model_registry)
        self._server_name, self._server_version = "regatta", __version__

    def metadata(self) -> dict[str, Any]:
        """Return what the server says of itself; the extensions are those it really has."""
        return {**super().metadata(), "extensions": ["binary_tensor_data"]}

    async def model_metadata(self, model_name: str) -> dict[str, Any]:
        """Return what the server says of the model, with its version."""
        values = await super().model_metadata(model_name)
        version = self.get_model_from_registry(model_name).version
        return {**values, "platform": "regatta", "versions": [version] if version else None}

    def decode(self, *values: Any, **named: Any) -> Any:
        """Decode a body; whatever is wrong with it is the client's mistake."""
        try:
            return super().decode(*values, **named)
        except InvalidInput as err:
            raise RequestError(str(err), fix="correct the request body") from err
        except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as err:
            raise RequestError(
                f"the request body cannot be decoded ({type(err).__name__})",
                expected="a V1 or V2 request",
                fix="compare it with the protocol and with the model's metadata",
            ) from err


class _Rest(RESTServer):  # type: ignore[misc]
    """KServe's HTTP server without its timing log, with our guard and answers."""

    guard: dict[str, Any]

    def _add_middlewares(self, app: FastAPI) -> None:
        app.add_middleware(Guard, **self.guard)

    def _add_exception_handlers(self, app: FastAPI) -> None:
        super()._add_exception_handlers(app)
        for kind in (RegattaError, InvalidInput, RequestValidationError, HTTPException, Exception):
            app.add_exception_handler(kind, _answer)


class _Server(ModelServer):  # type: ignore[misc]
    """KServe's model server on a socket that is bound already."""

    def __init__(self, listener: socket.socket, max_body_bytes: int) -> None:
        port = listener.getsockname()[1]
        super().__init__(
            http_port=port,
            enable_grpc=False,
            enable_latency_logging=False,
            grace_period=GRACE_SECONDS,
        )
        self.dataplane = _DataPlane(model_registry=self.registered_models)
        self.listener = listener
        self.max_body_bytes = max_body_bytes

    def start(self, models: list[BundleModel]) -> None:
        """Serve until a signal; like KServe's own, but for one process and our socket."""
        self._register_and_check_atleast_one_model_is_ready(models)
        rest = _Rest(
            "kserve.model_server:app",
            self.dataplane,
            self.model_repository_extension,
            self.http_port,
            grace_period=self.grace_period,
        )
        rest.guard = {
            "model": models[0].name,
            "version": models[0].version,
            "max_body_bytes": self.max_body_bytes,
        }
        # A line a request would fill the log of a service that nobody rotates; /metrics counts.
        logging.getLogger("uvicorn.access").handlers.clear()
        logging.getLogger("uvicorn").setLevel(logging.WARNING)
        warnings.filterwarnings("ignore", "ORJSONResponse is deprecated")
        rest.create_application()
        # uvicorn ends requests and sockets on these, then raises the signal again: being asked to
        # stop is no failure, so the second time does nothing.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)
        server = uvicorn.Server(rest.config)
        server.run(sockets=[self.listener])
        logger.info("stopped")


async def _answer(request: Request, error: Exception) -> Response:
    """Answer a request that could not be served: the server's one handler of exceptions."""
    if isinstance(error, RegattaError):
        return _error(error.http_status, str(error))
    if isinstance(error, InvalidInput):
        return _error(400, str(error))
    if isinstance(error, RequestValidationError):
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"] if part != "InferenceRequest")
        message = f"the request does not fit the V2 protocol at {place[:100]!r}: {first['msg']}"
        return _error(400, f"{message}. To fix: compare it with the model's metadata")
    if isinstance(error, HTTPException):
        return _error(error.status_code, str(error.detail))
    logger.error("%s %s", request.method, request.url.path, exc_info=error)
    return _error(500, "the server could not answer; its log says why")


def _error(status: int, message: str) -> Response:
    return Response(body_of(message), status, media_type="application/json")
