"""The V2 protocol over gRPC, in the process and on the event loop of the HTTP server.

KServe's servicer answers; what stands before it does what the guard of HTTP does: it bounds
messages, keeps the model loaded, answers whatever goes wrong in one form, and counts.
"""

import logging
import socket
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from grpc import StatusCode, aio
from kserve.errors import ModelNotFound
from kserve.protocol.dataplane import DataPlane
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import (
    add_GRPCInferenceServiceServicer_to_server,
)
from kserve.protocol.grpc.servicer import InferenceServicer

from regatta.errors import RequestError, UsageError
from regatta.serving.answers import (
    ANSWERED,
    Refusal,
    refusal,
    unexpected,
    without_repository,
)
from regatta.serving.metrics import REQUESTS
from regatta.serving.quoting import show
from regatta.serving.v2_messages import check_message

__all__ = ["GrpcServer"]

logger = logging.getLogger(__name__)

PREDICT = "/inference.GRPCInferenceService/ModelInfer"

# The status of HTTP is what errors know and what is counted, whatever asked.
CODES = {
    400: StatusCode.INVALID_ARGUMENT,
    404: StatusCode.NOT_FOUND,
    501: StatusCode.UNIMPLEMENTED,
    503: StatusCode.UNAVAILABLE,
}
# A message travels in a header, percent-encoded; clients take 8 KiB of headers.
LONGEST_MESSAGE = 2000


