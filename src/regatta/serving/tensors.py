"""Tensors of the V2 protocol: one a column."""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from regatta.bundle import Bundle
from regatta.dataset.schema import Column
from regatta.errors import RequestError, nearest
from regatta.serving.quoting import show

__all__ = ["Tensor", "check_datatype", "datatype", "elements", "inputs", "outputs", "unpack"]

# V2 datatype of a column, by how the training table stored it. A whole number may be missing, and
# a float tensor is the one numeric tensor in which every client can say so.
DATATYPES = {
    "int64": "FP64",
    "float64": "FP64",
    "bool": "BOOL",
    "string": "BYTES",
    "timestamp": "BYTES",
}
# How the bytes of a binary tensor are laid out. A BOOL is a byte that must be looked at.
NUMPY = {
    "BOOL": "u1",
    **{f"INT{8 * size}": f"<i{size}" for size in (1, 2, 4, 8)},
    **{f"UINT{8 * size}": f"<u{size}" for size in (1, 2, 4, 8)},
    **{f"FP{8 * size}": f"<f{size}" for size in (2, 4, 8)},
}
INTEGERS = frozenset(kind for kind in NUMPY if "INT" in kind)
FLOATS = frozenset(kind for kind in NUMPY if kind.startswith("FP"))
# Before each text of a binary tensor stands its length.
LENGTH_BYTES = 4


@dataclass(frozen=True)
class Tensor:
    """One tensor of a V2 request.

    Attributes
    ----------
    name, datatype : str
        As the protocol names them.
    shape : sequence of int
        ``[n_rows]`` or ``[n_rows, 1]``.
    data : sequence
        Its elements, row by row; lists in lists are flattened.
    """

    name: str
    datatype: str
    shape: Sequence[int]
    data: Sequence[Any]


def inputs(bundle: Bundle) -> list[dict[str, Any]]:
    """Return what the V2 metadata says of the inputs: one tensor a column."""
    return [
        {"name": column.name, "datatype": datatype(column), "shape": [-1]}
        for column in bundle.signature
    ]


def outputs(bundle: Bundle) -> list[dict[str, Any]]:
    """Return what the V2 metadata says of the outputs."""
    kind = "BYTES" if bundle.classes else "FP64"
    names = [("prediction", kind)] + [(f"proba_{label}", "FP64") for label in bundle.classes]
    return [{"name": name, "datatype": kind, "shape": [-1]} for name, kind in names]


def datatype(column: Column) -> str:
    """Return the V2 datatype that a column is best sent as."""
    return DATATYPES.get(column.dtype, "BYTES")


def elements(tensor: Tensor, n_rows: int) -> list[Any]:
    """Return the elements of a tensor, one a row.

    Parameters
    ----------
    tensor : Tensor
        One column.
    n_rows : int
        Rows of the tensors before it; 0 if it is the first.

    Raises
    ------
    RequestError
        The shape is another one, or a value does not fit the datatype.
    """
    values = _flat(tensor.data)
    shape = list(tensor.shape)
    fits = shape in ([len(values)], [len(values), 1])
    if not values or not fits or n_rows not in (0, len(values)):
        raise _misshapen(tensor.name, shape, len(values), n_rows)
    kind = tensor.datatype.upper()
    check_datatype(tensor.name, kind)
    for row, value in enumerate(values, start=1):
        if value is not None and not _fits(value, kind):
            raise RequestError(
                f"input {show(tensor.name)} holds {show(value)} in row {row}",
                expected=f"a value of its datatype {show(kind)}, or null",
                fix="correct the value, or the datatype (see the model's metadata)",
            )
    return [_text(tensor.name, row, value) for row, value in enumerate(values, start=1)]


def check_datatype(name: str, kind: str) -> None:
    """Refuse a datatype that the protocol does not have.

    Raises
    ------
    RequestError
        It is another one.
    """
    known = ("BYTES", *NUMPY)
    if kind not in known:
        raise RequestError(
            f"input {show(name)} has the datatype {show(kind)}{nearest(kind[:20], known)}",
            expected="one of " + ", ".join(known),
            fix="send the datatype that the model's metadata names",
        )


