"""The process of the refit: ``python -m regatta.refit REQUEST FOLDER STARTER``.

Like a lane it forks, so it must be a process of its own (see `regatta.search.__main__`).
"""

import dataclasses
import os
import sys
import tempfile
from pathlib import Path

from regatta.search.isolation import end_with

__all__ = ["main"]


def main(arguments: list[str]) -> None:
    """Run trials again.

    Parameters
    ----------
    arguments : list of str
        Path of the request (see `regatta.stages.refit`), folder to fill, process id of the
        starter.
    """
    request, folder, starter = arguments
    end_with(int(starter))

    from regatta import logs
    from regatta.artifacts import read_json, write_json
    from regatta.artifacts.records import TrialRecord
    from regatta.evaluation.metrics import get_metric
    from regatta.refit.again import Conditions, run_again
    from regatta.search.table import TrainingTable

    logs.configure()
    values = read_json(Path(request))
    table = TrainingTable.open(values["features"])
    with tempfile.TemporaryDirectory(prefix="regatta-refit-") as scratch:
        made = run_again(
            table,
            [TrialRecord.from_dict(record) for record in values["records"]],
            values["weights"],
            get_metric(values["metric"], table.task),
            Path(folder),
            Path(scratch),
            Conditions(**values["conditions"]),
        )
    write_json(Path(folder) / "refit.json", dataclasses.asdict(made))


if __name__ == "__main__":
    main(sys.argv[1:])
    # All is written; to take the libraries down in order would only cost time.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
