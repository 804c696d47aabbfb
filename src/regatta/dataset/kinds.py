"""What a column means to a learner, and whether it is one to learn from."""

import re
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import compute as pc

from regatta.dataset.measures import Measures
from regatta.dataset.moments import FORMATS, ISO_FORMATS, looks_like_date, parse_column, parse_one
from regatta.dataset.names import na_option, option
from regatta.dataset.schema import Kind
from regatta.errors import DataError, SchemaError
from regatta.settings import DataSettings

__all__ = ["check_mixed", "is_id", "kind_of"]

# Uniqueness says little about a handful of rows.
ID_ROWS = 20
TEXT_SHARE = 0.5
TEXT_VALUES = 200
MIXED_SHARE = 0.95
MIXED_VALUES = 20
MIXED_SAMPLE = 2_000

_ID_NAME = re.compile(
    r"(^|[^a-zA-Z])(id|ids|uid|pid|key|uuid|guid|index|idx|row|rowid|rownames?|record)$"
    r"|^(row|record|serial|sequence)[ _.-]?(id|no|nr|num|number|index)$"
    r"|^unnamed: ?\d+$|^__index_level_\d+__$|^column_1$",
    re.IGNORECASE,
)
_ID_CAMEL = re.compile(r"[a-z0-9](Id|ID|Key|Uuid|Guid|UUID|GUID)$")


def kind_of(measures: Measures) -> Kind:
    """Return the kind of a column.

    Numbers are numeric, however few different ones there are: a tree can split them like
    categories, and their order is kept. Texts are free text where they are mostly different and
    have more than one word, or where they are many and long; else they are categories.

    Parameters
    ----------
    measures : Measures
        Measures of the column.

    Examples
    --------
    >>> kind_of(Measures("string", 500, 0, 480, words=6.5, letters=40))
    'text'
    >>> kind_of(Measures("string", 500, 0, 12, words=2.1, letters=14))
    'categorical'
    """
    if measures.dtype != "string":
        kinds: dict[str, Kind] = {"bool": "boolean", "timestamp": "datetime"}
        return kinds.get(measures.dtype, "numeric")
    share = measures.unique / max(measures.present, 1)
    mostly_different = measures.words >= 1.5 and share > TEXT_SHARE
    many_and_long = measures.words >= 3 and measures.unique > TEXT_VALUES
    # Chinese, Japanese or Thai have no blanks between words.
    no_blanks = _is_script(measures) and measures.letters >= 8 and share > TEXT_SHARE
    return "text" if mostly_different or many_and_long or no_blanks else "categorical"


def _is_script(measures: Measures) -> bool:
    """Return whether most of the frequent texts are of letters beyond the European ones."""
    some = "".join(measures.values[:50])
    return sum(ord(letter) > 0x0E00 for letter in some) > len(some) / 2


def is_id(name: str, column: pa.ChunkedArray, measures: Measures) -> bool:
    """Return whether a column tells rows apart and says nothing else of them.

    That is: texts of one word each that are all different (keys, addresses, UUIDs); whole numbers
    that are all different and count without a gap, in any order; or whole numbers that are all
    different under a name such as ``id``, ``customerId`` or ``Unnamed: 0``. Amounts, areas or
    times that happen to be all different stay, and so does free text.

    Parameters
    ----------
    name : str
        Name of the column.
    column : ChunkedArray
        Its values.
    measures : Measures
        Its measures.
    """
    if measures.unique < measures.present or measures.present < ID_ROWS:
        return False
    if measures.dtype == "string":
        return measures.words <= 1.2 and kind_of(measures) != "text"
    if measures.dtype != "int64" or measures.minimum is None or measures.maximum is None:
        return False
    ends = pc.min_max(column).as_py()
    if ends["max"] - ends["min"] + 1 == measures.present and not measures.missing:
        return True
    return bool(_ID_NAME.search(name) or _ID_CAMEL.search(name))


def check_mixed(
    name: str,
    column: pa.ChunkedArray,
    measures: Measures,
    settings: DataSettings,
    error: type[DataError] = SchemaError,
) -> str:
    """Refuse a column of numbers, or of dates, with a few texts in it.

    Parameters
    ----------
    name : str
        Name of the column.
    column : ChunkedArray of string
        Its values.
    measures : Measures
        Its measures.
    settings : DataSettings
        Texts that mean a missing value so far.
    error : type, default SchemaError
        What to raise.

    Returns
    -------
    str
        What most values are although the column is taken for categories: ``"numbers"`` where the
        texts are as common as the numbers (``0, 1, 2, 3+``), else ``""``.

    Raises
    ------
    DataError
        At least 95 % of the values are numbers (or dates) and the others are not.
    """
    present = pc.drop_null(column)
    for what, reads in (("numbers", _is_number), ("dates", _date_test(present))):
        if reads is None or not _mostly(present, reads):
            continue
        fits = _fits(present, reads)
        share = float(fits.mean())
        if share == 1.0 or share < MIXED_SHARE:
            continue
        odd = present.filter(pa.array(~fits))
        if what == "numbers" and _are_categories(odd, measures):
            return "numbers"
        value = odd[0].as_py()
        row = pc.index(column, pa.scalar(value, pa.string())).as_py() + 1
        others = f" and {len(odd) - 1:,} more" if len(odd) > 1 else ""
        shown = value if len(value) <= 40 else value[:39] + "…"
        raise error(
            f"column {name!r} holds {shown!r} in row {row:,}{others} among {what}",
            expected=f"{what} in every row",
            fix="correct the value; or, if it means missing, run with "
            f"{na_option(settings, value)};"
            f" or, if these are categories, with {option('data.kinds', {name: 'categorical'})}",
        )
    return ""


def _mostly(present: pa.ChunkedArray, reads: Callable[[str], bool]) -> bool:
    """Return whether a sample says that most values can be read so; the check of all is slow."""
    if not len(present):
        return False
    step = -(-len(present) // MIXED_SAMPLE)
    sample = present.take(pa.array(np.arange(0, len(present), step))).to_pylist()
    return sum(map(reads, sample)) >= 0.9 * len(sample)


def _fits(present: pa.ChunkedArray, reads: Callable[[str], bool]) -> npt.NDArray[np.bool_]:
    """Return for each value whether it can be read."""
    coded = present.combine_chunks().dictionary_encode()
    table = np.array([reads(text) for text in coded.dictionary.to_pylist()], dtype=bool)
    fits: npt.NDArray[np.bool_] = table[coded.indices.to_numpy()]
    return fits


def _are_categories(odd: pa.ChunkedArray, measures: Measures) -> bool:
    """Return whether few different values, each of the texts often, look like categories."""
    if measures.unique > MIXED_VALUES:
        return False
    rarest = pc.min(pc.value_counts(odd).field("counts")).as_py()
    return bool(rarest >= max(3, 0.005 * measures.present))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return "_" not in text


def _date_test(present: pa.ChunkedArray) -> Callable[[str], bool] | None:
    """Return a test for dates spelt as the first one that looks like one."""
    first = next((t for t in present.slice(0, 100).to_pylist() if looks_like_date(t)), None)
    if first is None:
        return None
    one = pa.chunked_array([[first]], pa.string())
    spelling = next((f for f in FORMATS if parse_column(one, f) is not None), None)
    if spelling is None:
        return None

    def reads(text: str) -> bool:
        try:
            parse_one(text, "" if spelling in ISO_FORMATS else spelling)
        except ValueError:
            return False
        return True

    return reads
