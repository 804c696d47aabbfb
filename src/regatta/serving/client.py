"""A small client of the service, for the proof after a deployment and for people.

It needs nothing but the standard library: what deploys a service does not import KServe.
"""

import http.client
import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlsplit

from regatta.errors import RequestError, ServiceError

__all__ = ["Client", "rows_of"]

Row = Mapping[str, Any]
Prediction = dict[str, Any]


class Client:
    """Call one service.

    Parameters
    ----------
    url : str
        Its address, such as ``http://127.0.0.1:8080``.
    model : str
        Name of the model.
    timeout_seconds : float, default 60
        Longest time to wait for an answer.
    """

    def __init__(self, url: str, model: str, timeout_seconds: float = 60) -> None:
        parts = urlsplit(url)
        self.host, self.port = parts.hostname or "127.0.0.1", parts.port or 80
        self.url, self.model, self.timeout_seconds = url, model, timeout_seconds

    def ready(self) -> bool:
        """Return whether the service answers that the model is ready."""
        try:
            status, _ = self.request("GET", f"/v2/models/{quote(self.model)}/ready")
        except ServiceError:
            return False
        return status == 200

    def metadata(self) -> dict[str, Any]:
        """Return what V2 says of the model: versions, inputs, outputs."""
        return self._checked("GET", f"/v2/models/{quote(self.model)}", None)

    def predict_v1(self, rows: Sequence[Row]) -> list[Prediction]:
        """Predict rows over V1.

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
        path = f"/v1/models/{quote(self.model)}:predict"
        return list(self._checked("POST", path, {"instances": list(rows)})["predictions"])

    def predict_v2(self, rows: Sequence[Row]) -> list[Prediction]:
        """Predict rows over V2; values and errors are those of `predict_v1`."""
        tensors = [
            {
                "name": tensor["name"],
                "shape": [len(rows)],
                "datatype": tensor["datatype"],
                "data": [row.get(tensor["name"]) for row in rows],
            }
            for tensor in self.metadata()["inputs"]
            if any(tensor["name"] in row for row in rows)
        ]
        path = f"/v2/models/{quote(self.model)}/infer"
        body = self._checked("POST", path, {"inputs": tensors})
        data = {output["name"]: output["data"] for output in body["outputs"]}
        return rows_of(data)

    def request(self, method: str, path: str, body: Any = None) -> tuple[int, bytes]:
        """Send one request on a connection of its own.

        Parameters
        ----------
        method, path : str
            As HTTP has them.
        body : JSON values or bytes, optional
            What to send.

        Returns
        -------
        status : int
            HTTP status.
        body : bytes
            The answer.

        Raises
        ------
        ServiceError
            There was no answer.
        """
        sent = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        connection = http.client.HTTPConnection(self.host, self.port, timeout=self.timeout_seconds)
        try:
            connection.request(method, path, sent, {"content-type": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException) as err:
            raise ServiceError(
                f"{self.url} does not answer ({type(err).__name__}: {err})",
                expected="a running service",
                fix="look at its log, or start it with `regatta serve`",
            ) from err
        finally:
            connection.close()

    def _checked(self, method: str, path: str, body: Any) -> dict[str, Any]:
        """Return the JSON of an answer that must be 200."""
        status, answer = self.request(method, path, body)
        try:
            values = json.loads(answer)
        except ValueError:
            values = {"error": answer[:200].decode("utf-8", "replace")}
        if status == 200:
            return dict(values)
        kind = RequestError if 400 <= status < 500 else ServiceError
        raise kind(
            f"{method} {path} was answered with {status}: {values.get('error', values)}",
            fix="compare the rows with the model's metadata, and see the log of the service",
        )


def rows_of(columns: dict[str, list[Any]]) -> list[Prediction]:
    """Return the rows of the outputs of V2, whichever way they came.

    Parameters
    ----------
    columns : dict of str to list
        ``prediction``, and ``proba_`` with the name of each class for a classification.
    """
    labels = columns.pop("prediction")
    if not columns:
        return [{"prediction": value} for value in labels]
    classes = [name.removeprefix("proba_") for name in columns]
    return [
        {"prediction": label, "probabilities": dict(zip(classes, row, strict=True))}
        for label, row in zip(labels, zip(*columns.values(), strict=True), strict=True)
    ]
