"""What happens in a run, as one line of JSON an event.

The stages of a run are processes of their own. They tell the command line what they do through
one append-only file, named by the environment variable ``REGATTA_EVENTS``; without it (on a
cluster, in a notebook) an event is only logged. A line is written with one ``write`` in append
mode, which POSIX keeps whole, so several processes may share the file.

Events: ``stage_started``, ``stage_done`` (seconds, numbers), ``trial`` (a summary of the trial
record), ``error`` (`RegattaError.as_dict`).
"""

import json
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["EVENTS_VARIABLE", "emit", "read"]

EVENTS_VARIABLE = "REGATTA_EVENTS"

logger = logging.getLogger(__name__)


def emit(event: str, **values: Any) -> None:
    """Record one event.

    Parameters
    ----------
    event : str
        Name of the event.
    **values : JSON values
        What there is to say of it.
    """
    logger.debug("%s %s", event, values)
    path = os.environ.get(EVENTS_VARIABLE)
    if not path:
        return
    line = json.dumps({"time": round(time.time(), 3), "event": event, **values}) + "\n"
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)


def read(path: Path, offset: int = 0) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the whole events in a file from a byte offset on.

    Parameters
    ----------
    path : Path
        The file of events; it need not exist yet.
    offset : int, default 0
        Where to go on, in bytes: the offset that came with the last event seen.

    Yields
    ------
    next_offset : int
        Offset behind this event, in bytes.
    event : dict
        The event.
    """
    if not path.exists():
        return
    with path.open("rb") as file:
        file.seek(offset)
        for line in file:
            if not line.endswith(b"\n"):
                return
            offset += len(line)
            yield offset, json.loads(line)
