"""Where registry and service records lie, unless the caller says otherwise."""

import os
from pathlib import Path

from regatta.store import Location, is_location

__all__ = ["MODELS_VARIABLE", "home", "ledger_root", "registry_root"]

MODELS_VARIABLE = "REGATTA_MODELS"
"""Names the registry of models where nothing else does; ``REGATTA_REGISTRY`` is that of images."""


def home() -> Path:
    """Return Regatta's folder of the user: ``$REGATTA_HOME``, by default ``~/.regatta``."""
    return Path(os.environ.get("REGATTA_HOME") or "~/.regatta").expanduser().absolute()


def ledger_root() -> Path:
    """Return the folder of the ledger of earlier runs (`regatta.search.ledger`)."""
    return home() / "ledger"


def registry_root(chosen: str | Path | Location = "") -> Path | Location:
    """Return the place of the registry.

    Parameters
    ----------
    chosen : str, Path or Location, default ""
        What a setting or an option says: a folder, or ``s3://bucket/key``; empty: what
        ``$REGATTA_MODELS`` says in the same way, and without it ``registry`` in `home`.

    Raises
    ------
    UsageError
        It looks like a URI and is none of an object store.
    """
    if isinstance(chosen, Location):
        return chosen
    chosen = str(chosen) or os.environ.get(MODELS_VARIABLE, "")
    if is_location(chosen):
        return Location.parse(chosen)
    return Path(chosen).expanduser().absolute() if chosen else home() / "registry"
