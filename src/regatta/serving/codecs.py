"""Request bodies to tables, predictions to response bodies; both protocols of KServe.

V1 takes a list of rows, ``{"instances": [{"age": 31, "plan": "basic"}]}``. V2 takes a tensor a
column: ``{"inputs": [{"name": "age", "shape": [1], "datatype": "FP64", "data": [31]}, ...]}``.
In both, ``null`` is a missing value, a column that may be missing may be left out, and columns of
the training table that the model does not read are allowed and ignored. Any other column is
refused: it is a typing mistake more often than not, and the column that was meant would count as
missing in silence.

Nothing in here knows KServe's classes, so that all of it can be tested without a server.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pandas as pd

from regatta.bundle import Bundle
from regatta.dataset.schema import Column
from regatta.errors import RequestError, nearest
from regatta.serving.quoting import few, show

__all__ = [
    "Table",
    "Tensor",
    "decode_v1",
    "decode_v2",
    "encode_v1",
    "encode_v2",
    "inputs",
    "outputs",
    "parse_json",
]

Array = npt.NDArray[np.float64]

# V2 datatype of a column, by how the training table stored it. A whole number may be missing, and
# a float tensor is the one numeric tensor in which every client can say so.
DATATYPES = {
    "int64": "FP64",
    "float64": "FP64",
    "bool": "BOOL",
    "string": "BYTES",
    "timestamp": "BYTES",
}
INTEGERS = frozenset(
    f"{sign}{bits}" for sign in ("INT", "UINT") for bits in ("8", "16", "32", "64")
)
FLOATS = frozenset({"FP16", "FP32", "FP64"})


@dataclass(frozen=True)
class Table:
    """The rows of a request.

    Attributes
    ----------
    frame : DataFrame of shape (n_rows, n_columns)
        Raw values, as the client wrote them.
    wanted : tuple of str
        Outputs that a V2 request asks for; ``()`` for all.
    """

    frame: pd.DataFrame
    wanted: tuple[str, ...] = ()


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


def parse_json(body: bytes) -> Any:
    """Parse a request body.

    Raises
    ------
    RequestError
        It is not JSON.
    """
    try:
        return orjson.loads(body)
    except ValueError as err:
        raise RequestError(
            f"the request body is not JSON ({err})" if body else "the request body is empty",
            expected='an object like {"instances": [{"column": value}]}',
            fix="send JSON in UTF-8",
        ) from err


def decode_v1(body: Any, bundle: Bundle) -> Table:
    """Read a V1 request.

    Parameters
    ----------
    body : JSON values
        The parsed body.
    bundle : Bundle
        Whose columns are meant.

    Raises
    ------
    RequestError
        The body is no list of rows, a row has an unknown column, or a value is a list or object.
    """
    rows = body.get("instances") if isinstance(body, Mapping) else None
    if not isinstance(rows, list) or not rows:
        found = "no 'instances'" if rows is None else f"'instances' as {show(rows)}"
        raise RequestError(
            f"the request has {found}",
            expected='a list with at least one row: {"instances": [{"column": value}]}',
            fix="put each row into 'instances' as an object of its columns",
        )
    present: dict[str, None] = {}
    for number, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise RequestError(
                f"row {number} of 'instances' is {show(row)}",
                expected='an object of its columns, like {"age": 31}',
                fix="name the columns of each row",
            )
        present.update(dict.fromkeys(row))
    _check_names(present, bundle)
    used = [column.name for column in bundle.signature if column.name in present]
    columns = {name: [row.get(name) for row in rows] for name in used}
    for name, values in columns.items():
        _check_scalars(name, values)
    return Table(_frame(columns, len(rows)))


def decode_v2(tensors: Iterable[Tensor], wanted: Iterable[str], bundle: Bundle) -> Table:
    """Read a V2 request.

    Parameters
    ----------
    tensors : iterable of Tensor
        Its inputs, one a column.
    wanted : iterable of str
        Names of the outputs that it asks for; empty for all.
    bundle : Bundle
        Whose columns are meant.

    Raises
    ------
    RequestError
        There is no tensor, a name is unknown or given twice, shapes differ, or a value does not
        fit its datatype.
    """
    found = list(tensors)
    if not found:
        raise RequestError(
            "the request has no 'inputs'",
            expected="one tensor a column",
            fix="send the tensors that the model's metadata names",
        )
    columns: dict[str, list[Any]] = {}
    for tensor in found:
        if tensor.name in columns:
            raise RequestError(
                f"input {tensor.name!r} is given twice",
                expected="one tensor a column",
                fix="put all rows of a column into one tensor",
            )
        columns[tensor.name] = _elements(tensor, len(next(iter(columns.values()), [])))
    _check_names(columns, bundle)
    n_rows = len(next(iter(columns.values())))
    known = {column.name for column in bundle.signature}
    used = {name: values for name, values in columns.items() if name in known}
    return Table(_frame(used, n_rows), _wanted(wanted, bundle))


def encode_v1(predicted: Array, bundle: Bundle) -> dict[str, Any]:
    """Return the body of a V1 response.

    Parameters
    ----------
    predicted : ndarray of shape (n_rows, n_outputs), float64
        What `Bundle.predict_array` returned.
    bundle : Bundle
        Where it came from.
    """
    _check_finite(predicted)
    if not bundle.classes:
        return {"predictions": [{"prediction": value} for value in predicted[:, 0].tolist()]}
    labels = bundle.labels(predicted).tolist()
    return {
        "predictions": [
            {
                "prediction": bundle.classes[label],
                "probabilities": dict(zip(bundle.classes, row, strict=True)),
            }
            for label, row in zip(labels, predicted.tolist(), strict=True)
        ]
    }


def encode_v2(predicted: Array, bundle: Bundle, wanted: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Return the outputs of a V2 response.

    Parameters
    ----------
    predicted : ndarray of shape (n_rows, n_outputs), float64
        What `Bundle.predict_array` returned.
    bundle : Bundle
        Where it came from.
    wanted : sequence of str, default ()
        Names of the outputs to return; empty for all.
    """
    _check_finite(predicted)
    frame = bundle.to_frame(predicted)
    return [
        {
            "name": output["name"],
            "shape": [len(frame)],
            "datatype": output["datatype"],
            "data": frame[output["name"]].tolist(),
        }
        for output in outputs(bundle)
        if not wanted or output["name"] in wanted
    ]


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


