"""The compiled pipelines that come with Regatta, and the parameters that they take."""

import json
from collections.abc import Sequence
from typing import Any

from regatta.errors import UsageError, nearest
from regatta.runs.workflows import locate

__all__ = ["TRAIN", "arguments", "content", "parameters", "spec"]

TRAIN = "train"
"""The pipeline that is meant where none is named."""


def content(pipeline: str = TRAIN) -> bytes:
    """Return a compiled pipeline, by the name of its folder, as it is uploaded."""
    return (locate() / "pipelines" / pipeline / "pipeline.yaml").read_bytes()


def spec(pipeline: str = TRAIN) -> dict[str, Any]:
    """Return a compiled pipeline as values, without what is Kubernetes' alone."""
    import yaml

    values: dict[str, Any] = next(iter(yaml.safe_load_all(content(pipeline))))
    return values


def parameters(pipeline: str = TRAIN) -> dict[str, dict[str, Any]]:
    """Return the definition of each parameter of a pipeline by name."""
    found: dict[str, dict[str, Any]] = spec(pipeline)["root"]["inputDefinitions"]["parameters"]
    return found


def arguments(pairs: Sequence[str], pipeline: str = TRAIN) -> dict[str, Any]:
    """Read ``NAME=VALUE`` texts, each value as the type of its parameter.

    Parameters
    ----------
    pairs : sequence of str
        The texts.
    pipeline : str, default "train"
        Name of the pipeline.

    Raises
    ------
    UsageError
        A text has no ``=``, no parameter has that name, or the value is of another type.

    Examples
    --------
    >>> arguments(["pods_cpu=2", "search_lanes=3"])
    {'pods_cpu': '2', 'search_lanes': 3}
    """
    known = parameters(pipeline) if pairs else {}
    values: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals:
            raise UsageError(
                f"--argument {pair!r} has no '='",
                expected="NAME=VALUE",
                fix="write it like --argument pods_memory=4Gi",
            )
        if name not in known:
            raise UsageError(
                f"the pipeline has no parameter {name!r}{nearest(name, known)}",
                expected="one of " + ", ".join(known),
                fix="correct --argument",
            )
        values[name] = _value(name, text, str(known[name]["parameterType"]))
    return values


def _value(name: str, text: str, kind: str) -> Any:
    """Return a text as a value of the type that the parameter has."""
    if kind == "STRING":
        return text
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    fits = {
        "NUMBER_INTEGER": type(value) is int,
        "NUMBER_DOUBLE": type(value) in (int, float),
        "BOOLEAN": isinstance(value, bool),
        "LIST": isinstance(value, list),
        "STRUCT": isinstance(value, dict),
    }
    if not fits.get(kind):
        raise UsageError(
            f"--argument {name}={text} is of another type",
            expected=kind.lower().replace("_", " "),
            fix="correct the value",
        )
    return float(value) if kind == "NUMBER_DOUBLE" else value
