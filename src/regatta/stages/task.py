"""What surrounds the stages of a pipeline task: log, events, one clean line for an error."""

import contextlib
import logging
import os
import sys
import time
from collections.abc import Iterator
from typing import Any

from regatta import events, logs
from regatta.errors import RegattaError

__all__ = ["stage", "task"]

logger = logging.getLogger(__name__)


@contextlib.contextmanager
def stage(name: str) -> Iterator[dict[str, Any]]:
    """Announce a stage, time it, and say what came of it.

    Parameters
    ----------
    name : str
        The verb.

    Yields
    ------
    numbers : dict
        Filled by the stage: few scalars, shown to people and put into metadata.
    """
    numbers: dict[str, Any] = {}
    events.emit("stage_started", stage=name)
    began = time.perf_counter()
    yield numbers
    seconds = round(time.perf_counter() - began, 3)
    events.emit("stage_done", stage=name, seconds=seconds, numbers=numbers)
    shown = " ".join(f"{key}={value}" for key, value in numbers.items())
    logger.info("%s done in %.1f s %s", name, seconds, shown)


@contextlib.contextmanager
def task(name: str, *, lean: bool = False) -> Iterator[None]:
    """Run the stages of one pipeline task.

    A `RegattaError` becomes its message as the last line of the log (the KFP dashboard opens a
    log at its end, and says nothing else about why a task stopped), an ``error`` event, and the
    exit code of its class. Other exceptions pass: they are defects, and their traceback helps.

    Parameters
    ----------
    name : str
        Name of the task in the pipeline.
    lean : bool, default False
        Whether the task reads models and fits none: LightGBM and XGBoost are then imported without
        scikit-learn, which saves two seconds.
    """
    logs.configure()
    events.emit("task_started", task=name)
    if lean:
        from regatta.learners.natives import preload

        preload()
    try:
        yield
    except RegattaError as err:
        if os.environ.get("REGATTA_DEBUG"):
            logger.exception("%s", err.found)
        events.emit("error", task=name, **err.as_dict())
        sys.stderr.write(f"{err}\n")
        sys.exit(err.exit_code)
    events.emit("task_done", task=name)
