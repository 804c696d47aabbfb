"""Tables: how they are read, what their columns are, and what may be learnt from them.

``None`` as a text is special: many programs write it for a missing value, and some tables have it
as a category (``holiday: None``). In a column of texts it is a value where it makes up at least
one row in a hundred, and missing where it is rarer; in a column of numbers, dates or booleans it
is always missing. Take it out of ``data.na_values`` to keep it always.
"""

from typing import TYPE_CHECKING, Any

from regatta.dataset.schema import Column, Schema

if TYPE_CHECKING:
    from regatta.dataset.conforming import conform
    from regatta.dataset.frame import load_column, load_frame, read_frame
    from regatta.dataset.reading import Reading, read_table, write_table

__all__ = [
    "Column",
    "Reading",
    "Schema",
    "conform",
    "load_column",
    "load_frame",
    "read_frame",
    "read_table",
    "write_table",
]

_HOMES = {
    "Reading": "reading",
    "conform": "conforming",
    "load_column": "frame",
    "load_frame": "frame",
    "read_frame": "frame",
    "read_table": "reading",
    "write_table": "reading",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for: a server conforms rows and never reads files."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
