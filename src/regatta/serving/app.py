"""KServe's model server with our model, our bounds and our answers to bad requests."""

import asyncio
import logging
import signal
import socket
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from kserve import InferInput, InferRequest, ModelServer
from kserve.constants.constants import PredictorProtocol
from kserve.errors import InvalidInput
from kserve.protocol import dataplane
from kserve.protocol.infer_type import RequestedOutput
from kserve.protocol.rest.server import RESTServer

from regatta import __version__, bundle
from regatta.errors import RequestError
from regatta.serving import v2_body
from regatta.serving.answers import ANSWERED, refusal
from regatta.serving.codecs import V1_EXAMPLE, check_brackets
from regatta.serving.guard import MAX_BODY_BYTES, Guard
from regatta.serving.model import BundleModel

if TYPE_CHECKING:
    from regatta.serving.grpc_server import GrpcServer

__all__ = ["DataPlane", "serve"]

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
    grpc_listener: socket.socket | None = None,
    max_body_bytes: int = MAX_BODY_BYTES,
    when_ready: Callable[[], None] | None = None,
) -> None:
    """Serve a bundle until SIGTERM or SIGINT.

    The listeners accept connections only after the model is loaded, verified and has predicted,
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
    grpc_listener : socket, optional
        Another bound socket, for V2 over gRPC; without it there is no gRPC.
    max_body_bytes : int, default 32 MiB
        Longest request body, and longest message of gRPC.
    when_ready : callable, optional
        Called once, as soon as connections are accepted.

    Raises
    ------
    ArtifactError
        The bundle is missing or damaged.
    ServiceError
        It cannot predict its own examples.
    UsageError
        gRPC cannot use its port.
    """
    folder = Path(model_dir)
    if not (folder / "bundle.json").is_file() and (folder / "bundle").is_dir():
        folder = folder / "bundle"
    model = BundleModel(name, bundle.load(folder), version, threads)
    model.load()
    server = _Server(listener, grpc_listener, max_body_bytes, when_ready)
    host, port = listener.getsockname()[:2]
    # The port shall be free for the next one as soon as this server ends, not a minute later. Set
    # as late as this, because until a socket listens, others could bind such a port as well.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    logger.info("serving %s %s on http://%s:%d", name, version, host, port)
    server.start([model])


class DataPlane(dataplane.DataPlane):  # type: ignore[misc]
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

    def decode(
        self,
        body: Any,
        headers: Mapping[str, str] | None,
        protocol_version: str = PredictorProtocol.REST_V1.value,
        model_name: str | None = None,
    ) -> tuple[Any, dict[str, Any]]:
        """Decode a body; whatever is wrong with it is the client's mistake."""
        if protocol_version == PredictorProtocol.REST_V2.value and isinstance(body, bytes):
            return _v2_request(body, headers or {}, model_name or ""), {}
        if isinstance(body, bytes):
            check_brackets(body)
        try:
            decoded, attributes = super().decode(body, headers, protocol_version, model_name)
        except InvalidInput as err:
            raise RequestError(
                str(err),
                expected=f"an object like {V1_EXAMPLE}, or a CloudEvent around it",
                fix="correct the request body",
            ) from err
        except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as err:
            raise RequestError(
                f"the request body cannot be decoded ({type(err).__name__})",
                expected="a V1 or V2 request",
                fix="compare it with the protocol and with the model's metadata",
            ) from err
        return decoded, attributes


def _v2_request(body: bytes, headers: Mapping[str, str], model: str) -> InferRequest:
    """Return KServe's own class for a request that was read and checked."""
    found = v2_body.read(body, headers.get(v2_body.LENGTH_HEADER))
    return InferRequest(
        model_name=model,
        infer_inputs=[
            InferInput(tensor.name, list(tensor.shape), tensor.datatype, data=list(tensor.data))
            for tensor in found.tensors
        ],
        request_id=found.id,
        parameters=found.parameters,
        request_outputs=[RequestedOutput(*output) for output in found.outputs] or None,
    )


class _Rest(RESTServer):  # type: ignore[misc]
    """KServe's HTTP server without its timing log, with our guard and answers."""

    guard: dict[str, Any]

    def _add_middlewares(self, app: FastAPI) -> None:
        app.add_middleware(Guard, **self.guard)

    def _add_exception_handlers(self, app: FastAPI) -> None:
        super()._add_exception_handlers(app)
        for kind in (*ANSWERED, RequestValidationError):
            app.add_exception_handler(kind, self._answer)

    async def _answer(self, request: Request, error: Exception) -> Response:
        if isinstance(error, RequestValidationError):
            # Every body of V2 is called bytes by the guard, so that only one can be missing.
            error = InvalidInput("the request body is empty")
        found = refusal(error, request.method, request.url.path, self.guard["model"])
        headers = dict(found.headers)
        return Response(found.body, found.status, headers, media_type="application/json")


class _Uvicorn(uvicorn.Server):
    """The HTTP server below, with gRPC beside it; it tells when it accepts connections."""

    def __init__(
        self,
        config: uvicorn.Config,
        beside: "GrpcServer | None",
        when_ready: Callable[[], None] | None,
    ) -> None:
        super().__init__(config)
        self.beside = beside
        self.when_ready = when_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to listen: last over HTTP, which is asked whether the server is ready."""
        if self.beside:
            await self.beside.start()
        await super().startup(sockets)
        if self.started and self.when_ready:
            self.when_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let requests at work finish, of both kinds at once."""
        stopping = [super().shutdown(sockets)]
        if self.beside:
            stopping.append(self.beside.stop(GRACE_SECONDS))
        await asyncio.gather(*stopping)


class _Server(ModelServer):  # type: ignore[misc]
    """KServe's model server on sockets that are bound already."""

    def __init__(
        self,
        listener: socket.socket,
        grpc_listener: socket.socket | None,
        max_body_bytes: int,
        when_ready: Callable[[], None] | None,
    ) -> None:
        port = listener.getsockname()[1]
        super().__init__(
            http_port=port,
            enable_grpc=False,  # ours is another one
            enable_latency_logging=False,
            grace_period=GRACE_SECONDS,
        )
        self.dataplane = DataPlane(model_registry=self.registered_models)
        self.listener = listener
        self.grpc_listener = grpc_listener
        self.max_body_bytes = max_body_bytes
        self.when_ready = when_ready

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
        server = _Uvicorn(rest.config, self._grpc(models[0]), self.when_ready)
        server.run(sockets=[self.listener])
        logger.info("stopped")

    def _grpc(self, model: BundleModel) -> "GrpcServer | None":
        """Return the gRPC server, if there shall be one."""
        if self.grpc_listener is None:
            return None
        from regatta.serving.grpc_server import GrpcServer

        return GrpcServer(
            self.grpc_listener, self.dataplane, model.name, model.version, self.max_body_bytes
        )
