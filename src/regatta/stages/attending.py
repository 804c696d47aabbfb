"""A lane is attended by threads that share what it does, and it waits for none of them.

What they share goes to the object store. A store that is slow or refuses takes nothing from the
race: the lane goes on, and it ends when it is done.
"""

import contextlib
import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from regatta.errors import RegattaError

__all__ = ["Attendant"]


class Attendant(ABC):
    """Something that attends a lane from a thread of its own.

    Attributes
    ----------
    name : str
        Of its threads.
    poll_seconds : float
        Between two looks at the lane.
    remove_seconds : float
        How long a task waits for `clear`; 5.
    ended : threading.Event
        Set as soon as the lane has ended.
    """

    name: ClassVar[str]
    poll_seconds: ClassVar[float]
    remove_seconds: ClassVar[float] = 5.0

    def __init__(self) -> None:
        self.ended = threading.Event()
        self._warned = False
        self._thread = threading.Thread(name=self.name, daemon=True)

    @contextlib.contextmanager
    def attended(self, folder: Path) -> Iterator[None]:
        """Attend a lane until the block ends.

        Parameters
        ----------
        folder : Path
            Existing folder of the lane.
        """
        self._thread = threading.Thread(
            target=self._attend, args=(folder,), name=self.name, daemon=True
        )
        self._thread.start()
        try:
            yield
        finally:
            self.ended.set()

    def clear(self) -> None:
        """Remove what was shared, as the artifact is written; what takes too long stays there."""
        self.ended.set()
        remover = threading.Thread(target=self._remove, name=f"{self.name}-removal", daemon=True)
        remover.start()
        remover.join(self.remove_seconds)

    def complain(self, what: str, err: Exception) -> None:
        """Warn once; the log of a lane is no list of what its store does.

        Parameters
        ----------
        what : str
            What could not be done.
        err : Exception
            Why.
        """
        if self.ended.is_set() and isinstance(err, OSError):
            # The lane's folder has become its artifact meanwhile.
            return
        reason = err.found if isinstance(err, RegattaError) else err
        level = logging.DEBUG if self._warned else logging.WARNING
        logging.getLogger(type(self).__module__).log(level, "%s: %s", what, reason)
        self._warned = True

    @abstractmethod
    def look(self, folder: Path) -> None:
        """Share what is new. It raises nothing of the store."""

    @abstractmethod
    def take_back(self) -> None:
        """Remove what was shared. It raises nothing of the store."""

    def _attend(self, folder: Path) -> None:
        """Look until the lane has ended."""
        while not self.ended.wait(self.poll_seconds):
            self.look(folder)

    def _remove(self) -> None:
        """Take back, after the last look."""
        if self._thread.is_alive():
            self._thread.join()
        self.take_back()
