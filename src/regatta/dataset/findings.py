"""What was noticed in a table and did not stop the run."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

__all__ = ["Finding"]


@dataclass(frozen=True)
class Finding:
    """One remark on a table, for the log and the report.

    Attributes
    ----------
    level : {"info", "warning"}
        ``warning`` where the user should look; ``info`` where a choice was made that is usually
        right.
    column : str
        Name of the column, or ``""`` for the whole table.
    code : str
        Short name of the remark, such as ``constant`` or ``leak``.
    message : str
        One sentence for people.
    """

    level: Literal["info", "warning"]
    column: str
    code: str
    message: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)
