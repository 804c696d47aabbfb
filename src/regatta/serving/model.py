"""The bundle as a model of KServe's server.

KServe calls `preprocess`, `predict` and `postprocess` one after another and measures each. All
three work in a thread pool of the model, so that the event loop is free for health checks while
a large request is at work; `postprocess` returns bytes for the same reason.
"""

import asyncio
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import orjson
import pandas as pd
from kserve import InferOutput, InferRequest, InferResponse, Model

from regatta.bundle import Bundle
from regatta.dataset.schema import Column
from regatta.errors import RegattaError, RequestError, ServiceError
from regatta.serving import codecs, v2_messages
from regatta.serving.metrics import count_predictions, describe
from regatta.serving.quoting import show
from regatta.serving.tensors import Tensor, inputs, outputs

__all__ = ["BundleModel", "example_row"]

T = TypeVar("T")

JSON = "application/json"
MANY_ROWS = 64


@dataclass(frozen=True)
class Request:
    """A decoded request on its way through the model; V2 keeps KServe's own."""

    table: codecs.Table
    v2: Any = None


@dataclass(frozen=True)
class Answer:
    """A prediction on its way out."""

    request: Request
    predicted: npt.NDArray[np.float64]


class BundleModel(Model):  # type: ignore[misc]
    """Serve one bundle.

    Parameters
    ----------
    name : str
        Name of the model in URLs.
    bundle : Bundle
        The model.
    version : str, default ""
        Its version in the registry, for metadata and metrics.
    threads : int, default 1
        Requests that may be worked on at once.
    """

    def __init__(self, name: str, bundle: Bundle, version: str = "", threads: int = 1) -> None:
        super().__init__(name, return_response_headers=True)
        self.bundle = bundle
        self.version = version
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="predict")

    def load(self) -> bool:
        """Warm up: answer requests made of the signature's examples.

        Raises
        ------
        ServiceError
            The bundle cannot predict its own examples.
        """
        row = example_row(self.bundle.signature)
        try:
            # Learners take other ways for many rows than for one; what either makes on first use
            # shall be there before the first request.
            for n_rows in (1, MANY_ROWS, 1):
                table = codecs.decode_v1({"instances": [row] * n_rows}, self.bundle)
                predicted = self.bundle.predict_array(table.frame)
                codecs.encode_v1(predicted, self.bundle)
        except RegattaError as err:
            raise ServiceError(
                f"model {self.name!r} cannot predict the examples of its own signature ({err})",
                expected="a prediction",
                fix="train the model again with this version of Regatta",
            ) from err
        describe(self.bundle, self.name, self.version)
        self.ready = True
        return True

    def start(self) -> None:
        """Do nothing: only `load` makes the model ready."""

    def get_input_types(self) -> list[dict[str, Any]]:
        """Return the tensors that V2 requests are made of."""
        return inputs(self.bundle)

    def get_output_types(self) -> list[dict[str, Any]]:
        """Return the tensors that V2 responses are made of."""
        return outputs(self.bundle)

    def validate(self, payload: Any) -> Any:
        """Accept what `preprocess` has checked."""
        return payload

    async def preprocess(self, payload: Any, headers: Mapping[str, str] | None = None) -> Request:
        """Decode a request."""
        return await self._in_pool(self._decode, payload)

    async def predict(
        self,
        payload: Request,
        headers: Mapping[str, str] | None = None,
        response_headers: dict[str, str] | None = None,
    ) -> Answer:
        """Predict the rows of a request."""
        predicted = await self._in_pool(self.bundle.predict_array, payload.table.frame)
        return Answer(payload, predicted)

    async def postprocess(
        self,
        result: Answer,
        headers: Mapping[str, str] | None = None,
        response_headers: dict[str, str] | None = None,
    ) -> Any:
        """Encode a response."""
        is_event = any(name.startswith("ce-") for name in headers or ()) or (
            (headers or {}).get("content-type") == "application/cloudevents+json"
        )
        encode = self._encode_v1 if result.request.v2 is None else self._encode_v2
        body = await self._in_pool(encode, result)
        if isinstance(body, dict) and not is_event:
            body = await self._in_pool(orjson.dumps, body)
            if response_headers is not None:
                response_headers["content-type"] = JSON
        return body

    async def _in_pool(self, function: Callable[..., T], *values: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, function, *values)

    def _decode(self, payload: Any) -> Request:
        if isinstance(payload, v2_messages.ModelInferRequest):
            names = [output.name for output in payload.outputs]
            return Request(codecs.decode_v2(v2_messages.read(payload), names, self.bundle), payload)
        if isinstance(payload, InferRequest):
            tensors = [_tensor(found) for found in payload.inputs]
            wanted = [output.name for output in payload.request_outputs or ()]
            return Request(codecs.decode_v2(tensors, wanted, self.bundle), payload)
        body = codecs.parse_json(payload) if isinstance(payload, bytes) else payload
        return Request(codecs.decode_v1(body, self.bundle))

    def _encode_v1(self, answer: Answer) -> dict[str, Any]:
        body = codecs.encode_v1(answer.predicted, self.bundle)
        count_predictions(self.bundle, answer.predicted, self.name, self.version)
        return body

    def _encode_v2(self, answer: Answer) -> Any:
        """Return JSON values; KServe's own response for binary tensors, a message for gRPC."""
        request = answer.request.v2
        outputs = codecs.encode_v2(answer.predicted, self.bundle, answer.request.table.wanted)
        count_predictions(self.bundle, answer.predicted, self.name, self.version)
        body = {
            "model_name": self.name,
            "id": str(request.id) if request.id else str(uuid.uuid4()),
            "outputs": outputs,
        }
        if self.version:
            body["model_version"] = self.version
        if isinstance(request, v2_messages.ModelInferRequest):
            return v2_messages.write(body, raw=bool(request.raw_input_contents))
        asked = request.request_outputs or ()
        if request.use_binary_outputs or any(output.binary_data for output in asked):
            return _binary(body, request)
        return body


def example_row(signature: tuple[Column, ...]) -> dict[str, Any]:
    """Return one row of a request: the example of each column."""
    return {column.name: column.example for column in signature}


def _tensor(found: Any) -> Tensor:
    """Take a tensor out of KServe's class, which does not check all of its parts."""
    shape, data = found.shape, found.data
    if not (
        isinstance(found.name, str)
        and isinstance(shape, list)
        and all(type(size) is int for size in shape)
        and isinstance(data, list)
    ):
        raise RequestError(
            f"input {show(found.name)} is no tensor",
            expected='like {"name": "age", "shape": [1], "datatype": "FP64", "data": [31]}',
            fix="send name, shape, datatype and data of each column",
        )
    return Tensor(found.name, found.datatype, shape, data)


def _binary(body: dict[str, Any], request: InferRequest) -> InferResponse:
    """Return KServe's own response, which can write tensors as bytes behind the JSON."""
    found = []
    for output in body["outputs"]:
        is_text = output["datatype"] == "BYTES"
        values = pd.Series(output["data"]).to_numpy(dtype=object if is_text else np.float64)
        tensor = InferOutput(output["name"], output["shape"], output["datatype"])
        tensor.set_data_from_numpy(values, binary_data=True)
        found.append(tensor)
    return InferResponse(
        model_name=body["model_name"],
        model_version=body.get("model_version"),
        response_id=body["id"],
        infer_outputs=found,
        use_binary_outputs=request.use_binary_outputs,
        requested_outputs=request.request_outputs,
    )
