"""Fit chosen trials again on more rows, each in a child process.

What needs no rows to validate is fitted once on all rows; the rest fold by fold, as it was. First
comes what has most weight in the ensemble for the time that it takes. While there is time left,
what was fitted on all rows is fitted again with other draws: their mean is better than each.
"""

import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from regatta.artifacts import read_json
from regatta.artifacts.records import RECORD, Recipe, TrialRecord
from regatta.evaluation.metrics import Metric
from regatta.refit import WHOLE
from regatta.refit.whole import AllRows, draw_name, draw_seed, recipe_of_whole
from regatta.search import machine
from regatta.search.cache import EncodedFolds
from regatta.search.costs import draws_of, encode_again_seconds, least_draws, whole_seconds
from regatta.search.isolation import Allowance, Child, wait
from regatta.search.job import Job
from regatta.search.lane import POLL_SECONDS
from regatta.search.launching import import_for
from regatta.search.table import TrainingTable
from regatta.search.toolbox import Toolbox
from regatta.search.trial import run_trial

__all__ = ["Conditions", "Made", "run_again"]

# What a trial needs to write its files, and what any takes at least, in seconds.
WRITING_SECONDS, LEAST_SECONDS = 0.3, 0.1
# More rows, and what is fitted and measured beside them, take longer than the folds took.
LONGER, SHORT_SECONDS = 2.0, 5.0
# A fit of all rows has no pace to keep: it is killed if it takes too long.
NO_HURRY_SECONDS = 1e9


@dataclass(frozen=True)
class Made:
    """What was fitted again.

    Attributes
    ----------
    folds, whole : tuple of TrialRecord
        Trials whose folds, and trials whose fit of all rows ended well, the latter once for each
        draw; the others had no time, failed, or need rows to validate.
    """

    folds: tuple[TrialRecord, ...]
    whole: tuple[TrialRecord, ...]


@dataclass(frozen=True)
class Conditions:
    """Under which conditions trials run again.

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
    n_train_rows : int
        Rows of the race.
    draws : int
        Most fits of all rows for one trial.
    """

    deadline: float
    cores: int
    memory_bytes: int
    seed: int
    n_train_rows: int
    draws: int


@dataclass(frozen=True)
class _Task:
    """A trial that is to be fitted: fold by fold, `paced`, or on all rows.

    Of the latter there are up to `draws` fits; fewer than `least` of them are of no use.
    """

    record: TrialRecord
    recipe: Recipe
    table: TrainingTable
    cache: EncodedFolds
    folder: Path
    seconds: float
    encode_seconds: float
    encoding: str
    paced: bool
    least: int = 1
    draws: int = 1
    draw: int = 0

    @property
    def done(self) -> Path:
        """Record of its first fit."""
        return self.folder / self.record.id / RECORD


def run_again(
    table: TrainingTable,
    records: Sequence[TrialRecord],
    weights: Sequence[float],
    metric: Metric,
    folder: Path,
    scratch: Path,
    conditions: Conditions,
    toolbox: Toolbox | None = None,
) -> Made:
    """Run trials again on a table that has more rows than theirs.

    Parameters
    ----------
    table : TrainingTable
        The rows, with the folds of the trials.
    records : sequence of TrialRecord
        What they tried.
    weights : sequence of float
        Weight of each in the ensemble.
    metric : Metric
        What scores them.
    folder : Path
        Existing folder for the trials and their ``encoders``; `WHOLE` below it is another.
    scratch : Path
        Folder for what may be lost.
    conditions : Conditions
        Until when, with what.
    toolbox : Toolbox, optional
        Where learners and encoders come from.

    Returns
    -------
    Made
        What ended well.
    """
    tools = toolbox or Toolbox()
    # Beside them works the measurement, which holds the winner.
    slots = conditions.cores or machine.slots(1)
    share = machine.memory_share(slots + 1)
    memory = min(conditions.memory_bytes or share, share)
    tasks = _by_worth(_tasks(table, records, folder, scratch, conditions, tools), weights)
    most = max((task.draws for task in tasks), default=0)
    waiting = [replace(task, draw=draw) for task in tasks for draw in range(task.least)]
    waiting += [
        replace(task, draw=draw)
        for draw in range(1, most)
        for task in tasks
        if task.least <= draw < task.draws
    ]
    running: list[Child] = []
    while waiting or running:
        while waiting and len(running) < slots:
            task = waiting.pop(0)
            if _promises(task, conditions.deadline, slots):
                running.append(_launch(task, conditions.deadline, memory, metric, tools))
        if not running:
            break
        wait(running, POLL_SECONDS)
        running = [child for child in running if child.poll() is None]
    folds = _found([task.record.id for task in tasks if task.paced], folder)
    whole = [
        _found([draw_name(t.record.id, n) for n in range(t.draws)], folder / WHOLE) for t in tasks
    ]
    enough = [found for task, found in zip(tasks, whole, strict=True) if len(found) >= task.least]
    return Made(folds, tuple(chain.from_iterable(enough)))


