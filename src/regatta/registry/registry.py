"""The directory registry.

```text
<root>/models/<name>/versions/<n>/version.json   written once
                                  bundle/        copied, by hard link where possible
                     aliases.json                the only file that changes
                     .lock                       held while a number is taken or an alias moves
```

A version appears by one rename, so that a half-written one is never seen. `aliases.json` is
replaced by one rename, so that a reader sees the old aliases or the new ones.
"""

import contextlib
import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from regatta.artifacts import open_artifact, read_json, write_json
from regatta.errors import ArtifactError, UsageError, nearest
from regatta.names import RULE, is_name

__all__ = ["ALIASES", "Registry", "Verdict", "Version"]

ALIASES = ("champion", "challenger", "previous")
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
    path : Path
        Folder of the version.
    aliases : tuple of str
        Aliases that pointed to it when it was looked up.
    metadata : mapping
        What version.json says: ``created_at``, ``verdict``, ``task``, ``metric``, ``score`` ...
    """

    name: str
    number: int
    path: Path
    aliases: tuple[str, ...]
    metadata: Mapping[str, Any]

    @property
    def bundle(self) -> Path:
        """Folder of its bundle."""
        return self.path / "bundle"

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "name": self.name,
            "version": self.number,
            "path": str(self.path),
            "aliases": list(self.aliases),
            **self.metadata,
        }


class Registry:
    """Registered models below one folder.

    Parameters
    ----------
    root : str or Path
        The folder. It is made by the first registration.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)

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
        with self._new_folder(name) as folder:
            shutil.copytree(artifact.path, folder / "bundle", copy_function=_link_or_copy)
            with self._locked(name):
                number = max(self._numbers(name), default=0) + 1
                created_at = datetime.now(UTC).isoformat(timespec="seconds")
                values = {"created_at": created_at, "verdict": verdict, **metadata}
                content = {"name": name, "version": number, "metadata": values}
                write_json(folder / "version.json", content)
                os.rename(folder, folder.parent / str(number))
                if verdict == "promote":
                    self._promote(name, number)
                else:
                    self._write_aliases(name, {**self.aliases(name), "challenger": number})
        return self.version(name, number)

    def names(self) -> list[str]:
        """Return the names of all models, sorted."""
        return sorted(path.name for path in self.root.glob("models/*") if self._numbers(path.name))

    def versions(self, name: str) -> list[Version]:
        """Return all versions of a model, oldest first.

        Raises
        ------
        ArtifactError
            There is no such model.
        """
        self._check_known(name)
        return [self.version(name, number) for number in self._numbers(name)]

    def version(self, name: str, number: int) -> Version:
        """Return one version.

        Raises
        ------
        ArtifactError
            There is no such model or version, or its version.json is damaged.
        """
        self._check_known(name)
        path = self._model(name) / "versions" / str(number)
        try:
            metadata = dict(read_json(path / "version.json")["metadata"])
        except FileNotFoundError as err:
            raise ArtifactError(
                f"model {name!r} has no version {number}",
                expected="one of " + _few(self._numbers(name)),
                fix=f"see `regatta models show {name}`",
            ) from err
        except (ValueError, KeyError, TypeError) as err:
            raise ArtifactError(
                f"{str(path / 'version.json')!r} is damaged",
                fix="register the bundle again or restore the file from a backup",
            ) from err
        aliases = tuple(alias for alias, n in self.aliases(name).items() if n == number)
        return Version(name, number, path, aliases, metadata)

    def aliases(self, name: str) -> dict[str, int]:
        """Return the version number behind each alias that is set."""
        path = self._model(name) / "aliases.json"
        try:
            return {alias: int(n) for alias, n in read_json(path).items() if alias in ALIASES}
        except FileNotFoundError:
            return {}
        except (ValueError, TypeError, AttributeError) as err:
            raise ArtifactError(
                f"{str(path)!r} is damaged",
                expected='an object like {"champion": 1}',
                fix="write it again with `regatta models promote`",
            ) from err

    def promote(self, name: str, number: int) -> Version:
        """Make a version the champion, and the champion before it ``previous``.

        Raises
        ------
        ArtifactError
            There is no such model or version.
        """
        self.version(name, number)
        with self._locked(name):
            self._promote(name, number)
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
        with self._locked(name):
            aliases = self.aliases(name)
            if "previous" not in aliases or "champion" not in aliases:
                raise UsageError(
                    f"model {name!r} has no previous champion",
                    expected="a version that was champion before",
                    fix=f"choose a version with `regatta models promote {name} N`",
                )
            champion, previous = aliases["champion"], aliases["previous"]
            self._write_aliases(name, {**aliases, "champion": previous, "previous": champion})
        return self.version(name, previous)

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
            numbers = _few(self._numbers(name))
            raise ArtifactError(
                f"model {name!r} has no {which!r}{nearest(which, aliases)}",
                expected=f"one of {_few([*aliases, numbers])}",
                fix=f"name a version as in {name}@1, or see `regatta models show {name}`",
            )
        return self.version(name, aliases[which])

    def _model(self, name: str) -> Path:
        return self.root / "models" / name

    def _numbers(self, name: str) -> list[int]:
        """Return the version numbers of a model, ascending."""
        folders = self._model(name).glob("versions/*")
        return sorted(int(path.name) for path in folders if path.name.isdecimal())

    def _check_known(self, name: str) -> None:
        """Raise `ArtifactError` for a model that is not there."""
        if is_name(name) and self._numbers(name):
            return
        names = self.names()
        raise ArtifactError(
            f"there is no registered model {name!r}{nearest(name, names)}",
            expected=f"one of {_few(names)}" if names else "",
            fix="see `regatta models list`"
            if names
            else f"train one with `regatta run`: registry {str(self.root)!r} is empty",
        )

    @contextlib.contextmanager
    def _new_folder(self, name: str) -> Iterator[Path]:
        """Make a folder beside the versions, to be renamed; removed if that does not happen."""
        versions = self._model(name) / "versions"
        try:
            versions.mkdir(parents=True, exist_ok=True)
            folder = Path(tempfile.mkdtemp(prefix=".new-", dir=versions))
        except OSError as err:
            raise UsageError(
                f"registry {str(self.root)!r} cannot be written ({err.strerror})",
                expected="a folder that belongs to you",
                fix="choose another with --set deploy.registry=… or REGATTA_HOME",
            ) from err
        try:
            folder.chmod(0o755)
            yield folder
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def _promote(self, name: str, number: int) -> None:
        """Move the aliases; the lock is held."""
        aliases = self.aliases(name)
        champion = aliases.get("champion")
        if champion == number:
            return
        if champion is not None:
            aliases["previous"] = champion
        aliases["champion"] = number
        for alias in ("challenger", "previous"):
            if aliases.get(alias) == number:
                del aliases[alias]
        self._write_aliases(name, aliases)

    def _write_aliases(self, name: str, aliases: Mapping[str, int]) -> None:
        """Replace aliases.json at once; the lock is held."""
        path = self._model(name) / "aliases.json"
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
        with (self._model(name) / ".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _check_name(name: str) -> None:
    if not is_name(name):
        raise UsageError(
            f"{name!r} cannot be the name of a model",
            expected=RULE,
            fix="choose another --name",
        )


def _link_or_copy(source: str, target: str) -> None:
    """Make a hard link; copy where the two lie on different file systems."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _few(values: "list[Any]") -> str:
    """List values, cut at the last five."""
    texts = [str(value) for value in values]
    return ", ".join(["…", *texts[-5:]] if len(texts) > 5 else texts)
