"""A registry in an object store.

A store renames nothing and locks nothing, so writes on a condition take their place. A number
belongs to whoever creates its `claim.json`; the version is there once its `version.json` is, which
is written last. `aliases.json` is replaced only if it is still what was read, else read again.
A registration that breaks off leaves its number unused.
"""

import hashlib
import json
import random
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from regatta.artifacts import open_artifact
from regatta.errors import ArtifactError, StoreError, UsageError
from regatta.registry.root import home
from regatta.registry.storage import ALIASES, Aliases, Move, damaged_aliases, parse_aliases
from regatta.store import Content, Location, Store, connect

__all__ = ["Objects"]

TRIES = 50


class Objects:
    """Versions and aliases below one key of a bucket.

    Parameters
    ----------
    root : Location
        The bucket, which must exist, and the key that goes before all others.
    store : Store, optional
        Connection; that of the environment by default.
    """

    def __init__(self, root: Location, store: Store | None = None) -> None:
        self.root: Path | Location = root
        self._models = root / "models"
        self._store = store or connect()

    def names(self) -> list[str]:
        """Return the names of all models with a version, sorted."""
        return sorted({found[0] for found in self._versions(self._models, -4)})

    def numbers(self, name: str) -> list[int]:
        """Return the numbers of all whole versions of a model, ascending."""
        found = self._versions(self._models / name / "versions", -4)
        return sorted(number for _, number in found)

    def place(self, name: str, number: int) -> str:
        """Return the URI of a version."""
        return self._version(name, number).uri

    def read(self, name: str, number: int) -> Any:
        """Return version.json; raises FileNotFoundError or ValueError."""
        location = self._version(name, number) / "version.json"
        content = self._store.read(location)
        if content is None:
            raise FileNotFoundError(location.uri)
        return json.loads(content.data)

    def aliases(self, name: str) -> Aliases:
        """Return aliases.json; empty where there is none."""
        return self._parsed(name, self._store.read(self._aliases(name)))

    def add(
        self, name: str, bundle: Path, describe: Callable[[int], Mapping[str, Any]], move: Move
    ) -> int:
        """Keep a bundle under the next number."""
        number = self._claim(name)
        place = self._version(name, number)
        self._store.upload_folder(bundle, place / "bundle")
        text = json.dumps(describe(number), indent=1, allow_nan=False)
        self._store.write(place / "version.json", f"{text}\n".encode())
        self.change(name, move)
        return number

    def change(self, name: str, move: Move) -> None:
        """Change the aliases by compare-and-swap.

        Raises
        ------
        StoreError
            Others change them all the time.
        """
        place = self._aliases(name)
        # Nobody else writes this text, so that a write whose answer was lost is known as ours.
        change = uuid.uuid4().hex
        for attempt in range(TRIES):
            content = self._store.read(place)
            old = self._parsed(name, content)
            new = move(dict(old))
            if new == old:
                return
            values = {alias: new[alias] for alias in ALIASES if alias in new}
            data = (json.dumps({**values, "change": change}) + "\n").encode()
            if self._store.replace(place, data, content.etag if content else ""):
                return
            time.sleep(random.uniform(0.01, 0.05 * min(attempt + 1, 20)))
        raise StoreError(
            f"{place} was changed by others {TRIES} times while it was to be changed",
            expected="a moment in which nobody else registers this model",
            fix="try again",
        )

    def fetch(self, name: str, number: int) -> Path:
        """Return a folder with version.json and the bundle, downloaded once and verified.

        Raises
        ------
        ArtifactError
            A file is not what was registered.
        UsageError
            The folder of downloads cannot be written.
        """
        source = self._version(name, number)
        where = hashlib.sha256(f"{self._store.endpoint} {self.root}".encode()).hexdigest()[:16]
        folder = home() / "downloads" / where / name / str(number)
        if folder.is_dir():
            try:
                open_artifact(folder / "bundle", "bundle")
                return folder
            except ArtifactError:
                shutil.rmtree(folder, ignore_errors=True)
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            temporary = Path(tempfile.mkdtemp(prefix=".new-", dir=folder.parent))
        except OSError as err:
            raise UsageError(
                f"version {number} of {name} cannot be downloaded to {str(folder)!r} "
                f"({err.strerror})",
                expected="a folder that you may write to",
                fix="set REGATTA_HOME to one",
            ) from err
        try:
            temporary.chmod(0o755)
            self._store.download_folder(source / "bundle", temporary / "bundle")
            self._store.download_file(source / "version.json", temporary / "version.json")
            open_artifact(temporary / "bundle", "bundle")
            # Somebody else may have been faster; theirs was verified too.
            if not folder.is_dir():
                temporary.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        return folder

    def _claim(self, name: str) -> int:
        """Take the next free number."""
        token = json.dumps({"claim": uuid.uuid4().hex}).encode()
        taken = self._store.folders(self._models / name / "versions")
        number = max((int(part) for part in taken if part.isdecimal()), default=0) + 1
        while not self._store.create(self._version(name, number) / "claim.json", token):
            number += 1
        return number

    def _versions(self, place: Location, name_at: int) -> list[tuple[str, int]]:
        """Return name and number of all version.json below a key."""
        keys = [entry.location.key.split("/") for entry in self._store.list(place)]
        depth = len(self._models.key.split("/")) + 4
        return [
            (parts[name_at], int(parts[-2]))
            for parts in keys
            if parts[-1] == "version.json" and len(parts) == depth and parts[-2].isdecimal()
        ]

    def _version(self, name: str, number: int) -> Location:
        return self._models / name / "versions" / str(number)

    def _aliases(self, name: str) -> Location:
        return self._models / name / "aliases.json"

    def _parsed(self, name: str, content: Content | None) -> Aliases:
        """Check the content of aliases.json."""
        if content is None:
            return {}
        where = self._aliases(name).uri
        try:
            return parse_aliases(json.loads(content.data), where)
        except ValueError as err:
            raise damaged_aliases(where) from err