def _tasks(
    table: TrainingTable,
    records: Sequence[TrialRecord],
    folder: Path,
    scratch: Path,
    conditions: Conditions,
    tools: Toolbox,
) -> list[_Task]:
    """Return what is to be fitted, of each trial."""
    whole = AllRows.of(table, conditions.seed)
    more = table.n_rows / (conditions.n_train_rows - len(table.valid(0)))
    (folder / WHOLE).mkdir()
    places = folder / WHOLE, folder
    caches = [
        EncodedFolds(rows, scratch / name, place / "encoders", conditions.seed, tools)
        for rows, name, place in zip((whole, table), (WHOLE, "folds"), places, strict=True)
    ]
    tasks = []
    for record in records:
        encode = encode_again_seconds(record, more)
        encoding = tools.learner(record.recipe.learner).encoding
        if recipe := recipe_of_whole(record, more):
            seconds = whole_seconds(record, more)
            draws = least_draws(record), draws_of(record, conditions.draws)
            place = whole, caches[0], places[0], seconds, encode, encoding
            tasks.append(_Task(record, recipe, *place, False, *draws))
        else:
            # Learning keeps pace with the time there is; less than it took is not enough.
            seconds = record.own_seconds
            same = replace(table, n_folds=len(record.fold_scores))
            same_place = same, caches[1], places[1], seconds, encode, encoding
            tasks.append(_Task(record, record.recipe, *same_place, True))
    return tasks


def _by_worth(tasks: Sequence[_Task], weights: Sequence[float]) -> list[_Task]:
    """Sort by weight for the time that it takes: there may not be enough for all."""
    pairs = zip(tasks, weights, strict=True)
    ranked = sorted(pairs, key=lambda pair: -pair[1] / max(pair[0].seconds, LEAST_SECONDS))
    return [task for task, _ in ranked]


def _promises(task: _Task, deadline: float, slots: int) -> bool:
    """Return whether there is time for a fit; another draw of one that failed would fail, too."""
    # The first is of no use alone where there is no time for others.
    seconds = task.seconds * (1 if task.draw else math.ceil(task.least / slots))
    if task.draw and task.done.is_file():
        first = TrialRecord.from_dict(read_json(task.done))
        if first.status != "ok":
            return False
        seconds = first.own_seconds + WRITING_SECONDS
    elif not task.cache.holds(task.encoding, 0, task.recipe.rows):
        seconds += task.encode_seconds
    return time.time() + seconds < deadline


def _launch(
    task: _Task, deadline: float, memory_bytes: int, metric: Metric, tools: Toolbox
) -> Child:
    """Start a fit in a child process: the same as before, on more rows."""
    now, record = time.time(), task.record
    ready = deadline - WRITING_SECONDS if task.paced else now + NO_HURRY_SECONDS
    if task.paced and record.truncated:
        # One that time has cut short would take all there is.
        ready = min(ready, now + max(LONGER * task.seconds, SHORT_SECONDS))
    name = draw_name(record.id, task.draw)
    job = Job(
        id=name,
        lane=record.lane,
        number=record.number,
        recipe=task.recipe,
        seed=draw_seed(record.seed, task.draw),
        threads=1,
        fit_seconds=ready - now,
        encode_seconds=deadline - now,
        deadline=ready,
        partial=False,
        memory_bytes=memory_bytes,
        started_at=now,
        folder=task.folder / name,
    )
    import_for(job.recipe.learner)
    allowance = Allowance(deadline, memory_bytes, "the time of the refit")
    return Child(lambda: run_trial(job, task.table, task.cache, tools, metric), allowance)


def _found(names: Iterable[str], folder: Path) -> tuple[TrialRecord, ...]:
    """Return the records of trials that ended well; a killed one has written none."""
    files = [folder / name / RECORD for name in names]
    found = [TrialRecord.from_dict(read_json(file)) for file in files if file.is_file()]
    return tuple(record for record in found if record.status == "ok")
