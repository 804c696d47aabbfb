"""V2 request bodies: JSON, and behind it the bytes of binary tensors.

KServe's own reader believes the sizes and lengths that a client writes. This one checks each
before it uses it, so that a body is either read whole or refused with one message.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from regatta.errors import RequestError
from regatta.serving.codecs import parse_json
from regatta.serving.quoting import show
from regatta.serving.tensors import Tensor, check_datatype, unpack

__all__ = ["LENGTH_HEADER", "Body", "read"]

LENGTH_HEADER = "inference-header-content-length"

EXAMPLE = '{"name": "age", "shape": [1], "datatype": "FP64", "data": [31]}'
SIZE = "binary_data_size"


@dataclass(frozen=True)
class Body:
    """A V2 request that was read.

    Attributes
    ----------
    tensors : list of Tensor
        Its inputs; those that were binary hold Python values now.
    outputs : list of (str, mapping)
        Outputs that it asks for, with their parameters.
    parameters : mapping
        Parameters of the request.
    id : str or None
        What the client calls it.
    """

    tensors: list[Tensor]
    outputs: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    parameters: dict[str, Any] = field(default_factory=dict)
    id: str | None = None


def read(body: bytes, json_length: str | None = None) -> Body:
    """Read a request body.

    Parameters
    ----------
    body : bytes
        JSON, and the binary tensors in the order of the inputs.
    json_length : str, optional
        What the header ``Inference-Header-Content-Length`` says: bytes of the JSON. Without it
        the whole body is JSON.

    Raises
    ------
    RequestError
        The body is not what the protocol says, or a size or length in it is not true.

    Examples
    --------
    >>> read(b'{"inputs": [{"name": "a", "shape": [1], "datatype": "BOOL", "data": [true]}]}')
    Body(tensors=[Tensor(name='a', datatype='BOOL', shape=[1], data=[True])], outputs=[], \
parameters={}, id=None)
    """
    length = len(body) if json_length is None else _length(json_length, len(body))
    example = f'{{"inputs": [{EXAMPLE}]}}'
    values = parse_json(body[:length], example)
    if not isinstance(values, dict) or not isinstance(values.get("inputs"), list):
        inputs = values.get("inputs") if isinstance(values, dict) else None
        found = "no 'inputs'" if inputs is None else f"'inputs' as {show(inputs)}"
        raise RequestError(
            f"the request has {found}",
            expected=f"a list with one tensor a column: {example}",
            fix="send the tensors that the model's metadata names",
        )
    _check_part(values.get("id"), str, "'id'", "a text")
    _check_part(values.get("parameters"), dict, "'parameters'", "an object")
    rest = _Rest(body[length:])
    tensors = [_tensor(place, found, rest) for place, found in enumerate(values["inputs"], 1)]
    rest.check_end()
    return Body(tensors, _outputs(values), values.get("parameters") or {}, values.get("id"))


class _Rest:
    """The bytes behind the JSON, taken from the front."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.place = 0

    def take(self, name: str, size: Any) -> bytes:
        left = len(self.content) - self.place
        if type(size) is not int or not 0 <= size <= left:
            raise RequestError(
                f"input {show(name)} has {SIZE} {show(size)}, and {left} bytes are left for it",
                expected="the number of bytes of the tensor, which follow the JSON",
                fix=f"correct {SIZE}, or send the whole body",
            )
        self.place += size
        return self.content[self.place - size : self.place]

    def check_end(self) -> None:
        if left := len(self.content) - self.place:
            raise RequestError(
                f"{left} bytes follow the last tensor",
                expected=f"the JSON and as many bytes as all {SIZE} together",
                fix=f"correct the header {LENGTH_HEADER} or {SIZE}",
            )


def _length(text: str, longest: int) -> int:
    """Read the header; a number of that many digits cannot be longer than the body."""
    if not (text.isascii() and text.isdigit() and len(text) < 16 and int(text) <= longest):
        raise RequestError(
            f"the header {LENGTH_HEADER} is {show(text)}",
            expected=f"the number of bytes of the JSON, at most {longest}: the length of the body",
            fix="correct the header, or leave it out if no tensor is binary",
        )
    return int(text)


def _check_part(found: Any, kind: type, what: str, expected: str) -> None:
    """Refuse an optional part of another type."""
    if found is not None and not isinstance(found, kind):
        raise RequestError(
            f"{what} of the request is {show(found)}",
            expected=expected,
            fix="correct it, or leave it out",
        )


def _outputs(values: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Read which outputs a request asks for."""
    example = '{"name": "prediction"}'
    _check_part(values.get("outputs"), list, "'outputs'", f"a list like [{example}]")
    wanted = []
    for place, found in enumerate(values.get("outputs") or (), 1):
        name = found.get("name") if isinstance(found, dict) else None
        if not isinstance(name, str):
            raise RequestError(
                f"output {place} of the request is {show(found)} without a name",
                expected=f"an object like {example}",
                fix="correct it, or leave 'outputs' out to get all",
            )
        parameters = found.get("parameters")
        _check_part(parameters, dict, f"'parameters' of output {place}", "an object")
        wanted.append((name, parameters or {}))
    return wanted


def _tensor(place: int, found: Any, rest: _Rest) -> Tensor:
    """Read one input."""
    if not isinstance(found, dict):
        raise _malformed(f"input {place} is {show(found)}")
    name = found.get("name")
    if not isinstance(name, str):
        raise _malformed(f"input {place} has {_part(found, 'name')}")
    shape, kind = found.get("shape"), found.get("datatype")
    if not isinstance(shape, list) or not all(type(size) is int for size in shape):
        raise _malformed(f"input {show(name)} has {_part(found, 'shape')}")
    if not isinstance(kind, str):
        raise _malformed(f"input {show(name)} has {_part(found, 'datatype')}")
    kind = kind.upper()
    check_datatype(name, kind)
    data, parameters = found.get("data"), found.get("parameters")
    if data is None and isinstance(parameters, dict) and parameters.get(SIZE) is not None:
        content = rest.take(name, parameters[SIZE])
        return Tensor(name, kind, shape, unpack(name, kind, content))
    if not isinstance(data, list):
        raise _malformed(f"input {show(name)} has {_part(found, 'data')}")
    return Tensor(name, kind, shape, data)


def _part(found: Mapping[str, Any], key: str) -> str:
    return f"{key!r} {show(found[key])}" if key in found else f"no {key!r}"


def _malformed(found: str) -> RequestError:
    return RequestError(
        found,
        expected=f"a tensor like {EXAMPLE}",
        fix=f"send name, shape, datatype, and data or {SIZE}, of each column",
    )
