"""A faster start: native libraries without what a server never uses of them."""

import importlib
import importlib.util
import sys
from collections.abc import Iterable

__all__ = ["preload"]


def preload(names: Iterable[str] = ("lightgbm", "xgboost")) -> None:
    """Import native learners without scikit-learn.

    LightGBM and XGBoost import scikit-learn, if they can, to offer classes in its style. A bundle
    reads their own model files and needs none of these, but scikit-learn takes a second to
    import. The classes are missing for the rest of the process, so this is for a process that is
    a server and nothing else.

    Parameters
    ----------
    names : iterable of str
        Modules to import; those that are not installed are left out.
    """
    if "sklearn" in sys.modules:
        return
    # This is how Python marks a module that must not be imported.
    sys.modules["sklearn"] = None  # type: ignore[assignment]
    try:
        for name in names:
            if importlib.util.find_spec(name) is not None:
                importlib.import_module(name)
    finally:
        del sys.modules["sklearn"]
