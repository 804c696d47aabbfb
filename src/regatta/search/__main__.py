"""The process of a lane: ``python -m regatta.search FEATURES PLAN LANE STARTED_AT FOLDER``.

A lane forks, so it must be a process of its own: single-threaded, with native libraries held to
one thread before they are first imported, and without any OpenMP code having run in it. The stage
``trial`` starts it, has verified the artifacts, and outlives it.
"""

import os
import sys
import time
from pathlib import Path

from regatta.processes.client import IMPORT_VARIABLE

__all__ = ["main"]


def main(arguments: list[str]) -> None:
    """Race one lane.

    Parameters
    ----------
    arguments : list of str
        Paths of features and plan, number of the lane, start of the budget (seconds since the
        epoch), folder to fill, process id of the starter.
    """
    features, plan, lane, started_at, folder, starter = arguments
    from regatta.search.isolation import end_with

    end_with(int(starter))
    speed = _speed()

    from regatta import logs
    from regatta.search.plan import read_plan
    from regatta.search.race import race
    from regatta.search.table import TrainingTable

    logs.configure()
    table = TrainingTable.open(features, verify=False)
    race(
        table,
        read_plan(plan, verify=False),
        int(lane),
        Path(folder),
        started_at=float(started_at),
        speed=speed,
    )


def _speed() -> float:
    """Return how much slower this machine is than the reference machine, by what imports take."""
    from regatta.search.budget import WARM_IMPORT_SECONDS, speed_factor

    if warm := os.environ.get(IMPORT_VARIABLE):
        return speed_factor(float(warm), WARM_IMPORT_SECONDS)
    began = time.perf_counter()
    for library in ("lightgbm", "pandas", "sklearn.metrics"):
        __import__(library)
    return speed_factor(time.perf_counter() - began)


if __name__ == "__main__":
    main(sys.argv[1:])
    # All is written; to take the libraries down in order would only cost time.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
