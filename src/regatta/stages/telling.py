"""Lanes of one run tell each other through the object store what came of their trials.

Each lane proposes from what it knows. What the others have found out makes its next proposals
better, as a second round of pods would, without the time that pods take to start. A record is one
small object beside the artifacts of the lanes. The lane's own process reads the records of others
from its folder (`regatta.search.resuming.heard`) and needs no store.

It is a help, never a need: what the store refuses is told later, or not.
"""

import contextlib
import json
import logging
import re
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

from regatta.artifacts.records import RECORD, TrialRecord
from regatta.errors import RegattaError
from regatta.search.resuming import NOTES, hear
from regatta.stages.handover import REMOVE_SECONDS, Handover
from regatta.store import Location, Store

__all__ = ["Telling", "telling_beside"]

logger = logging.getLogger(__name__)

POLL_SECONDS = 3.0
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


class Telling:
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

    def __init__(self, store: Store, place: Location, lane: int) -> None:
        self._store, self._place, self._lane = store, place, lane
        self._told: list[str] = []
        self._heard: set[str] = set()
        self._ended = threading.Event()
        self._thread = threading.Thread(name="telling", daemon=True)

    @contextlib.contextmanager
    def attended(self, folder: Path) -> Iterator[None]:
        """Tell what the lane finishes, and hear what others have, until the block ends.

        Parameters
        ----------
        folder : Path
            Existing folder of the lane.
        """
        self._thread = threading.Thread(
            target=self._attend, args=(folder,), name="telling", daemon=True
        )
        self._thread.start()
        try:
            yield
        finally:
            self._ended.set()
            self._thread.join(REMOVE_SECONDS)
            # What came as the lane took its notes away is no part of its artifact.
            shutil.rmtree(folder / NOTES, ignore_errors=True)

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
                self._told.append(name)
        start = len(self._place.key) + 1
        for entry in self._store.list(self._place):
            name = entry.location.key[start:]
            new = name not in self._heard and name not in self._told
            if new and _NAME.fullmatch(name) and self._hear(name, folder):
                self._heard.add(name)

    def clear(self) -> None:
        """Take back what this lane has told; what takes too long stays there."""
        self._ended.set()
        remover = threading.Thread(target=self._remove, name="telling-removal", daemon=True)
        remover.start()
        remover.join(REMOVE_SECONDS)

    def _remove(self) -> None:
        """Remove what was told, after the last record."""
        if self._thread.is_alive():
            self._thread.join()
        try:
            for name in self._told:
                self._store.remove(self._place / name)
        except RegattaError as err:
            logger.warning("what was told could not be removed: %s", err.found)

    def _attend(self, folder: Path) -> None:
        """Exchange until the lane has ended; warn once of a store that refuses."""
        level = logging.WARNING
        while not self._ended.wait(POLL_SECONDS):
            try:
                self.exchange(folder)
            except (RegattaError, OSError) as err:
                # The lane's folder becomes its artifact as it ends.
                if not self._ended.is_set():
                    reason = err.found if isinstance(err, RegattaError) else err
                    logger.log(level, "the lanes cannot tell each other: %s", reason)
                    level = logging.DEBUG

    def _hear(self, name: str, folder: Path) -> bool:
        """Take in one object, if it is the record of another lane that its name says.

        Returns
        -------
        bool
            False: it should be looked at again.
        """
        content = self._store.read(self._place / name, most_bytes=MOST_BYTES)
        if content is None or self._ended.is_set():
            return False
        try:
            record = TrialRecord.from_dict(json.loads(content.data))
            if f"{record.id}.json" != name:
                raise ValueError(f"it is the trial {record.id!r}")
        except (ValueError, KeyError, TypeError) as err:
            logger.warning("%s is no record and is left out: %s", self._place / name, err)
            return True
        return record.lane == self._lane or hear(folder, record)
