"""Run chosen trials again, each in a child process, the weightiest first, until time is up."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from regatta.artifacts import read_json
from regatta.artifacts.records import RECORD, TrialRecord
from regatta.evaluation.metrics import Metric
from regatta.search import machine
from regatta.search.cache import EncodedFolds
from regatta.search.isolation import Child, Limits, wait
from regatta.search.lane import POLL_SECONDS
from regatta.search.launching import import_for
from regatta.search.table import TrainingTable
from regatta.search.toolbox import Toolbox
from regatta.search.trial import Job, run_trial

__all__ = ["Terms", "run_again"]

# What a trial needs to write its files, in seconds.
WRITING_SECONDS = 0.3


@dataclass(frozen=True)
class Terms:
    """Under which terms trials run again.

    Attributes
    ----------
    deadline : float
        When all must be written, in seconds since the epoch.
    cores : int
        Trials side by side; 0: as many as there are cores.
    memory_bytes : int
        Memory limit of one trial; 0: its share of what is free.
    seed : int
        Seed of the run, which encoders and samples are drawn by.
    """

    deadline: float
    cores: int
    memory_bytes: int
    seed: int


def run_again(
    table: TrainingTable,
    records: Sequence[TrialRecord],
    metric: Metric,
    folder: Path,
    scratch: Path,
    terms: Terms,
    toolbox: Toolbox | None = None,
) -> list[TrialRecord]:
    """Run trials again on a table that has more rows than theirs.

    Parameters
    ----------
    table : TrainingTable
        The rows, with the folds of the trials.
    records : sequence of TrialRecord
        What they tried, the most important first.
    metric : Metric
        What scores them.
    folder : Path
        Existing folder for the trials and their ``encoders``.
    scratch : Path
        Folder for what may be lost.
    terms : Terms
        Until when, with what.
    toolbox : Toolbox, optional
        Where learners and encoders come from.

    Returns
    -------
    list of TrialRecord
        Those that ended well and were whole, in order; the others had no time or failed.
    """
    tools = toolbox or Toolbox()
    # Beside them works the measurement, which holds the winner.
    slots = terms.cores or machine.slots(1)
    share = machine.memory_share(slots + 1)
    memory = min(terms.memory_bytes or share, share)
    cache = EncodedFolds(table, scratch, folder / "encoders", terms.seed, tools)
    waiting, running = list(records), list[Child]()
    while waiting or running:
        while waiting and len(running) < slots:
            record = waiting.pop(0)
            # Boosting keeps pace with the time there is; less than it took before is not enough.
            if time.time() + record.seconds < terms.deadline:
                job = _job(record, folder, terms.deadline, memory)
                running.append(_launch(job, table, cache, tools, metric))
        if not running:
            break
        wait(running, POLL_SECONDS)
        running = [child for child in running if child.poll() is None]
    return [found for record in records if (found := _whole(folder / record.id, table))]


def _job(record: TrialRecord, folder: Path, deadline: float, memory_bytes: int) -> Job:
    """Return what is asked of a child: the same as before, on more rows."""
    now = time.time()
    return Job(
        id=record.id,
        lane=record.lane,
        number=record.number,
        recipe=record.recipe,
        seed=record.seed,
        threads=1,
        fit_seconds=deadline - now,
        encode_seconds=deadline - now,
        deadline=deadline - WRITING_SECONDS,
        partial=False,
        memory_bytes=memory_bytes,
        started_at=now,
        folder=folder / record.id,
    )


def _launch(
    job: Job, table: TrainingTable, cache: EncodedFolds, toolbox: Toolbox, metric: Metric
) -> Child:
    """Start a trial in a child process."""
    import_for(job.recipe.learner)
    limits = Limits(job.deadline + WRITING_SECONDS, job.memory_bytes, "the time of the refit")
    return Child(lambda: run_trial(job, table, cache, toolbox, metric), limits)


def _whole(folder: Path, table: TrainingTable) -> TrialRecord | None:
    """Return the record of a trial that has all its folds; a killed one has written none."""
    file = folder / RECORD
    if not file.is_file():
        return None
    record = TrialRecord.from_dict(read_json(file))
    return record if len(record.fold_scores) == table.n_folds else None
