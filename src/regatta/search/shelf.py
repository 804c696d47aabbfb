"""Where the ledger lies: in a folder of the user, or, for pods, in an object store."""

import contextlib
import os
import tempfile
from pathlib import Path
from typing import Protocol

from regatta.store import Location, Store

__all__ = ["Folder", "Objects", "Shelf"]

SUFFIX = ".json"
# A file of the ledger holds a few runs of three recipes.
MOST_BYTES = 1_000_000


class Shelf(Protocol):
    """Small texts by name; each is there whole, the newest of two that were written."""

    def read(self, name: str) -> str | None:
        """Return a text, or None if there is none; raises OSError, StoreError or ValueError."""

    def write(self, name: str, text: str) -> None:
        """Put a text in the place of what was there; raises OSError or StoreError."""

    def newest(self, most: int) -> list[str]:
        """Return names, the last written first; raises OSError or StoreError."""


class Folder:
    """A shelf in a folder.

    Parameters
    ----------
    path : Path
        The folder; made when something is written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def __str__(self) -> str:
        return str(self.path)

    def read(self, name: str) -> str | None:
        """Return a text (see `Shelf.read`)."""
        try:
            return (self.path / f"{name}{SUFFIX}").read_text(encoding="utf-8")
        except FileNotFoundError:
            return None

    def write(self, name: str, text: str) -> None:
        """Write a text (see `Shelf.write`)."""
        self.path.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(prefix=".", dir=self.path)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
        os.replace(temporary, self.path / f"{name}{SUFFIX}")

    def newest(self, most: int) -> list[str]:
        """Return names (see `Shelf.newest`)."""
        dated = []
        for file in self.path.glob(f"[!.]*{SUFFIX}"):
            # Another run may just have taken it away.
            with contextlib.suppress(OSError):
                dated.append((file.stat().st_mtime, file.stem))
        return [name for _, name in sorted(dated, reverse=True)[:most]]


class Objects:
    """A shelf in an object store.

    Parameters
    ----------
    store : Store
        The store.
    place : Location
        What the keys have in common.
    """

    def __init__(self, store: Store, place: Location) -> None:
        self.store, self.place = store, place

    def __str__(self) -> str:
        return self.place.uri

    def read(self, name: str) -> str | None:
        """Return a text (see `Shelf.read`)."""
        content = self.store.read(self.place / f"{name}{SUFFIX}", most_bytes=MOST_BYTES)
        return content.data.decode() if content else None

    def write(self, name: str, text: str) -> None:
        """Write a text (see `Shelf.write`)."""
        self.store.write(self.place / f"{name}{SUFFIX}", text.encode())

    def newest(self, most: int) -> list[str]:
        """Return names (see `Shelf.newest`)."""
        entries = [
            entry for entry in self.store.list(self.place) if entry.location.name.endswith(SUFFIX)
        ]
        entries.sort(key=lambda entry: -entry.modified)
        return [entry.location.name.removesuffix(SUFFIX) for entry in entries[:most]]
