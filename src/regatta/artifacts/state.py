"""What was fitted, as named JSON values and arrays: no pickle, checked when it is read."""

import json
import zipfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from regatta.errors import ArtifactError

__all__ = ["State"]

_UNREADABLE = (
    OSError,
    ValueError,
    TypeError,
    EOFError,
    KeyError,
    AttributeError,
    zipfile.BadZipFile,
)


class State:
    """Named JSON values and arrays, checked when they are read.

    Parameters
    ----------
    values : mapping of str to JSON value or ndarray
        What shall be kept.
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.values = dict(values)

    def save(self, folder: Path, stem: str) -> None:
        """Write ``<stem>.json`` and ``<stem>.npz`` into an existing folder."""
        arrays = {key: item for key, item in self.values.items() if isinstance(item, np.ndarray)}
        plain = {key: item for key, item in self.values.items() if key not in arrays}
        text = json.dumps(plain, allow_nan=False, ensure_ascii=False)
        (folder / f"{stem}.json").write_text(text + "\n", encoding="utf-8")
        np.savez(folder / f"{stem}.npz", **arrays)  # type: ignore[arg-type]

    @classmethod
    def load(cls, folder: Path, stem: str) -> "State":
        """Read what `save` wrote.

        Raises
        ------
        ArtifactError
            A file is missing or damaged.
        """
        try:
            plain = json.loads((folder / f"{stem}.json").read_text(encoding="utf-8"))
            # np.load leaves a file open that it was given by name and cannot read.
            with (folder / f"{stem}.npz").open("rb") as file:
                stored = np.load(file, allow_pickle=False)
                arrays = {key: stored[key] for key in stored.files}
            return cls({**plain, **arrays})
        except _UNREADABLE as err:
            raise _damaged(f"{folder.name!r} cannot be read ({type(err).__name__})") from err

    def array(
        self, name: str, dtype: Any, shape: tuple[int | None, ...], *, finite: bool = True
    ) -> npt.NDArray[Any]:
        """Return an array after checking its type, shape (None fits any length) and values."""
        value = self.values.get(name)
        if not isinstance(value, np.ndarray) or value.dtype != np.dtype(dtype):
            raise _damaged(f"{name!r} is not an array of {np.dtype(dtype)}")
        fits = value.ndim == len(shape) and all(
            wanted in (None, length) for wanted, length in zip(shape, value.shape, strict=True)
        )
        if not fits:
            raise _damaged(f"{name!r} has shape {value.shape}, not {shape}")
        if finite and value.dtype.kind == "f" and not np.isfinite(value).all():
            raise _damaged(f"{name!r} holds values that are not finite")
        return value

    def check(self, name: str, fits: bool) -> None:
        """Raise `ArtifactError` for a value that does not fit the others."""
        if not fits:
            raise _damaged(f"{name!r} does not fit the other values")

    def number(self, name: str) -> int:
        """Return a whole number, not negative."""
        value = self.values.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise _damaged(f"{name!r} is {value!r}, not a number")
        return value

    def word(self, name: str, known: Collection[str]) -> str:
        """Return a text that is one of those known."""
        value = self.values.get(name)
        if not isinstance(value, str) or value not in known:
            raise _damaged(f"{name!r} is {value!r}, not one of {', '.join(known)}")
        return value

    def names(self, name: str) -> list[str]:
        """Return a list of texts."""
        value = self.values.get(name)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise _damaged(f"{name!r} is not a list of texts")
        return value

    def lists(self, name: str) -> list[list[str]]:
        """Return a list of lists of texts."""
        value = self.values.get(name)
        if not isinstance(value, list):
            raise _damaged(f"{name!r} is not a list")
        return [State({"": item}).names("") for item in value]


def _damaged(found: str) -> ArtifactError:
    return ArtifactError(
        f"fitted state: {found}",
        expected="what was written after the fit",
        fix="make the artifact again or restore it from a backup",
    )
