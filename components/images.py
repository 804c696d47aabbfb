"""The only map from a verb to the image that runs it.

An image is a dependency set, equal to one extra in ``pyproject.toml``. The names contain
``python``: the local runner of Kubeflow Pipelines warns about others.
"""

import os
from pathlib import Path

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
        Registry, name and tag. ``REGATTA_REGISTRY`` and ``REGATTA_TAG`` in the environment win
        over ``images/images.env``.
    """
    values = _values(Path(__file__).parent.parent / "images" / "images.env")
    registry = os.environ.get("REGATTA_REGISTRY", values["REGATTA_REGISTRY"])
    tag = os.environ.get("REGATTA_TAG", values["REGATTA_TAG"])
    return f"{registry}/regatta-python-{IMAGES[verb]}:{tag}"


def _values(path: Path) -> dict[str, str]:
    """Read ``KEY=value`` lines."""
    lines = path.read_text(encoding="utf-8").splitlines()
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {key: value for key, _, value in pairs}
