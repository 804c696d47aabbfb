"""V2 over gRPC: messages to tensors, outputs to messages.

KServe's own reader takes what a client writes as it is: bytes of any length, values in the field
of another datatype. This one checks each part, as `regatta.serving.v2_body` does for HTTP.
"""

import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
from kserve.constants.constants import GRPC_CONTENT_DATATYPE_MAPPINGS
from kserve.protocol.grpc.grpc_predict_v2_pb2 import (
    InferTensorContents,
    ModelInferRequest,
    ModelInferResponse,
)

from regatta.errors import RequestError
from regatta.serving.quoting import show
from regatta.serving.tensors import Tensor, check_datatype, unpack

__all__ = ["ModelInferRequest", "ModelInferResponse", "check_message", "pack", "read", "write"]

# Tensors, their bytes, outputs and parameters of one request; what is inside a tensor is bounded by
# the size of the message alone. An empty part is two bytes in a message and eighty in memory: a
# message of 32 MiB could take what the whole server may have.
MOST_PARTS = 100_000
# How protocol buffers say what follows.
VARINT, LENGTH, FIXED = 0, 2, {1: 8, 5: 4}


def check_message(body: bytes, most: int = MOST_PARTS) -> None:
    """Refuse a message of absurdly many parts before it is read.

    Parameters
    ----------
    body : bytes
        A message. What is no message is left to its reader.
    most : int, default 100000
        Parts that it may have.

    Raises
    ------
    RequestError
        It has more.
    """
    place = 0
    for _ in range(most):
        if place >= len(body):
            return
        tag, place = _varint(body, place)
        kind = tag & 7
        if kind == VARINT:
            _, place = _varint(body, place)
        elif kind == LENGTH:
            size, place = _varint(body, place)
            place += size
        elif kind in FIXED:
            place += FIXED[kind]
        else:
            return
    if place < len(body):
        raise RequestError(
            f"the message has more than {most} tensors, outputs and parameters",
            expected="one tensor a column",
            fix="put all rows of a column into one tensor",
        )


def read(message: ModelInferRequest) -> list[Tensor]:
    """Return the inputs of a request.

    Parameters
    ----------
    message : ModelInferRequest
        With values in ``contents``, or as bytes in ``raw_input_contents``.

    Raises
    ------
    RequestError
        The values are in the field of another datatype or in both places, or bytes are none of
        that datatype.
    """
    raw = message.raw_input_contents
    if raw and len(raw) != len(message.inputs):
        raise RequestError(
            f"the request has {len(message.inputs)} inputs and {len(raw)} raw_input_contents",
            expected="as many as inputs, or none",
            fix="send the bytes of every input, in the order of the inputs",
        )
    return [
        _tensor(found, raw[place] if raw else None) for place, found in enumerate(message.inputs)
    ]


def write(body: Mapping[str, Any], *, raw: bool) -> ModelInferResponse:
    """Return the message of a response.

    Parameters
    ----------
    body : mapping
        ``model_name``, ``id``, ``outputs`` as `regatta.serving.codecs.encode_v2` returns them,
        and ``model_version`` if there is one.
    raw : bool
        Whether values are sent as bytes: to a client that sent bytes.
    """
    answer = ModelInferResponse(
        model_name=body["model_name"], id=body["id"], model_version=body.get("model_version", "")
    )
    for output in body["outputs"]:
        kind, values = output["datatype"], output["data"]
        tensor = answer.outputs.add(name=output["name"], datatype=kind, shape=output["shape"])
        if raw:
            answer.raw_output_contents.append(pack(kind, values))
        elif kind == "BYTES":
            tensor.contents.bytes_contents.extend(text.encode() for text in values)
        else:
            tensor.contents.fp64_contents.extend(values)
    return answer


def pack(kind: str, values: list[Any]) -> bytes:
    """Return values as the bytes of a tensor.

    Parameters
    ----------
    kind : {"BYTES", "FP64"}
        Datatype.
    values : list of str or float
        Its elements.
    """
    if kind == "BYTES":
        texts = [text.encode() for text in values]
        return b"".join(struct.pack("<I", len(text)) + text for text in texts)
    return np.array(values, dtype="<f8").tobytes()


def _varint(body: bytes, place: int) -> tuple[int, int]:
    """Return the number at a place, and the place behind it."""
    value = shift = 0
    for byte in body[place : place + 10]:
        value |= (byte & 0x7F) << shift
        shift, place = shift + 7, place + 1
        if byte < 0x80:
            break
    return value, place


def _tensor(found: ModelInferRequest.InferInputTensor, raw: bytes | None) -> Tensor:
    """Read one input."""
    kind = found.datatype.upper()
    check_datatype(found.name, kind)
    if raw is None:
        values = _contents(found.name, kind, found.contents)
    elif found.HasField("contents"):
        raise RequestError(
            f"input {show(found.name)} has contents, and the request has raw_input_contents",
            expected="one of them for all inputs",
            fix="send the values of every input the same way",
        )
    else:
        values = unpack(found.name, kind, raw)
    return Tensor(found.name, kind, list(found.shape), values)


def _contents(name: str, kind: str, contents: InferTensorContents) -> list[Any]:
    """Return the values of an input that are not bytes."""
    field = GRPC_CONTENT_DATATYPE_MAPPINGS.get(kind, "raw_input_contents")
    for filled, _ in contents.ListFields():
        if filled.name != field:
            raise RequestError(
                f"input {show(name)} of datatype {kind} has values in {filled.name}",
                expected=f"values in {field}",
                fix="correct the datatype, or send the values where they belong",
            )
    return list(getattr(contents, field, ()))