def unpack(name: str, kind: str, content: bytes) -> list[Any]:
    """Read the bytes of a binary tensor.

    Parameters
    ----------
    name, kind : str
        Name and datatype of the tensor; the datatype is one of the protocol.
    content : bytes
        Its elements, little-endian; each text behind its length of 4 bytes.

    Raises
    ------
    RequestError
        The bytes are not elements of that datatype.
    """
    if kind == "BYTES":
        return list(_texts(name, content))
    dtype = np.dtype(NUMPY[kind])
    if len(content) % dtype.itemsize:
        raise RequestError(
            f"input {show(name)} has {len(content)} bytes",
            expected=f"a multiple of {dtype.itemsize}, the bytes of a value of {kind}",
            fix="correct the datatype, the size of the tensor or the bytes",
        )
    array = np.frombuffer(content, dtype=dtype)
    if kind == "BOOL":
        if len(array) and array.max() > 1:
            raise RequestError(
                f"input {show(name)} holds the byte {array.max()}",
                expected="0 or 1, as its datatype is BOOL",
                fix="correct the datatype or the bytes",
            )
        array = array.astype(bool)
    return list(array.tolist())


def _misshapen(name: str, shape: Sequence[int], n_values: int, n_rows: int) -> RequestError:
    """Say which shape a tensor has, and which would do."""
    shown = ", ".join([show(size) for size in shape[:5]] + ["…"] * (len(shape) > 5))
    held = f"{n_values} value" + "s" * (n_values != 1)
    n = str(n_rows or n_values or "n")
    why = "as many rows as the input before it" if n_rows else "one value a row, at least one row"
    return RequestError(
        f"input {show(name)} has shape [{shown}] and {held}",
        expected=f"shape [{n}] or [{n}, 1]: {why}",
        fix="send one value a row for every input, and the number of rows as the shape",
    )


def _fits(value: Any, kind: str) -> bool:
    """Return whether a JSON value may stand in a tensor of a datatype."""
    if kind == "BYTES":
        return isinstance(value, (str, bytes))
    if kind == "BOOL":
        return isinstance(value, bool)
    if isinstance(value, bool):
        return False
    if kind in INTEGERS:
        return isinstance(value, int) and abs(value) < 2**64
    if kind in FLOATS:
        return isinstance(value, float) or (isinstance(value, int) and abs(value) < 2**1000)
    return False


def _text(name: str, row: int, value: Any) -> Any:
    """Return a value with bytes as text; refuse what is not UTF-8."""
    try:
        if isinstance(value, bytes):
            return value.decode("utf-8")
        if isinstance(value, str):
            # JSON can spell half a surrogate pair, which no text encoding can hold.
            value.encode("utf-8")
    except UnicodeError as err:
        raise RequestError(
            f"input {show(name)} holds text that is not UTF-8 in row {row}",
            expected="UTF-8",
            fix="encode the text as UTF-8",
        ) from err
    return value


def _flat(values: Sequence[Any]) -> list[Any]:
    """Flatten the one level of lists that shape ``[n, 1]`` has; a list further down stays."""
    if not any(isinstance(value, list) for value in values):
        return list(values)
    return [
        element for value in values for element in (value if isinstance(value, list) else [value])
    ]


def _texts(name: str, content: bytes) -> Iterator[bytes]:
    """Read texts, each behind its length (4 bytes, little-endian)."""
    place = 0
    while place < len(content):
        begin = place + LENGTH_BYTES
        cut = len(content) < begin
        size = 0 if cut else struct.unpack_from("<I", content, place)[0]
        if cut or begin + size > len(content):
            what = f"{len(content) - place} bytes" if cut else f"a text of {size} bytes"
            raise RequestError(
                f"input {show(name)} has {what} at byte {place} of its {len(content)}",
                expected="texts, each behind its length of 4 bytes (little-endian)",
                fix="correct the lengths of the texts, or the size of the tensor",
            )
        place = begin + size
        yield content[begin:place]