class GrpcServer:
    """A gRPC server that is started and stopped with the HTTP server.

    Parameters
    ----------
    listener : socket
        A bound socket, see `regatta.serving.sockets.bind`. It keeps the port for gRPC, which
        cannot take a socket over, and is closed when gRPC has it.
    dataplane : DataPlane
        What answers.
    model, version : str
        What is served.
    max_message_bytes : int
        Longest message of a client.
    """

    def __init__(
        self,
        listener: socket.socket,
        dataplane: DataPlane,
        model: str,
        version: str,
        max_message_bytes: int,
    ) -> None:
        self.listener = listener
        self.servicer = _Servicer(dataplane, model, version)
        self.guard = _Guard(model, version)
        self.max_message_bytes = max_message_bytes
        self.server: Any = None

    async def start(self) -> None:
        """Accept connections.

        Raises
        ------
        UsageError
            The port cannot be used.
        """
        host, port = self.listener.getsockname()[:2]
        self.server = aio.server(
            interceptors=(self.guard,),
            options=(
                ("grpc.max_receive_message_length", self.max_message_bytes),
                ("grpc.max_send_message_length", -1),
                # Else a second server would get the port as well, and half of the requests.
                ("grpc.so_reuseport", 0),
            ),
        )
        add_GRPCInferenceServiceServicer_to_server(self.servicer, self.server)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self.server.add_insecure_port(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
        except RuntimeError as err:
            raise UsageError(
                f"port {port} of {host} is refused for gRPC ({err})",
                expected="a free port of this machine",
                fix="choose another port for gRPC, or stop what uses it",
            ) from err
        self.listener.close()
        await self.server.start()
        logger.info("serving gRPC on %s:%d", host, port)

    async def stop(self, grace_seconds: float) -> None:
        """Refuse new requests, and let those at work finish.

        Parameters
        ----------
        grace_seconds : float
            After this time they are cancelled.
        """
        await self.server.stop(grace_seconds)


class _Refused(Exception):  # noqa: N818 - an answer, no error
    """A request that the servicer does not serve."""

    def __init__(self, refused: Refusal) -> None:
        super().__init__(str(refused.error))
        self.refusal = refused


class _Servicer(InferenceServicer):  # type: ignore[misc]
    """KServe's servicer for one version of one model that nobody loads or unloads."""

    def __init__(self, dataplane: DataPlane, model: str, version: str) -> None:
        super().__init__(dataplane, None)
        self.model = model
        self.version = version

    async def ModelInfer(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._check_version(request.model_name, request.model_version)
        # The model takes the message itself apart: in its threads, not on the event loop.
        answer, _ = await self._data_plane.infer(request.model_name, request)
        return answer

    async def ModelReady(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._check_version(request.name, request.version)
        return await super().ModelReady(request, context)

    async def ModelMetadata(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._check_version(request.name, request.version)
        answer = await super().ModelMetadata(request, context)
        answer.versions.extend([self.version] if self.version else [])
        return answer

    async def RepositoryModelLoad(self, request: Any, context: Any) -> Any:  # noqa: N802
        raise _Refused(Refusal(501, without_repository().error))

    async def RepositoryModelUnload(self, request: Any, context: Any) -> Any:  # noqa: N802
        raise _Refused(Refusal(501, without_repository().error))

    def _check_version(self, model: str, version: str) -> None:
        """Refuse another version than the one that is served."""
        if model == self.model and version not in ("", self.version):
            error = RequestError(
                f"version {show(version)} of model {self.model!r} is not served",
                expected=f"version {self.version!r}, or none" if self.version else "no version",
                fix="leave the version out; the model's metadata names the one that is served",
            )
            raise _Refused(Refusal(404, error))


class _Guard(aio.ServerInterceptor):  # type: ignore[misc]
    """What stands before the servicer; the counterpart of `regatta.serving.guard`."""

    def __init__(self, model: str, version: str) -> None:
        self.model = model
        self.version = version

    async def intercept_service(self, continuation: Any, details: Any) -> Any:
        """Return the handler of a method, guarded."""
        handler = await continuation(details)
        if handler is None:
            return None

        async def answer(body: bytes, context: Any) -> bytes:
            return await self._answer(details.method, handler, body, context)

        # Messages are read and written in `_answer`, so that one which cannot be read is refused
        # like all others.
        return grpc.unary_unary_rpc_method_handler(answer)

    async def _answer(self, method: str, handler: Any, body: bytes, context: Any) -> bytes:
        """Answer one request."""
        # A message that cannot be read is counted: it names no other model.
        model, content, refused = self.model, b"", None
        try:
            request = _message(handler.request_deserializer, body, method)
            model = getattr(request, "model_name", getattr(request, "name", model))
            content = handler.response_serializer(await handler.unary_unary(request, context))
        except _Refused as err:
            refused = err.refusal
        except ANSWERED as err:
            refused = self._refusal(err, method, model)
        except Exception as err:  # the one handler of what nobody expected, as HTTP has it
            logger.error("%s", method, exc_info=err)
            refused = unexpected()
        if method == PREDICT and model == self.model:
            code = refused.status if refused else 200
            REQUESTS.labels(self.model, self.version, str(code)).inc()
        if refused:
            await _abort(context, refused)
        return content

    def _refusal(self, error: Exception, method: str, model: str) -> Refusal:
        """Return what is answered to an exception that has an answer."""
        if isinstance(error, ModelNotFound):
            unknown = RequestError(
                f"there is no model {show(model)} on this server",
                expected=f"model {self.model!r}",
                fix="correct the name of the model",
            )
            return Refusal(404, unknown)
        return refusal(error, "POST", method, self.model)


def _message(read: Any, body: bytes, method: str) -> Any:
    """Read a message."""
    if method == PREDICT:
        check_message(body)
    try:
        return read(body)
    except DecodeError as err:
        name = f"{method.rpartition('/')[2]}Request"
        raise RequestError(
            f"the message is no {name}",
            expected=f"a {name} of the Open Inference Protocol, with texts in UTF-8",
            fix="make the client from the protocol's grpc_predict_v2.proto",
        ) from err


async def _abort(context: Any, refused: Refusal) -> None:
    """Answer with a status; the message is cut to what a header may hold."""
    message = str(refused.error).encode("utf-8", "replace")[:LONGEST_MESSAGE]
    code = CODES.get(refused.status, StatusCode.INTERNAL)
    await context.abort(code, message.decode("utf-8", "ignore"))
