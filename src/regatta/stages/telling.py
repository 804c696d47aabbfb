"""Lanes of one run tell each other through the object store what came of their trials.

Each lane proposes from what it knows. What the others have found out makes its next proposals
better, as a second round of pods would, without the time that pods take to start. A record is one
small object beside the artifacts of the lanes. The lane's own process reads the records of others
from its folder (`regatta.search.hearing.heard`) and needs no store.

It is a help, never a need: what the store refuses is told later, or not.
"""

import contextlib
import json
import logging
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from regatta.artifacts.records import RECORD, TrialRecord
from regatta.errors import RegattaError
from regatta.search.hearing import hear
from regatta.search.resuming import NOTES
from regatta.stages.attending import Attendant
from regatta.stages.handover import Handover
from regatta.store import Location, Store

__all__ = ["Telling", "telling_beside"]

logger = logging.getLogger(__name__)

SUFFIX = "-told"
# A record is about 2 kB.
MOST_BYTES = 100_000
_NAME = re.compile(r"[\w-]+\.json")


def telling_beside(handover: Handover, lane: int) -> "Telling | None":
    """Return where the lanes of a run tell each other.

    Parameters
    ----------
    handover : Handover
        Where this lane hands over, ``.../task/attempt/trials-handed``; all lanes have the task in
        common.
    lane : int
        Number of the lane.

    Returns
    -------
    Telling or None
        None where the place has no such form.
    """
    task = handover.place.key.rpartition("/")[0].rpartition("/")[0]
    if not task:
        return None
    return Telling(handover.store, Location(handover.place.bucket, f"{task}{SUFFIX}"), lane)


class Telling(Attendant):
    """A place in a store for the records of all lanes of a run.

    Parameters
    ----------
    store : Store
        The store.
    place : Location
        What the keys have in common.
    lane : int
        Number of the lane that tells.
    """

    name = "telling"
    poll_seconds = 3.0

    def __init__(self, store: Store, place: Location, lane: int) -> None:
        super().__init__()
        self._store, self._place, self._lane = store, place, lane
        self._told: set[str] = set()
        self._heard: set[str] = set()

    @contextlib.contextmanager
    def attended(self, folder: Path) -> Iterator[None]:
        """Tell what the lane finishes, and hear what others have, until the block ends.

        Parameters
        ----------
        folder : Path
            Existing folder of the lane.
        """
        try:
            with super().attended(folder):
                yield
        finally:
            if self._thread.is_alive():
                self._thread.join(self.remove_seconds)
            # What came as the lane took its notes away is no part of its artifact.
            shutil.rmtree(folder / NOTES, ignore_errors=True)

    def look(self, folder: Path) -> None:
        """Exchange; warn once of a store that refuses."""
        try:
            self.exchange(folder)
        except (RegattaError, OSError) as err:
            if not self.ended.is_set():
                self.complain("the lanes cannot tell each other", err)

    def exchange(self, folder: Path) -> None:
        """Tell what was not told, then hear what was not heard.

        Parameters
        ----------
        folder : Path
            Folder of the lane.
        """
        for path in sorted(folder.glob(f"[!.]*/{RECORD}")):
            if (name := f"{path.parent.name}.json") not in self._told:
                self._store.write(self._place / name, path.read_bytes())
                self._told.add(name)
        start = len(self._place.key) + 1
        for entry in self._store.list(self._place):
            name = entry.location.key[start:]
            new = name not in self._heard and name not in self._told
            if new and _NAME.fullmatch(name) and self._hear(name, folder):
                self._heard.add(name)

    def take_back(self) -> None:
        """Remove what this lane has told."""
        try:
            for name in sorted(self._told):
                self._store.remove(self._place / name)
        except RegattaError as err:
            logger.warning("what was told could not be removed: %s", err.found)

    def _hear(self, name: str, folder: Path) -> bool:
        """Take in one object, if it is the record of another lane that its name says.

        Returns
        -------
        bool
            False: it should be looked at again.
        """
        content = self._store.read(self._place / name, most_bytes=MOST_BYTES)
        if content is None or self.ended.is_set():
            return False
        try:
            record = TrialRecord.from_dict(json.loads(content.data))
            if f"{record.id}.json" != name:
                raise ValueError(f"it is the trial {record.id!r}")
        except (ValueError, KeyError, TypeError) as err:
            logger.warning("%s is no record and is left out: %s", self._place / name, err)
            return True
        return record.lane == self._lane or hear(folder, record)
