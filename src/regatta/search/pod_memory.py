"""How much memory the pod of a task asks for: a class chosen by what was measured of the table."""

import re
from collections.abc import Iterable

from regatta.artifacts.records import Recipe
from regatta.errors import SettingsError
from regatta.learners.base import Shape
from regatta.search.machine import POD_SLOTS
from regatta.search.toolbox import Toolbox

__all__ = [
    "AUTO",
    "CLASSES",
    "GIB",
    "bytes_of",
    "chosen",
    "racing_bytes",
    "reading_bytes",
    "size_class",
]

AUTO = "auto"
GIB = 2**30
CLASSES = ("2Gi", "4Gi", "8Gi", "16Gi", "32Gi", "64Gi")
"""Smallest first. What is larger than the last asks for the last."""

UNITS = {"": 1, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "k": 1e3, "M": 1e6, "G": 1e9}

# Seen on tables of 20 columns: Python with all libraries; what a task holds of a table at once, as
# a multiple of its text; and how much smaller than that text the file may be.
LIBRARIES_BYTES = 0.6 * GIB
TABLE_FACTOR = 3.0
COMPRESSED = {b"\x1f\x8b": 5.0, b"PAR1": 5.0}
# Bytes of a cell as a trial sees it: the raw column, and the encoded one, training and validated.
CELL_BYTES = 40


def size_class(needed: float) -> str:
    """Return the smallest class that holds a number of bytes.

    Examples
    --------
    >>> size_class(1e9), size_class(2.5e9), size_class(1e15)
    ('2Gi', '4Gi', '64Gi')
    """
    return next((name for name in CLASSES if needed <= bytes_of(name)), CLASSES[-1])


def chosen(memory: str, needed: float) -> str:
    """Return what the user asked for, or the class of a need.

    Parameters
    ----------
    memory : str
        A quantity of Kubernetes, or ``auto`` (also empty, as a cleared box of a form sends).
    needed : float
        The need in bytes.

    Raises
    ------
    SettingsError
        `memory` is no quantity.
    """
    if memory in (AUTO, ""):
        return size_class(needed)
    bytes_of(memory)
    return memory.strip()


def bytes_of(quantity: str) -> float:
    """Return a quantity of Kubernetes in bytes.

    Raises
    ------
    SettingsError
        The text is none.

    Examples
    --------
    >>> bytes_of("512Mi"), bytes_of("2G")
    (536870912.0, 2000000000.0)
    """
    match = re.fullmatch(r"([0-9]{1,15}(?:\.[0-9]{1,9})?)(Ki|Mi|Gi|Ti|k|M|G)?", quantity.strip())
    if not match or float(match.group(1)) <= 0:
        raise SettingsError(
            f"{quantity!r} is no quantity of memory",
            expected="auto, or a number with a unit, such as 512Mi or 2Gi",
            fix="correct pods_memory",
        )
    return float(match.group(1)) * UNITS[match.group(2) or ""]


def reading_bytes(file_bytes: int, head: bytes = b"") -> float:
    """Estimate the peak memory of reading a table and preparing it, in bytes.

    Parameters
    ----------
    file_bytes : int
        Size of the file.
    head : bytes, default b""
        How it begins, which says whether it is compressed.
    """
    inflated = max((f for magic, f in COMPRESSED.items() if head.startswith(magic)), default=1.0)
    return LIBRARIES_BYTES + TABLE_FACTOR * inflated * file_bytes


def racing_bytes(
    n_rows: int,
    n_columns: int,
    shape: Shape | None = None,
    recipes: Iterable[Recipe] = (),
    toolbox: Toolbox | None = None,
    slots: int = 0,
) -> float:
    """Estimate the peak memory of a lane with its trials, in bytes.

    Parameters
    ----------
    n_rows, n_columns : int
        Training rows, and columns before they are encoded.
    shape : Shape, optional
        Size of one fold, for the learners' own estimates.
    recipes : iterable of Recipe
        What is raced. The costliest tenth is left out: such a trial is refused by itself.
    toolbox : Toolbox, optional
        Where learners come from.
    slots : int, default 0
        Trials side by side; 0: as many as a pod has by itself.
    """
    tools, largest = toolbox or Toolbox(), 0
    if shape:
        needs = sorted(_fitting_bytes(recipe, shape, tools) for recipe in recipes)
        largest = needs[int(0.9 * (len(needs) - 1))] if needs else 0
    return LIBRARIES_BYTES + CELL_BYTES * n_rows * n_columns + (slots or POD_SLOTS) * largest


def _fitting_bytes(recipe: Recipe, shape: Shape, tools: Toolbox) -> int:
    """Return what the learner of a recipe expects to need."""
    learner = tools.learner(recipe.learner)
    return learner.memory_bytes(shape, {**learner.defaults(shape), **recipe.params})
