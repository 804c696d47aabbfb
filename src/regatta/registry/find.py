"""What the command line calls MODEL: a bundle folder, a run folder or a registered name."""

from dataclasses import dataclass
from pathlib import Path

from regatta.errors import ArtifactError, RegattaError
from regatta.registry.registry import Registry
from regatta.store import Location

__all__ = ["Found", "find"]


@dataclass(frozen=True)
class Found:
    """A bundle that was found.

    Attributes
    ----------
    bundle : Path
        Its folder.
    version : str
        Number of the registered version; empty for a folder.
    name : str
        Name of the registered model; empty for a folder.
    """

    bundle: Path
    version: str = ""
    name: str = ""


def find(model: str, root: str | Path | Location) -> Found:
    """Find the bundle that a text names.

    Parameters
    ----------
    model : str
        Folder of a bundle, folder of a run or of a version (which has ``bundle`` in it), or
        ``name``, ``name@3``, ``name@champion`` in the registry. A folder goes first.
    root : str, Path or Location
        Folder of the registry.

    Raises
    ------
    ArtifactError
        It is neither.
    """
    folder = Path(model).expanduser()
    for candidate in (folder, folder / "bundle"):
        if (candidate / "bundle.json").is_file():
            return Found(candidate)
    is_path = "/" in model or model in (".", "..") or model.startswith("~")
    if is_path:
        what = "holds no bundle" if folder.is_dir() else "does not exist"
        raise ArtifactError(
            f"folder {model!r} {what}",
            expected="a bundle, or a run folder with `bundle` in it",
            fix="check the path, or name a registered model (`regatta models list`)",
        )
    try:
        version = Registry(root).resolve(model)
    except RegattaError as err:
        err.add_note(f"{model!r} is no folder with a bundle either")
        raise
    return Found(version.bundle, str(version.number), version.name)