def _check_names(names: Iterable[str], bundle: Bundle) -> None:
    """Refuse a column that the training table did not have."""
    signature = [column.name for column in bundle.signature]
    known = {*signature, bundle.target, *bundle.metadata.get("columns", ())}
    for name in names:
        if name not in known:
            raise RequestError(
                f"the model knows no column {show(name)}{nearest(name[:200], signature)}",
                expected="one of " + few(signature),
                fix="correct the name, or leave the column out",
            )


def _elements(tensor: Tensor, n_rows: int) -> list[Any]:
    """Return the elements of a tensor, one a row."""
    values = _flat(tensor.data)
    shape = list(tensor.shape)
    fits = shape in ([len(values)], [len(values), 1])
    if not values or not fits or n_rows not in (0, len(values)):
        raise RequestError(
            f"input {show(tensor.name)} has shape {show(shape)} and {len(values)} values",
            expected=f"shape [{n_rows or 'n'}], one value a row, the same n for every input",
            fix="send as many values as the shape says, and at least one",
        )
    kind = tensor.datatype.upper()
    for row, value in enumerate(values):
        if value is not None and not _fits(value, kind):
            raise RequestError(
                f"input {show(tensor.name)} holds {show(value)} in row {row}",
                expected=f"a value of its datatype {show(kind)}, or null",
                fix="correct the value, or the datatype (see the model's metadata)",
            )
    return [_text(tensor.name, row, value) for row, value in enumerate(values)]


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


def _wanted(names: Iterable[str], bundle: Bundle) -> tuple[str, ...]:
    """Check the outputs that a V2 request asks for."""
    known = [output["name"] for output in outputs(bundle)]
    wanted = tuple(names)
    for name in wanted:
        if name not in known:
            raise RequestError(
                f"the model has no output {show(name)}{nearest(name[:200], known)}",
                expected="one of " + few(known),
                fix="correct the name, or leave 'outputs' out to get all",
            )
    return wanted


def _check_scalars(name: str, values: Iterable[Any]) -> None:
    """Refuse lists and objects as values."""
    for row, value in enumerate(values):
        if isinstance(value, (list, dict)):
            raise RequestError(
                f"column {name!r} holds {show(value)} in row {row}",
                expected="a number, a text, true, false or null",
                fix="send one plain value a column",
            )


def _check_finite(predicted: Array) -> None:
    """Refuse rows whose values are so extreme that the prediction overflows."""
    strange = np.flatnonzero(~np.isfinite(predicted).all(axis=1))
    if len(strange):
        raise RequestError(
            f"the prediction for row {int(strange[0])} is not finite",
            expected="values of the size that the model was trained on",
            fix="check the numbers of that row",
        )


def _frame(columns: Mapping[str, list[Any]], n_rows: int) -> pd.DataFrame:
    """Make a table of raw values; columns of floats at once, the others as objects."""
    series = {name: _array(values) for name, values in columns.items()}
    return pd.DataFrame(series, index=pd.RangeIndex(n_rows), copy=False)


def _array(values: list[Any]) -> npt.NDArray[Any]:
    kinds = set(map(type, values))
    if kinds <= {float, type(None)} and kinds != {type(None)}:
        return np.array(values, dtype=np.float64)
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array
