"""Where registry and service records lie, unless the caller says otherwise."""

import os
from pathlib import Path

__all__ = ["home", "registry_root"]


def home() -> Path:
    """Return Regatta's folder of the user: ``$REGATTA_HOME``, by default ``~/.regatta``."""
    return Path(os.environ.get("REGATTA_HOME") or "~/.regatta").expanduser().absolute()


def registry_root(chosen: str | Path = "") -> Path:
    """Return the folder of the registry.

    Parameters
    ----------
    chosen : str or Path, default ""
        What a setting or an option says; empty: ``registry`` in `home`.
    """
    return Path(chosen).expanduser().absolute() if str(chosen) else home() / "registry"
