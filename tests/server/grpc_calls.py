"""Requests over gRPC, as the tests of that protocol make them."""

import contextlib
import math
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb

from regatta.bundle import Bundle
from regatta.serving.client import Client
from regatta.serving.grpc_client import GrpcClient
from tests.server.asking import Rows, free_port

__all__ = ["LONGEST", "Served", "age", "message", "packed", "refused", "serving"]

LONGEST = 2**20
FIELDS = {"FP64": "fp64_contents", "BOOL": "bool_contents", "BYTES": "bytes_contents"}


@dataclass
class Served:
    """A server process that speaks both."""

    http: Client
    grpc: GrpcClient
    process: "subprocess.Popen[str]"
    log: Path

    def infer(self, request: Any) -> Any:
        return self.grpc.stub.ModelInfer(request, timeout=30)


@contextlib.contextmanager
def serving(bundle_path: Path, folder: Path) -> Iterator[Served]:
    """Start a server; it is not ready yet."""
    ports = free_port(), free_port()
    command = [sys.executable, "-m", "regatta.serving", "--model_dir", str(bundle_path)]
    command += ["--model_name", "toy", "--model_version", "7", "--max_body_bytes", str(LONGEST)]
    command += ["--http_port", str(ports[0]), "--grpc_port", str(ports[1]), "--greeting", "ready"]
    log = folder / "log.txt"
    with (
        log.open("w") as file,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=file, text=True) as process,
        GrpcClient(f"127.0.0.1:{ports[1]}", "toy") as client,
    ):
        try:
            yield Served(Client(f"http://127.0.0.1:{ports[0]}", "toy"), client, process, log)
        finally:
            process.kill()


def kind_of(dtype: str) -> str:
    return {"int64": "FP64", "float64": "FP64", "bool": "BOOL"}.get(dtype, "BYTES")


def plain(kind: str, value: Any) -> Any:
    """Return a JSON value as a message has it."""
    if kind == "BYTES":
        return ("" if value is None else str(value)).encode()
    return math.nan if value is None else value


def packed(kind: str, values: list[Any]) -> bytes:
    """Return the bytes of a tensor, as the protocol lays them out."""
    if kind == "BYTES":
        return b"".join(struct.pack("<I", len(value)) + value for value in values)
    letters = {"FP": "f", "INT": "i", "UINT": "u", "BOOL": "u"}
    size = "1" if kind == "BOOL" else str(int(kind.lstrip("UINTFP")) // 8)
    return np.array(values, dtype="<" + letters[kind.rstrip("0123456789")] + size).tobytes()


def message(rows: Rows, loaded: Bundle, *, raw: bool = False) -> Any:
    request = pb.ModelInferRequest(model_name="toy", id="abc")
    for column in loaded.signature:
        kind = kind_of(column.dtype)
        values = [plain(kind, row[column.name]) for row in rows]
        tensor = request.inputs.add(name=column.name, datatype=kind, shape=[len(rows)])
        if raw:
            request.raw_input_contents.append(packed(kind, values))
        else:
            getattr(tensor.contents, FIELDS[kind]).extend(values)
    return request


def refused(call: Callable[..., Any], *values: Any) -> tuple[str, str]:
    """Return the status and message of a request that is refused."""
    with pytest.raises(grpc.RpcError) as caught:
        call(*values)
    return caught.value.code().name, caught.value.details()


def age(kind: str, shape: list[int], raw: bytes | None = None, **contents: Any) -> Any:
    """Return a request of one column."""
    request = pb.ModelInferRequest(model_name="toy")
    tensor = request.inputs.add(name="age", datatype=kind, shape=shape)
    if raw is not None:
        request.raw_input_contents.append(raw)
    for field, values in contents.items():
        getattr(tensor.contents, field).extend(values)
    return request
