"""What a registry is kept in: a folder or an object store, with the same files in it."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from regatta.errors import ArtifactError
from regatta.store import Location

__all__ = ["ALIASES", "Aliases", "Move", "Storage", "damaged_aliases", "parse_aliases"]

ALIASES = ("champion", "challenger", "previous")

Aliases = dict[str, int]
Move = Callable[[Aliases], Aliases]
"""Takes the aliases as they are and returns them as they shall be; may be called again."""


class Storage(Protocol):
    """Where versions and aliases lie.

    Attributes
    ----------
    root : Path or Location
        Its place.
    """

    root: Path | Location

    def names(self) -> list[str]:
        """Return the names of all models with a version, sorted."""

    def numbers(self, name: str) -> list[int]:
        """Return the numbers of all whole versions of a model, ascending."""

    def place(self, name: str, number: int) -> str:
        """Return the path or URI of a version."""

    def read(self, name: str, number: int) -> Any:
        """Return version.json; raises FileNotFoundError or ValueError."""

    def aliases(self, name: str) -> Aliases:
        """Return aliases.json; empty where there is none."""

    def add(
        self, name: str, bundle: Path, describe: Callable[[int], Mapping[str, Any]], move: Move
    ) -> int:
        """Keep a bundle under the next number, with what `describe` says of that number.

        `move` is called with the aliases after `describe` was called with the number.
        """

    def change(self, name: str, move: Move) -> None:
        """Change the aliases at once, whoever else changes them meanwhile."""

    def fetch(self, name: str, number: int) -> Path:
        """Return a folder of this machine with version.json and the bundle."""


def parse_aliases(values: Any, where: str) -> Aliases:
    """Check what aliases.json says.

    Raises
    ------
    ArtifactError
        It is damaged.
    """
    try:
        return {alias: int(n) for alias, n in values.items() if alias in ALIASES}
    except (ValueError, TypeError, AttributeError) as err:
        raise damaged_aliases(where) from err


def damaged_aliases(where: str) -> ArtifactError:
    """Return the error for an aliases.json that cannot be read."""
    return ArtifactError(
        f"{where!r} is damaged",
        expected='an object like {"champion": 1}',
        fix="remove it and write it again with `regatta models promote`",
    )
