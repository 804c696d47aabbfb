"""What a lane is told of the trials of other lanes: records in a folder beside its notes."""

from collections.abc import Container, Iterator
from pathlib import Path

from regatta.artifacts import read_json
from regatta.artifacts.records import TrialRecord
from regatta.search.resuming import NOTES, write_note

__all__ = ["hear", "heard"]

HEARD = "heard"
"""Folder of the notes with the records of other lanes."""


def hear(folder: Path, record: TrialRecord) -> bool:
    """Note what came of a trial of another lane, while the lane has notes.

    Parameters
    ----------
    folder : Path
        Folder of the lane that hears.
    record : TrialRecord
        The record.

    Returns
    -------
    bool
        False: the lane has not begun, or has ended and its notes are gone.
    """
    try:
        (folder / NOTES / HEARD).mkdir(exist_ok=True)
        write_note(folder / NOTES / HEARD / f"{record.id}.json", record.to_dict())
    except FileNotFoundError:
        return False
    return True


def heard(folder: Path, known: Container[str]) -> Iterator[TrialRecord]:
    """Yield the records of other lanes, by their names.

    Parameters
    ----------
    folder : Path
        Folder of the lane.
    known : container of str
        Ids of those that are known already.
    """
    for path in sorted((folder / NOTES / HEARD).glob("[!.]*.json")):
        if path.stem not in known:
            yield TrialRecord.from_dict(read_json(path))
