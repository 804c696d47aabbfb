"""What a lane notes in its folder, to go on where an earlier try of it died.

A lane notes in its folder when its clock began, and each trial before it forks it. Finished trials
are there anyway. What was noted and has no record was at work when the lane died. It may be what
the lane died of, so it is not begun again as it was: it is a trial that crashed, with one retry.
"""

import logging
import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from regatta.artifacts import read_json, write_json
from regatta.artifacts.records import RECORD, Recipe, TrialRecord, write_record
from regatta.search.retries import retried

if TYPE_CHECKING:
    from regatta.search.job import Job

__all__ = [
    "CLOCK",
    "NOTES",
    "Earlier",
    "earlier_deadline",
    "note_clock",
    "note_trial",
    "recover",
    "untried",
    "write_note",
]

logger = logging.getLogger(__name__)

NOTES = ".lane"
"""Folder of the notes. It is hidden, as all that is no part of the lane's artifact."""
CLOCK = "clock.json"
AT_WORK = "the lane died while it was at work"


@dataclass(frozen=True)
class Earlier:
    """What earlier tries of a lane have left.

    Attributes
    ----------
    began : float
        When the clock of the first one began, in seconds since the epoch; 0: there was none.
    records : tuple of TrialRecord
        Its trials, in the order of their start.
    recipes : tuple of Recipe
        What was asked of them. A record also has the learner's defaults.
    """

    began: float = 0.0
    records: tuple[TrialRecord, ...] = ()
    recipes: tuple[Recipe, ...] = ()

    @property
    def by_number(self) -> dict[int | None, TrialRecord]:
        """The trials whose numbers the plan has fixed; retries are none."""
        fixed = [record for record in self.records if record.recipe.number is not None]
        return {record.number: record for record in fixed if not retried(record.recipe)}

    @property
    def begun(self) -> int:
        """How many trials have begun; no smaller than the next number that is free."""
        first = [record for record in self.records if not retried(record.recipe)]
        free = [record.number + 1 for record in first if record.recipe.number is None]
        return max([len(first), *free])

    @property
    def has_model(self) -> bool:
        """Whether a trial gave a model."""
        return any(record.score is not None for record in self.records)


def note_clock(folder: Path, began: float, deadline: float) -> None:
    """Note when a lane began.

    Parameters
    ----------
    folder : Path
        Folder of the lane.
    began, deadline : float
        When the clock of its first try began, and when its race ends, in seconds since the epoch.
    """
    _note(folder, CLOCK, {"began": began, "deadline": deadline})


def note_trial(folder: Path, job: "Job") -> None:
    """Note a trial that is about to begin, as the record it gets if the lane dies first."""
    _note(folder, f"{job.id}.json", job.record("crashed", AT_WORK).to_dict())


def earlier_deadline(folder: Path) -> float | None:
    """Return when the race of a lane ends, in seconds since the epoch; None if it never began."""
    clock = folder / NOTES / CLOCK
    return float(read_json(clock)["deadline"]) if clock.is_file() else None


def recover(folder: Path) -> Earlier:
    """Return what earlier tries of a lane have left, and remove what is half-written.

    Parameters
    ----------
    folder : Path
        Folder of the lane. Trials that were at work get their records here.
    """
    for path in (*folder.glob(".*"), *folder.glob("encoders/*/.*")):
        if path != folder / NOTES:
            shutil.rmtree(path, ignore_errors=True)
    notes = {path.stem: path for path in (folder / NOTES).glob("[!.]*.json") if path.name != CLOCK}
    noted = {name: TrialRecord.from_dict(read_json(path)) for name, path in notes.items()}
    for name, record in noted.items():
        if not (folder / name / RECORD).is_file():
            logger.warning("trial %s crashed: %s", name, AT_WORK)
            write_record(folder / name, record)
    found = [TrialRecord.from_dict(read_json(path)) for path in folder.glob(f"[!.]*/{RECORD}")]
    records = sorted(found, key=lambda record: (record.started_at, record.id))
    clock = folder / NOTES / CLOCK
    if clock.is_file():
        began = float(read_json(clock)["began"])
    else:
        began = min((record.started_at for record in records), default=0.0)
    return Earlier(began, tuple(records), tuple(record.recipe for record in noted.values()))


def untried(queue: Sequence[Recipe], tried: Iterable[Recipe]) -> list[Recipe]:
    """Return the recipes of a queue that have not been tried.

    Parameters
    ----------
    queue : sequence of Recipe
        Different recipes.
    tried : iterable of Recipe
        What was asked of trials. Where time was short they have fewer rows than in the queue.

    Examples
    --------
    >>> queue = [Recipe("linear", rows=500), Recipe("linear"), Recipe("mlp")]
    >>> [(r.learner, r.rows) for r in untried(queue, [queue[0], Recipe("mlp", rows=250)])]
    [('linear', 0)]
    """
    known = list(tried)
    smaller = [recipe for recipe in known if recipe not in queue]
    return [
        recipe
        for recipe in queue
        if recipe not in known
        and not any(replace(other, rows=recipe.rows) == recipe for other in smaller)
    ]


def write_note(place: Path, value: Any) -> None:
    """Write a note that appears whole.

    Parameters
    ----------
    place : Path
        File in an existing folder.
    value : object
        What JSON can hold.
    """
    hidden = place.with_name(f".{place.name}")
    write_json(hidden, value)
    os.replace(hidden, place)


def _note(folder: Path, name: str, value: Any) -> None:
    """Write a note into the folder of the notes."""
    (folder / NOTES).mkdir(exist_ok=True)
    write_note(folder / NOTES / name, value)
