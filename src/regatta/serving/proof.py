"""The proof that a service answers as its bundle does, over both protocols."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from regatta.errors import ServiceError
from regatta.serving.client import Client

__all__ = ["TOLERANCE", "prove"]

TOLERANCE = 1e-6


def prove(
    client: Client,
    version: str,
    described: Mapping[str, Any],
    rows: Sequence[Mapping[str, Any]],
    expected: Sequence[Sequence[float]] | None = None,
) -> float:
    """Ask a service for the predictions of rows, and compare.

    Parameters
    ----------
    client : Client
        Of the service.
    version : str
        Version that it must name.
    described : mapping
        bundle.json: its classes and thresholds are needed.
    rows : sequence of mapping
        Raw values by column.
    expected : sequence of shape (n_rows, n_outputs), optional
        The bundle's own predictions, as `Bundle.predict_array` returned them elsewhere. Without
        them the two protocols are compared with each other.

    Returns
    -------
    float
        Largest absolute difference.

    Raises
    ------
    ServiceError
        The service serves another version, a label does not follow from its probabilities, or a
        number differs by more than 1e-6.
    """
    versions = client.metadata().get("versions")
    if versions != [version]:
        raise _differs(client, f"says that it serves version {versions}", f"[{version!r}]")
    first = _numbers(client, "V1", client.predict_v1(rows), described)
    second = _numbers(client, "V2", client.predict_v2(rows), described)
    wanted = first if expected is None else np.asarray(expected, dtype=np.float64)
    if first.shape != wanted.shape or second.shape != wanted.shape:
        raise _differs(client, f"answers {first.shape} and {second.shape}", str(wanted.shape))
    largest = float(max(np.abs(first - wanted).max(), np.abs(second - wanted).max()))
    if not largest <= TOLERANCE:
        raise _differs(client, f"differs from its bundle by {largest:g}", f"at most {TOLERANCE:g}")
    return largest


def _numbers(
    client: Client, protocol: str, answers: list[dict[str, Any]], described: Mapping[str, Any]
) -> npt.NDArray[np.float64]:
    """Return the numbers of the answers, after a look at the labels."""
    classes = list(described["classes"])
    if not classes:
        return np.array([[answer["prediction"]] for answer in answers], dtype=np.float64)
    rows = [[answer["probabilities"][name] for name in classes] for answer in answers]
    numbers = np.array(rows, dtype=np.float64)
    codes = (numbers / np.array(described["thresholds"] or 1.0)).argmax(axis=1)
    for row, (code, answer) in enumerate(zip(codes, answers, strict=True)):
        if answer["prediction"] != classes[code]:
            found = f"answers {answer['prediction']!r} for row {row} over {protocol}"
            raise _differs(client, found, f"{classes[code]!r}, which its probabilities say")
    return numbers


def _differs(client: Client, what: str, expected: str) -> ServiceError:
    return ServiceError(
        f"the service of {client.model} {what}",
        expected=expected,
        fix="read its log; the service before it, if any, was left as it is",
    )
