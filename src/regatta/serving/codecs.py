"""Request bodies to tables, predictions to response bodies; both protocols of KServe.

V1 takes a list of rows, ``{"instances": [{"age": 31, "plan": "basic"}]}``. V2 takes a tensor a
column: ``{"inputs": [{"name": "age", "shape": [1], "datatype": "FP64", "data": [31]}, ...]}``.
In both, ``null`` is a missing value, a column that had missing values in training may be left
out, and columns of the training table that the model does not read are allowed and ignored. Any
other column is refused: it is a typing mistake more often than not, and the column that was meant
would count as missing in silence. Rows are counted from 1 in messages.

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
from regatta.dataset.names import may_be_left_out
from regatta.dataset.schema import Column
from regatta.errors import RequestError, nearest
from regatta.serving.quoting import few, show
from regatta.serving.tensors import Tensor, elements, outputs

__all__ = [
    "Table",
    "check_brackets",
    "decode_v1",
    "decode_v2",
    "encode_v1",
    "encode_v2",
    "parse_json",
]

Array = npt.NDArray[np.float64]

MOST_BRACKETS = 1_000_000
V1_EXAMPLE = '{"instances": [{"column": value}]}'


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


def check_brackets(body: bytes) -> None:
    """Refuse a body of very many brackets before it is parsed.

    32 MiB of empty lists or objects would take a GiB of memory, and seconds in which nobody else is
    answered. Brackets in texts are counted, too: to tell them apart is to parse the body.

    Raises
    ------
    RequestError
        There are more than 1,000,000.
    """
    if body.count(b"{") + body.count(b"[") > MOST_BRACKETS:
        raise RequestError(
            f"the request body has more than {MOST_BRACKETS:,} brackets ('{{' and '[')",
            expected="fewer rows in one request",
            fix="send the rows in several requests",
        )


def parse_json(body: bytes, example: str = V1_EXAMPLE) -> Any:
    """Parse a request body.

    Parameters
    ----------
    body : bytes
        JSON in UTF-8.
    example : str, optional
        What it should look like, for the message.

    Raises
    ------
    RequestError
        It is not JSON, or has too many parts.
    """
    check_brackets(body)
    try:
        return orjson.loads(body)
    except ValueError as err:
        raise RequestError(
            f"the request body is not JSON ({err})" if body else "the request body is empty",
            expected=f"an object like {example}",
            fix="send JSON in UTF-8; a missing value is null",
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
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, Mapping):
            raise RequestError(
                f"row {number} of 'instances' is {show(row)}",
                expected='an object of its columns, like {"age": 31}',
                fix="name the columns of each row",
            )
        present.update(dict.fromkeys(row))
    _check_names(present, bundle)
    columns = {column.name: _values(column, rows) for column in bundle.signature}
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
        columns[tensor.name] = elements(tensor, len(next(iter(columns.values()), [])))
    _check_names(columns, bundle)
    n_rows = len(next(iter(columns.values())))
    used = {}
    for column in bundle.signature:
        if column.name not in columns:
            _check_left_out(column, "the request")
        used[column.name] = columns.get(column.name) or [None] * n_rows
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


def _values(column: Column, rows: Sequence[Mapping[str, Any]]) -> list[Any]:
    """Take one column out of rows; refuse lists and objects as values."""
    values: list[Any] = []
    for number, row in enumerate(rows, start=1):
        if column.name not in row:
            _check_left_out(column, f"row {number}")
        value = row.get(column.name)
        if isinstance(value, (list, dict)):
            raise RequestError(
                f"column {column.name!r} holds {show(value)} in row {number}",
                expected="a number, a text, true, false or null",
                fix="send one plain value a column",
            )
        values.append(value)
    return values


def _check_left_out(column: Column, where: str) -> None:
    """Refuse a request that leaves out a column which always had a value in training."""
    if not may_be_left_out(column):
        raise RequestError(
            f"{where} has no column {column.name!r}",
            expected="every column that always had a value in training",
            fix=f"add {column.name!r}; where its value is not known, send null",
        )


def _check_finite(predicted: Array) -> None:
    """Refuse rows whose values are so extreme that the prediction overflows."""
    strange = np.flatnonzero(~np.isfinite(predicted).all(axis=1))
    if len(strange):
        raise RequestError(
            f"the prediction for row {int(strange[0]) + 1} is not finite",
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
