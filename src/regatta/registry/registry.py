"""Registered models: versions that never change, and aliases that move between them.

```text
<root>/models/<name>/versions/<n>/version.json   written once, last
                                  bundle/
                     aliases.json                the only file that changes
```

`<root>` is a folder (`regatta.registry.directory`) or a place in an object store
(`regatta.registry.objects`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from regatta.artifacts import open_artifact
from regatta.errors import ArtifactError, UsageError, nearest
from regatta.names import RULE, is_name
from regatta.registry.directory import Directory
from regatta.registry.objects import Objects
from regatta.registry.root import registry_root
from regatta.registry.storage import ALIASES, Aliases, Storage
from regatta.store import Location

__all__ = ["ALIASES", "Registry", "Verdict", "Version"]

Verdict = Literal["promote", "keep"]


@dataclass(frozen=True)
class Version:
    """One registered version.

    Attributes
    ----------
    name : str
        Name of the model.
    number : int
        Its number, from 1 on.
    place : str
        Folder or URI of the version.
    aliases : tuple of str
        Aliases that pointed to it when it was looked up.
    metadata : mapping
        What version.json says: ``created_at``, ``verdict``, ``task``, ``metric``, ``score`` ...
    storage : Storage
        What it is kept in.
    """

    name: str
    number: int
    place: str
    aliases: tuple[str, ...]
    metadata: Mapping[str, Any]
    storage: Storage = field(repr=False, compare=False)

    @property
    def path(self) -> Path:
        """Folder of the version; from an object store it is downloaded once, and verified."""
        return self.storage.fetch(self.name, self.number)

    @property
    def bundle(self) -> Path:
        """Folder of its bundle, as `path`."""
        return self.path / "bundle"

    @property
    def uri(self) -> str:
        """URI of its bundle in an object store, for KServe; empty for a folder."""
        return f"{self.place}/bundle" if isinstance(self.storage.root, Location) else ""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "name": self.name,
            "version": self.number,
            "path": self.place,
            **({"uri": self.uri} if self.uri else {}),
            "aliases": list(self.aliases),
            **self.metadata,
        }


class Registry:
    """Registered models below one place.

    Parameters
    ----------
    root : str, Path or Location
        A folder, which is made by the first registration, or ``s3://bucket/key`` in an object
        store, which is that of the environment (see `regatta.store.connect`).
    storage : Storage, optional
        What is kept there; found from `root` by default.
    """

    def __init__(self, root: str | Path | Location, storage: Storage | None = None) -> None:
        found = registry_root(root)
        self.root = found
        self._storage: Storage = storage or (
            Objects(found) if isinstance(found, Location) else Directory(found)
        )

    def register(
        self, bundle: str | Path, name: str, *, verdict: Verdict, **metadata: Any
    ) -> Version:
        """Add a bundle as the next version of a model.

        Parameters
        ----------
        bundle : str or Path
            Folder of the bundle; its hashes are verified first.
        name : str
            Name of the model, a DNS label.
        verdict : {"promote", "keep"}
            ``promote``: it becomes ``champion``, and the champion before it ``previous``.
            ``keep``: it becomes ``challenger``.
        **metadata : JSON values
            Small values for version.json.

        Returns
        -------
        Version
            The new version.

        Raises
        ------
        ArtifactError
            The bundle is missing or damaged.
        UsageError
            The name is no DNS label, or the folder cannot be written.
        """
        artifact = open_artifact(bundle, "bundle")
        _check_name(name)
        created_at = datetime.now(UTC).isoformat(timespec="seconds")
        values = {"created_at": created_at, "verdict": verdict, **metadata}
        numbers: list[int] = []

        def describe(number: int) -> dict[str, Any]:
            numbers.append(number)
            return {"name": name, "version": number, "metadata": values}

        def move(aliases: Aliases) -> Aliases:
            number = numbers[-1]
            if verdict == "promote":
                return _promoted(aliases, number)
            return {**aliases, "challenger": number}

        number = self._storage.add(name, artifact.path, describe, move)
        return self.version(name, number)

    def names(self) -> list[str]:
        """Return the names of all models, sorted."""
        return self._storage.names()

    def versions(self, name: str) -> list[Version]:
        """Return all versions of a model, oldest first.

        Raises
        ------
        ArtifactError
            There is no such model.
        """
        self._check_known(name)
        aliases = self.aliases(name)
        return [self._version(name, n, aliases) for n in self._storage.numbers(name)]

    def version(self, name: str, number: int) -> Version:
        """Return one version.

        Raises
        ------
        ArtifactError
            There is no such model or version, or its version.json is damaged.
        """
        return self._version(name, number, None)

    def _version(self, name: str, number: int, aliases: Aliases | None) -> Version:
        """Return one version; the aliases are looked up unless they are known."""
        place = self._storage.place(name, number) if is_name(name) else ""
        try:
            if not place:
                raise FileNotFoundError
            metadata = dict(self._storage.read(name, number)["metadata"])
        except FileNotFoundError as err:
            self._check_known(name)
            raise ArtifactError(
                f"model {name!r} has no version {number}",
                expected="one of " + _few(self._storage.numbers(name)),
                fix=f"see `regatta models show {name}`",
            ) from err
        except (ValueError, KeyError, TypeError) as err:
            raise ArtifactError(
                f"{place + '/version.json'!r} is damaged",
                fix="register the bundle again or restore the file from a backup",
            ) from err
        known = self.aliases(name) if aliases is None else aliases
        of_it = tuple(alias for alias, n in known.items() if n == number)
        return Version(name, number, place, of_it, metadata, self._storage)

    def aliases(self, name: str) -> Aliases:
        """Return the version number behind each alias that is set.

        Raises
        ------
        ArtifactError
            aliases.json is damaged.
        """
        return self._storage.aliases(name)

    def promote(self, name: str, number: int) -> Version:
        """Make a version the champion, and the champion before it ``previous``.

        Raises
        ------
        ArtifactError
            There is no such model or version.
        """
        self.version(name, number)
        self._storage.change(name, lambda aliases: _promoted(aliases, number))
        return self.version(name, number)

    def rollback(self, name: str) -> Version:
        """Exchange champion and ``previous``; return the champion there is now.

        Raises
        ------
        ArtifactError
            There is no such model.
        UsageError
            There is no previous champion.
        """
        self._check_known(name)

        def exchange(aliases: Aliases) -> Aliases:
            if "previous" not in aliases or "champion" not in aliases:
                raise UsageError(
                    f"model {name!r} has no previous champion",
                    expected="a version that was champion before",
                    fix=f"choose a version with `regatta models promote {name} N`",
                )
            champion, previous = aliases["champion"], aliases["previous"]
            return {**aliases, "champion": previous, "previous": champion}

        self._storage.change(name, exchange)
        return self.version(name, self.aliases(name)["champion"])

    def restore(self, name: str, aliases: Aliases, *, champion: int) -> bool:
        """Put champion and ``previous`` back to what they were, unless somebody has moved on.

        Parameters
        ----------
        name : str
            The model.
        aliases : mapping of str to int
            Its aliases before the champion was changed.
        champion : int
            What it was changed to.

        Returns
        -------
        bool
            False: it is another by now, and all aliases stay.
        """
        moved = ("champion", "previous")

        def back(now: Aliases) -> Aliases:
            if now.get("champion") != champion:
                return now
            others = {key: number for key, number in now.items() if key not in moved}
            return {**others, **{key: aliases[key] for key in moved if key in aliases}}

        self._storage.change(name, back)
        return self.aliases(name).get("champion") == aliases.get("champion")

    def resolve(self, reference: str) -> Version:
        """Find the version that a text names.

        Parameters
        ----------
        reference : str
            ``name`` (its champion), ``name@3`` or ``name@champion``.

        Raises
        ------
        ArtifactError
            There is no such model, version or alias.
        """
        name, at, which = reference.partition("@")
        self._check_known(name)
        which = which if at else "champion"
        if which.isascii() and which.isdigit():
            return self.version(name, int(which))
        aliases = self.aliases(name)
        if which not in aliases:
            numbers = _few(self._storage.numbers(name))
            raise ArtifactError(
                f"model {name!r} has no {which!r}{nearest(which, aliases)}",
                expected=f"one of {_few([*aliases, numbers])}",
                fix=f"name a version as in {name}@1, or see `regatta models show {name}`",
            )
        return self.version(name, aliases[which])

    def _check_known(self, name: str) -> None:
        """Raise `ArtifactError` for a model that is not there."""
        if is_name(name) and self._storage.numbers(name):
            return
        names = self.names()
        raise ArtifactError(
            f"there is no registered model {name!r}{nearest(name, names)}",
            expected=f"one of {_few(names)}" if names else "",
            fix="see `regatta models list`"
            if names
            else f"train one with `regatta run`: registry {str(self.root)!r} is empty",
        )


def _promoted(aliases: Aliases, number: int) -> Aliases:
    """Return the aliases after a version became champion."""
    champion = aliases.get("champion")
    if champion == number:
        return aliases
    moved = {alias: n for alias, n in aliases.items() if n != number}
    if champion is not None:
        moved["previous"] = champion
    return {**moved, "champion": number}


def _check_name(name: str) -> None:
    if not is_name(name):
        raise UsageError(
            f"{name!r} cannot be the name of a model",
            expected=RULE,
            fix="choose another --name",
        )


def _few(values: "list[Any]") -> str:
    """List values, cut at the last five."""
    texts = [str(value) for value in values]
    return ", ".join(["…", *texts[-5:]] if len(texts) > 5 else texts)
