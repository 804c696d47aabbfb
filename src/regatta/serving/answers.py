"""What is answered to requests that are not served: one form for every status.

Each message says what was found, what was expected and what to do, as the errors of the library
do, whoever refused: this server, KServe or the framework below it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from kserve.errors import InvalidInput, ModelNotFound, ModelNotReady, ServerNotLive, ServerNotReady
from starlette.exceptions import HTTPException

from regatta.errors import DefectError, RegattaError, RequestError, ServiceError
from regatta.serving.quoting import show

__all__ = [
    "ANSWERED",
    "Refusal",
    "refusal",
    "too_long",
    "unexpected",
    "unserved",
    "without_repository",
    "wrong_method",
]

LONGEST_MESSAGE = 2000

# What has an answer other than "the server is at fault", which is the guards'.
ANSWERED = (
    RegattaError,
    InvalidInput,
    ModelNotFound,
    ModelNotReady,
    ServerNotLive,
    ServerNotReady,
    NotImplementedError,
    HTTPException,
)


@dataclass(frozen=True)
class Refusal:
    """An answer to a request that is not served.

    Attributes
    ----------
    status : int
        HTTP status.
    error : RegattaError
        What is said.
    headers : mapping
        Headers beside the content's own.
    """

    status: int
    error: RegattaError
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def body(self) -> bytes:
        """The body, JSON in ASCII whatever the message quotes."""
        return json.dumps({"error": str(self.error)[:LONGEST_MESSAGE]}).encode("ascii")


def refusal(error: Exception, method: str, path: str, model: str) -> Refusal:
    """Return what is answered to an exception that has an answer.

    Parameters
    ----------
    error : Exception
        One of `ANSWERED`.
    method, path : str
        Of the request.
    model : str
        Name of the model that is served.
    """
    if isinstance(error, RegattaError):
        return Refusal(error.http_status, error)
    if isinstance(error, InvalidInput):
        return Refusal(400, _no_request(str(error)))
    if isinstance(error, ModelNotFound):
        # The address of a model may have ends that only another method understands.
        return _no_path(method, path, model)
    if isinstance(error, NotImplementedError):
        return unserved(path)
    if isinstance(error, HTTPException):
        if error.status_code == 404:
            return _no_path(method, path, model)
        if error.status_code == 405:
            return wrong_method(method, path, (error.headers or {}).get("Allow", ""))
        return Refusal(error.status_code, _no_request(str(error.detail)), error.headers or {})
    ready = ServiceError(
        f"the model is not ready ({show(str(error))})",
        expected="a model that is loaded",
        fix="ask again when /v2/health/ready answers 200",
    )
    return Refusal(ready.http_status, ready)


def wrong_method(method: str, path: str, allowed: str) -> Refusal:
    """Answer a method that a path does not have."""
    error = RequestError(
        f"{show(path)} was called with {method[:20]}",
        expected=allowed or "another method",
        fix="use the method that the path has",
    )
    return Refusal(405, error, {"allow": allowed} if allowed else {})


def unserved(path: str) -> Refusal:
    """Answer a part of the protocols that this server does not have."""
    explains = path.endswith(":explain")
    error = RequestError(
        f"{show(path)} asks for " + ("an explanation" if explains else "a version of the model"),
        expected="a prediction" if explains else "a path without a version; one version is served",
        fix="call :predict; the report of the run says which columns matter"
        if explains
        else "leave /versions/… out; the model's metadata names the version",
    )
    return Refusal(501, error)


def without_repository() -> Refusal:
    """Answer a client that wants to load or unload models."""
    error = RequestError(
        "there is no model repository on this server",
        expected="a request to the model that is served",
        fix="start another server for another model (`regatta serve`)",
    )
    return Refusal(404, error)


def too_long(longest: int) -> Refusal:
    """Answer a body that is too long."""
    error = RequestError(
        f"the request body is longer than {longest} bytes",
        expected=f"at most {longest} bytes",
        fix="send fewer rows at once",
    )
    return Refusal(413, error)


def unexpected() -> Refusal:
    """Answer when the server is at fault."""
    error = DefectError(
        "the server could not answer",
        expected="an answer",
        fix="read the log of the server, which says why",
    )
    return Refusal(500, error)


def _no_request(found: str) -> RequestError:
    return RequestError(
        found,
        expected="a request as the protocols V1 or V2 have it",
        fix="compare the request with the protocol and with the model's metadata",
    )


def _no_path(method: str, path: str, model: str) -> Refusal:
    error = RequestError(
        f"there is nothing at {method[:20]} {show(path)}",
        expected=f"model {model!r}: POST /v1/models/{model}:predict, POST /v2/models/{model}/infer "
        f"or GET /v2/models/{model}",
        fix="correct the path or the name of the model",
    )
    return Refusal(404, error)
