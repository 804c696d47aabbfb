"""Whether the comma or the point in the numbers of a column may separate thousands."""

import pyarrow as pa
from pyarrow import compute as pc

__all__ = ["Separators"]

FEW_ROWS = 1_000

_THOUSANDS = r"^\s*[+-]?[1-9]\d{0,2}([.,]\d{3})+\s*$"


class Separators:
    """The commas and points in the numbers of a column, while its chunks pass by.

    ``1,362`` is 1362 to some and 1.362 to others. A single ``1,5`` or ``0,125`` in the column
    tells that commas are decimal ones.

    Attributes
    ----------
    longest : str
        The first of the longest texts with a separator so far; ``""`` where there is none.

    Examples
    --------
    >>> numbers = Separators()
    >>> numbers.take(pa.chunked_array([["944", "1,362"]]))
    >>> numbers.thousands
    '1,362'
    >>> numbers.take(pa.chunked_array([["0,5"]]))
    >>> numbers.thousands
    ''
    """

    def __init__(self) -> None:
        self._first = ""
        self._decimal = False
        self.longest = ""

    @property
    def thousands(self) -> str:
        """The first text with a separator, where all of them may be thousands; else ``""``."""
        return "" if self._decimal else self._first

    def take(self, texts: pa.ChunkedArray) -> None:
        """Take note of texts that are numbers or missing.

        Parameters
        ----------
        texts : ChunkedArray of string
            The next rows of the column; null where missing.
        """
        # Most columns tell in their first rows, and expressions are slow.
        for some in (texts.slice(0, FEW_ROWS), texts.slice(FEW_ROWS)):
            if not self._decimal:
                self._look(some)

    def _look(self, texts: pa.ChunkedArray) -> None:
        parted = pc.filter(texts, pc.match_substring_regex(texts, "[.,]"))
        if not len(parted):
            return
        self._decimal = not pc.all(pc.match_substring_regex(parted, _THOUSANDS)).as_py()
        self._first = self._first or parted[0].as_py().strip()
        lengths = pc.utf8_length(parted)
        longest = parted[pc.index(lengths, pc.max(lengths)).as_py()].as_py().strip()
        self.longest = max(self.longest, longest, key=len)
