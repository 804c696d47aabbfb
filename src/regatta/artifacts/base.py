"""Artifacts: folders that are written at once and verified before use.

An artifact is a folder with ``artifact.json`` (kind, schema version, the Regatta that wrote it,
SHA-256 and size of every file). A half-written one is never readable: `writing` fills a folder
beside the final place, hashes it and renames it. `open_artifact` verifies kind, version and
hashes before anything in it is used.

An artifact may hold others, as the trials of a lane do. It counts each of them by its manifest,
whose hash stands for all files under it; who uses the inner one opens and so verifies it. Large
files are thus hashed once, and only those that are used are hashed again.
"""

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from regatta import __version__
from regatta.errors import ArtifactError

__all__ = [
    "MANIFEST",
    "SCHEMA_VERSION",
    "Artifact",
    "folder_bytes",
    "open_artifact",
    "read_json",
    "write_json",
    "writing",
]

MANIFEST = "artifact.json"
SCHEMA_VERSION = 2


@dataclass(frozen=True)
class Artifact:
    """A verified artifact on disk.

    Attributes
    ----------
    path : Path
        Its folder.
    kind : str
        What it is: ``dataset``, ``schema``, ``splits``, ``plan``, ``trials``, ``trial``,
        ``bundle``, ``evaluation``, ``version``, ``drift``.
    metadata : dict
        Small values that the writer put into the manifest.
    """

    path: Path
    kind: str
    metadata: dict[str, Any]

    def file(self, name: str) -> Path:
        """Return the path of a file in the artifact.

        Raises
        ------
        ArtifactError
            The artifact has no such file.
        """
        path = self.path / name
        if not path.is_file():
            raise ArtifactError(
                f"{self.kind} artifact {str(self.path)!r} has no file {name!r}",
                fix="run the stage that writes it again",
            )
        return path


@contextlib.contextmanager
def writing(path: str | Path, kind: str, **metadata: Any) -> Iterator[Path]:
    """Fill an artifact folder that appears whole or not at all.

    Parameters
    ----------
    path : str or Path
        Where the artifact shall be. Its parent is made; an artifact that is there is replaced.
    kind : str
        Kind of the artifact.
    **metadata : JSON values
        Small values for the manifest.

    Yields
    ------
    folder : Path
        Temporary folder beside `path` to write the files into.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    folder.chmod(0o755)
    try:
        yield folder
        manifest = {
            "kind": kind,
            "schema_version": SCHEMA_VERSION,
            "regatta_version": __version__,
            "metadata": metadata,
            "files": {name: _entry(folder / name) for name in sorted(_names(folder))},
        }
        write_json(folder / MANIFEST, manifest)
        if path.exists():
            shutil.rmtree(path)
        os.rename(folder, path)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def open_artifact(
    path: str | Path, kind: str, *, verify: bool | Collection[str] = True
) -> Artifact:
    """Open an artifact after checking that it is what it says.

    Parameters
    ----------
    path : str or Path
        Its folder.
    kind : str
        The kind that is expected.
    verify : bool or collection of str, default True
        Whether to compare every file's SHA-256 with the manifest. Only a process that has just
        verified the same folder leaves it out. Names: compare these files only, and use no other.

    Returns
    -------
    Artifact
        The verified artifact.

    Raises
    ------
    ArtifactError
        The folder is missing, has no manifest, is of another kind or of a newer format, or a
        file is missing, added or changed.
    """
    path = Path(path)
    manifest_path = path / MANIFEST
    if not manifest_path.is_file():
        what = "has no artifact.json" if path.is_dir() else "does not exist"
        raise ArtifactError(
            f"{str(path)!r} {what}", expected=f"a {kind} artifact", fix="check the path"
        )
    try:
        manifest = read_json(manifest_path)
        found_kind, version = manifest["kind"], int(manifest["schema_version"])
        files, metadata = dict(manifest["files"]), dict(manifest["metadata"])
    except (ValueError, KeyError, TypeError) as err:
        raise ArtifactError(
            f"{str(manifest_path)!r} is damaged ({type(err).__name__})",
            expected=f"the manifest of a {kind} artifact",
            fix="make the artifact again or restore it from a backup",
        ) from err
    if found_kind != kind:
        raise ArtifactError(
            f"{str(path)!r} is a {found_kind} artifact",
            expected=f"a {kind} artifact",
            fix="pass the folder of the right stage",
        )
    if version > SCHEMA_VERSION:
        raise ArtifactError(
            f"{str(path)!r} has format {version} of Regatta {manifest.get('regatta_version')}",
            expected=f"format {SCHEMA_VERSION} or older",
            fix="update Regatta",
        )
    if verify is True:
        _verify(path, files)
    elif verify:
        _verify_some(path, files, verify)
    return Artifact(path, kind, metadata)


def _names(folder: Path) -> set[str]:
    """Name the files of an artifact; of an artifact inside it only the manifest."""
    names: set[str] = set()
    for place, folders, files in os.walk(folder):
        inner = Path(place) != folder and MANIFEST in files
        if inner:
            folders.clear()
            files = [MANIFEST]
        names.update((Path(place) / file).relative_to(folder).as_posix() for file in files)
    return names - {MANIFEST}


def _verify(path: Path, files: dict[str, Any]) -> None:
    """Compare the folder with the manifest, file by file."""
    for name in sorted(_names(path).symmetric_difference(files)):
        what = "is missing" if name in files else "is not in the manifest"
        raise ArtifactError(
            f"file {name!r} of {str(path)!r} {what}",
            expected="exactly the files that were written",
            fix="make the artifact again or restore it from a backup",
        )
    _verify_some(path, files, files)


def _verify_some(path: Path, files: dict[str, Any], names: Collection[str]) -> None:
    """Compare files of the folder with the manifest."""
    for name in names:
        if name not in files or not (path / name).is_file():
            raise ArtifactError(
                f"{str(path)!r} has no file {name!r}",
                expected="exactly the files that were written",
                fix="make the artifact again or restore it from a backup",
            )
        if _entry(path / name) != files[name]:
            raise ArtifactError(
                f"file {name!r} of {str(path)!r} was changed after it was written",
                expected=f"SHA-256 {files[name].get('sha256')}",
                fix="make the artifact again or restore it from a backup",
            )


def _entry(file: Path) -> dict[str, Any]:
    """Return size and hash of one file."""
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return {"bytes": file.stat().st_size, "sha256": digest}


def folder_bytes(folder: str | Path) -> int:
    """Return the size of all files in a folder and below it."""
    return sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file())


def write_json(path: Path, value: Any) -> None:
    """Write a value as readable JSON; NaN and infinities are refused."""
    path.write_text(json.dumps(value, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """Read a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))
