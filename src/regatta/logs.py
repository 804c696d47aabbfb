"""Logging set-up, called by the command line, the tasks and the server; never by the library."""

import logging
import sys

__all__ = ["configure"]


def configure(level: int = logging.INFO) -> None:
    """Send Regatta's log lines to standard error, one line a stage or trial.

    Parameters
    ----------
    level : int, default logging.INFO
        Lowest level shown.
    """
    root = logging.getLogger("regatta")
    root.setLevel(level)
    root.propagate = False
    if not root.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
        root.addHandler(handler)
