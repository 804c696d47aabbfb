"""The only map from a verb to the image that runs it.

An image is a dependency set, equal to one extra in ``pyproject.toml``. The names contain
``python``: the local runner of Kubeflow Pipelines warns about others.
"""

import os
import re
from pathlib import Path

from regatta.errors import UsageError

__all__ = ["IMAGES", "image"]

IMAGES = {
    "fingerprint": "train",
    "ingest": "data",
    "validate": "data",
    "split": "data",
    "featurize": "data",
    "plan": "train",
    "prepare": "train",
    "trial": "train",
    "ensemble": "train",
    "evaluate": "train",
    "register": "ops",
    "deploy": "ops",
    "release": "ops",
    # It predicts and draws a report, which takes learners and templates.
    "monitor": "train",
}


def image(verb: str) -> str:
    """Return the full name of the image of a verb.

    Parameters
    ----------
    verb : str
        Name of the component.

    Returns
    -------
    str
        Registry, name, and digest or tag. ``REGATTA_REGISTRY``, ``REGATTA_TAG`` and
        ``REGATTA_DIGEST_<image>`` in the environment win over ``images/images.env``; another
        registry or tag there leaves out the digests of the file.

    Raises
    ------
    UsageError
        A digest is none.
    """
    values = _values(Path(__file__).parent.parent / "images" / "images.env")
    own = values["REGATTA_REGISTRY"], values["REGATTA_TAG"]
    registry, tag = place = (
        os.environ.get("REGATTA_REGISTRY") or own[0],
        os.environ.get("REGATTA_TAG") or own[1],
    )
    name, variable = f"{registry}/regatta-python-{IMAGES[verb]}", f"REGATTA_DIGEST_{IMAGES[verb]}"
    # The digests of the file are those of its registry and tag.
    digest = os.environ.get(variable, values.get(variable, "") if place == own else "")
    if not digest:
        return f"{name}:{tag}"
    if not re.fullmatch("sha256:[0-9a-f]{64}", digest):
        raise UsageError(
            f"{variable} is {digest!r}",
            expected="sha256: and 64 hexadecimal digits",
            fix="take it from the registry, or let images/build.sh --push write it",
        )
    return f"{name}@{digest}"


def _values(path: Path) -> dict[str, str]:
    """Read ``KEY=value`` lines."""
    lines = path.read_text(encoding="utf-8").splitlines()
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {key: value for key, _, value in pairs}
