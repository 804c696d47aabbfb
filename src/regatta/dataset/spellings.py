"""How a file writes the classes of its target.

Values are read with blanks cut off and truths as truths; a prediction, however, should be written
as the table's owner writes it: `` <=50K`` with its blank, ``True`` and not ``true``.
"""

from collections.abc import Iterable, Sequence

import pyarrow as pa
from pyarrow import compute as pc

__all__ = ["Spellings", "spelt"]

# A target of more different texts is no target of classes.
MOST = 20_000


class Spellings:
    """The different texts of one column, collected while its chunks pass by.

    Attributes
    ----------
    texts : set of str
        What was found; nothing where there is too much.
    """

    def __init__(self) -> None:
        self.texts: set[str] = set()
        self._enough = False

    def take(self, values: pa.ChunkedArray) -> None:
        """Take note of a chunk.

        Parameters
        ----------
        values : ChunkedArray
            The column as the file holds it: texts, or truths of a Parquet file. Other values are
            not looked at.
        """
        if self._enough:
            return
        if pa.types.is_boolean(values.type):
            # What pandas, which writes most of these files, shows.
            self.texts |= {"True", "False"}
        elif pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
            self.texts.update(text for text in pc.unique(values).to_pylist() if text)
        if len(self.texts) > MOST:
            self.texts, self._enough = set(), True


def spelt(labels: Sequence[str], texts: Iterable[str]) -> tuple[str, ...]:
    """Return class labels as the file writes them.

    Parameters
    ----------
    labels : sequence of str
        Class labels as they were read.
    texts : iterable of str
        Different texts of the column.

    Returns
    -------
    tuple of str
        The one text of a label; the label itself where the file writes it in several ways, or
        where nothing is known.

    Examples
    --------
    >>> spelt(["<=50K", ">50K"], [" <=50K", " >50K", ">50K"])
    (' <=50K', '>50K')
    >>> spelt(["false", "true"], ["True", "False"]), spelt(["1", "2"], ["1.0", "2.0", "?"])
    (('False', 'True'), ('1.0', '2.0'))
    """
    ways: dict[str, list[str]] = {}
    for text in texts:
        for key in {text.strip(), text.strip().lower(), _whole(text)}:
            ways.setdefault(key, []).append(text)
    return tuple(_only(label, ways.get(label, [])) for label in labels)


def _only(label: str, found: list[str]) -> str:
    """Return the one text of a label; different texts of other labels are not among them."""
    exact = [text for text in found if text.strip() == label]
    ways = exact or found
    return ways[0] if len(ways) == 1 else label


def _whole(text: str) -> str:
    """Return a whole number without its decimal point, anything else as it is."""
    try:
        number = float(text)
    except ValueError:
        return text.strip()
    return str(int(number)) if number.is_integer() else text.strip()
