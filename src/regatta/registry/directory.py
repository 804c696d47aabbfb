"""A registry in a folder.

A version appears by one rename, so that a half-written one is never seen. `aliases.json` is
replaced by one rename, so that a reader sees the old aliases or the new ones. The file `.lock` is
held while a number is taken or an alias moves.
"""

import contextlib
import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from regatta.artifacts import read_json, write_json
from regatta.errors import UsageError
from regatta.registry.storage import ALIASES, Aliases, Move, damaged_aliases, parse_aliases
from regatta.store import Location

__all__ = ["Directory"]


class Directory:
    """Versions and aliases below one folder.

    Parameters
    ----------
    root : Path
        The folder. It is made by the first registration.
    """

    def __init__(self, root: Path) -> None:
        self.root: Path | Location = root
        self._models = root / "models"

    def names(self) -> list[str]:
        """Return the names of all models with a version, sorted."""
        return sorted(path.name for path in self._models.glob("*") if self.numbers(path.name))

    def numbers(self, name: str) -> list[int]:
        """Return the numbers of all versions of a model, ascending."""
        folders = (self._models / name).glob("versions/*")
        return sorted(int(path.name) for path in folders if path.name.isdecimal())

    def place(self, name: str, number: int) -> str:
        """Return the path of a version."""
        return str(self._models / name / "versions" / str(number))

    def read(self, name: str, number: int) -> Any:
        """Return version.json; raises FileNotFoundError or ValueError."""
        return read_json(Path(self.place(name, number)) / "version.json")

    def aliases(self, name: str) -> Aliases:
        """Return aliases.json; empty where there is none."""
        path = self._models / name / "aliases.json"
        try:
            return parse_aliases(read_json(path), str(path))
        except FileNotFoundError:
            return {}
        except ValueError as err:
            raise damaged_aliases(str(path)) from err

    def add(
        self, name: str, bundle: Path, describe: Callable[[int], Mapping[str, Any]], move: Move
    ) -> int:
        """Keep a bundle under the next number, by hard links where possible."""
        with self._new_folder(name) as folder:
            shutil.copytree(bundle, folder / "bundle", copy_function=_link_or_copy)
            with self._locked(name):
                number = max(self.numbers(name), default=0) + 1
                write_json(folder / "version.json", dict(describe(number)))
                os.rename(folder, folder.parent / str(number))
                self._write_aliases(name, move(self.aliases(name)))
        return number

    def change(self, name: str, move: Move) -> None:
        """Change the aliases at once."""
        with self._locked(name):
            old = self.aliases(name)
            new = move(dict(old))
            if new != old:
                self._write_aliases(name, new)

    def fetch(self, name: str, number: int) -> Path:
        """Return the folder of a version."""
        return Path(self.place(name, number))

    @contextlib.contextmanager
    def _new_folder(self, name: str) -> Iterator[Path]:
        """Make a folder beside the versions, to be renamed; removed if that does not happen."""
        versions = self._models / name / "versions"
        try:
            versions.mkdir(parents=True, exist_ok=True)
            folder = Path(tempfile.mkdtemp(prefix=".new-", dir=versions))
        except OSError as err:
            raise UsageError(
                f"registry {str(self.root)!r} cannot be written ({err.strerror})",
                expected="a folder that belongs to you",
                fix="choose another with --registry or REGATTA_MODELS",
            ) from err
        try:
            folder.chmod(0o755)
            yield folder
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def _write_aliases(self, name: str, aliases: Mapping[str, int]) -> None:
        """Replace aliases.json at once; the lock is held."""
        path = self._models / name / "aliases.json"
        descriptor, temporary = tempfile.mkstemp(prefix=".aliases-", dir=path.parent)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump({alias: aliases[alias] for alias in ALIASES if alias in aliases}, file)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)

    @contextlib.contextmanager
    def _locked(self, name: str) -> Iterator[None]:
        """Hold the model's lock; the system releases it when a process ends."""
        with (self._models / name / ".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _link_or_copy(source: str, target: str) -> None:
    """Make a hard link; copy where the two lie on different file systems."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
