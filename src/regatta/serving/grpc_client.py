"""A small client of the service over gRPC, for tests and for people; it needs KServe."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Self

import grpc
from kserve.protocol.grpc.grpc_predict_v2_pb2 import (
    ModelInferRequest,
    ModelInferResponse,
    ModelMetadataRequest,
    ModelMetadataResponse,
)
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub

from regatta.errors import RequestError, ServiceError
from regatta.serving.client import rows_of

__all__ = ["GrpcClient"]

Row = Mapping[str, Any]

REFUSALS = (
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.UNIMPLEMENTED,
)


class GrpcClient:
    """Call one service over gRPC.

    Parameters
    ----------
    address : str
        Host and port, such as ``127.0.0.1:8081``.
    model : str
        Name of the model.
    timeout_seconds : float, default 60
        Longest time to wait for an answer.
    """

    def __init__(self, address: str, model: str, timeout_seconds: float = 60) -> None:
        self.address, self.model, self.timeout_seconds = address, model, timeout_seconds
        unbounded = (("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1))
        self.channel = grpc.insecure_channel(address, unbounded)
        self.stub = GRPCInferenceServiceStub(self.channel)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self.channel.close()

    def metadata(self) -> ModelMetadataResponse:
        """Return what V2 says of the model: versions, inputs, outputs.

        Raises
        ------
        RequestError
            The service has no such model.
        ServiceError
            It did not answer.
        """
        return self.call("ModelMetadata", ModelMetadataRequest(name=self.model))

    def predict(self, rows: Sequence[Row]) -> list[dict[str, Any]]:
        """Predict rows.

        Parameters
        ----------
        rows : sequence of mapping
            Raw values by column, JSON values.

        Returns
        -------
        list of dict
            ``prediction``, and ``probabilities`` by class for a classification.

        Raises
        ------
        RequestError
            The service refused the rows.
        ServiceError
            It did not answer, or not as it should.
        """
        request = ModelInferRequest(model_name=self.model)
        for described in self.metadata().inputs:
            if any(described.name in row for row in rows):
                values = [row.get(described.name) for row in rows]
                _add(request, described.name, described.datatype, values)
        return _predictions(self.call("ModelInfer", request))

    def call(self, method: str, message: Any) -> Any:
        """Call a method of the protocol.

        Parameters
        ----------
        method : str
            Its name, such as ``ModelInfer``.
        message : protobuf message
            Its request.

        Raises
        ------
        RequestError
            The service refused the request.
        ServiceError
            It did not answer, or could not.
        """
        try:
            return getattr(self.stub, method)(message, timeout=self.timeout_seconds)
        except grpc.RpcError as err:
            kind = RequestError if err.code() in REFUSALS else ServiceError
            raise kind(
                f"{method} of {self.address} was answered with {err.code().name}: {err.details()}",
                fix="compare the rows with the model's metadata, and see the log of the service",
            ) from err


def _add(request: ModelInferRequest, name: str, kind: str, values: list[Any]) -> None:
    """Add a column; one with values that its datatype cannot hold is sent as texts."""
    tensor = request.inputs.add(name=name, datatype=kind, shape=[len(values)])
    if kind == "FP64" and all(value is None or _is_number(value) for value in values):
        numbers = [math.nan if value is None else float(value) for value in values]
        tensor.contents.fp64_contents.extend(numbers)
    elif kind == "BOOL" and all(isinstance(value, bool) for value in values):
        tensor.contents.bool_contents.extend(values)
    else:
        tensor.datatype = "BYTES"
        # A message has no null; an empty text is a missing value.
        texts = ["" if value is None else str(value) for value in values]
        tensor.contents.bytes_contents.extend(text.encode() for text in texts)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _predictions(answer: ModelInferResponse) -> list[dict[str, Any]]:
    """Return the rows of an answer."""
    columns: dict[str, list[Any]] = {}
    for output in answer.outputs:
        contents = output.contents
        texts = [text.decode() for text in contents.bytes_contents]
        columns[output.name] = texts or list(contents.fp64_contents)
    return rows_of(columns)
