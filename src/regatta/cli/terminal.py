"""The terminal that tables are drawn on."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["console"]

# In less, a table has columns of single letters; a terminal that breaks lines is easier to read.
NARROWEST = 72


def console() -> "Console":
    """Return a console that is never narrower than a table needs."""
    from rich.console import Console

    found = Console()
    if found.width < NARROWEST:
        found = Console(width=NARROWEST)
    return found
