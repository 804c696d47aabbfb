"""What a column means to a learner, and whether it is one to learn from."""

import re
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import compute as pc

from regatta.dataset.measures import Measures
from regatta.dataset.moments import looks_like_date
from regatta.dataset.names import listed, na_option, option
from regatta.dataset.schema import Kind
from regatta.dataset.typing import is_padded
from regatta.dataset.written import (
    Speller,
    date_speller,
    date_spellings,
    number_speller,
    two_spellings,
    written,
)
from regatta.errors import DataError, SchemaError, TargetError
from regatta.settings import DataSettings

__all__ = ["check_mixed", "is_id", "is_id_name", "kind_of"]

# Uniqueness says little about a handful of rows.
ID_ROWS = 20
TEXT_SHARE = 0.5
TEXT_VALUES = 200
MIXED_SHARE = 0.95
STRAY_ROWS, STRAY_SHARE = 20, 0.001
MAJORITY = 0.5
EXAMPLES = 3
MIXED_VALUES = 20
MIXED_SAMPLE = 2_000
WRITTEN_SAMPLE = 500
# Rows from which the spellings of dates are taken.
DATE_ROWS = 100

_ID_NAME = re.compile(
    r"(^|[^a-zA-Z])(id|ids|uid|pid|key|uuid|guid|index|idx|row|rowid|rownames?|record)$"
    r"|^(row|record|serial|sequence)[ _.-]?(id|no|nr|num|number|index)$"
    r"|^unnamed: ?\d+$|^__index_level_\d+__$|^column_1$",
    re.IGNORECASE,
)
# What counts without a gap may count time, and what comes later may differ.
_TIME_NAME = re.compile(
    r"(^|[^a-zA-Z])(t|time|timestamp|year|yr|quarter|month|week|day|date|hour|period|season|decade)s?$",
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
    that are all different and count without a gap, in any order, under another name than ``year``
    or the like; or whole numbers that are all different under a name such as ``id``,
    ``customerId`` or ``Unnamed: 0``. Amounts, areas or times that happen to be all different stay,
    and so does free text. Texts that `check_mixed` tells of, such as ``$520.70``, are no keys
    either: it is asked first.

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
        return not _TIME_NAME.search(name)
    return is_id_name(name)


def is_id_name(name: str) -> bool:
    """Return whether a column is called like a key.

    Examples
    --------
    >>> is_id_name("customerId"), is_id_name("time")
    (True, False)
    """
    return bool(_ID_NAME.search(name) or _ID_CAMEL.search(name))


def check_mixed(
    name: str,
    column: pa.ChunkedArray,
    measures: Measures,
    settings: DataSettings,
    *,
    decimal_comma: bool = False,
    target: bool = False,
) -> str:
    """Refuse a column of numbers, or of dates, with a few texts in it; warn where they are many.

    It also warns of numbers, or dates, that are spelt in two ways, and of numbers with a currency,
    a unit or thousands separators. Codes with leading zeros are none of these.

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
    decimal_comma : bool, default False
        Whether ``3,14`` is a number.
    target : bool, default False
        Whether it is the target: then many texts are refused as well, since thousands of
        different numbers are no classes.

    Returns
    -------
    str
        What to tell the user where the column is taken for categories (or text) although most
        of its values are numbers or dates; else ``""``.

    Raises
    ------
    SchemaError or TargetError
        At least 95 % of the values are numbers (or dates) and the others, 20 or one in a thousand
        at most, are not; of a target, half of them are, or more of its values than there may be
        classes are numbers in any spelling.
    """
    present = pc.drop_null(column)
    is_number = number_speller(decimal_comma=decimal_comma)
    tests = [("numbers", is_number), *_dates(present, measures)]
    for place, (what, spell) in enumerate(tests, start=1):
        if not _mostly(present, measures, spell):
            continue
        fits = _fits(present, spell)
        share = float(fits.mean())
        if share == 1.0 and (ways := _two_ways(present, measures, spell)):
            return _spelt_in_two_ways(name, ways, what, target=target)
        if share == 1.0 or share < MAJORITY:
            continue
        odd = present.filter(pa.array(~fits))
        # Some strays are a mistake in the file; hundreds, such as foreign postal codes, are none.
        few = share >= MIXED_SHARE and (len(odd) <= STRAY_ROWS or 1 - share < STRAY_SHARE)
        if few and what == "numbers" and _are_categories(odd, measures):
            texts = _frequent(odd)
            return (
                f"{name!r} holds mostly numbers, and {listed(map(_cut, texts))}; it is taken for"
                f" categories: if that means missing, use {na_option(settings, *texts)}"
            )
        # Many others may be dates in another spelling: that is asked next.
        if not few and what == "dates" and place < len(tests):
            continue
        # Codes such as '1', '2' and 'A1' are few; numbers that were measured are many.
        if not few and len(pc.unique(present.filter(pa.array(fits)))) <= MIXED_VALUES:
            continue
        if few or target:
            raise _mixed_error(name, column, odd, what, settings, target=target)
        return _mixed_warning(name, odd, what, share, settings)
    return _written_warning(name, present, measures, is_number, settings, target=target)


def _dates(present: pa.ChunkedArray, measures: Measures) -> Iterator[tuple[str, Speller]]:
    """Yield tests for dates: spelt as the first one that looks like one; in all ways found."""
    if measures.unique == len(measures.values) and not any(map(looks_like_date, measures.values)):
        return
    spellings = date_spellings(present.slice(0, DATE_ROWS).to_pylist())
    for some in (spellings[:1], spellings)[: len(spellings)]:
        yield "dates", date_speller(some)


def _two_ways(
    present: pa.ChunkedArray, measures: Measures, spell: Speller
) -> tuple[str, str] | None:
    """Return two texts that are spelt differently; none of codes, or of few different values."""
    if measures.unique <= MIXED_VALUES or is_padded(present):
        return None
    return two_spellings(pc.unique(present).to_pylist(), spell)


def _spelt_in_two_ways(name: str, ways: tuple[str, str], what: str, *, target: bool) -> str:
    """Return what to tell of numbers, or dates, that are not all spelt alike; refuse a target."""
    found = f"{what} that are not all spelt alike, such as {ways[0]!r} and {ways[1]!r}"
    as_classes = option("data.kinds", {name: "categorical"})
    if target:
        raise TargetError(
            f"target {name!r} holds {found}",
            expected=f"{what} in one spelling",
            fix=f"spell them alike; or, if these are classes, run with {as_classes}",
        )
    return f"{name!r} holds {found}" + _taken(name, what, "spell them alike")


def _written_warning(
    name: str,
    present: pa.ChunkedArray,
    measures: Measures,
    is_number: Speller,
    settings: DataSettings,
    *,
    target: bool,
) -> str:
    """Return what to tell of numbers with units and the like; refuse a target of many."""
    if measures.unique < MIXED_VALUES:
        return ""
    step = -(-len(present) // WRITTEN_SAMPLE)
    sample = present.take(pa.array(np.arange(0, len(present), step))).to_pylist()
    texts = [text for text in sample if not is_number(text)]
    found = written(texts, len(sample) - len(texts))
    if found is None or found.different < MIXED_VALUES:
        return ""
    examples = listed(map(_cut, found.examples))
    if target and measures.unique > settings.max_classes:
        raise TargetError(
            f"target {name!r} holds {found.what} that are written as texts, such as {examples}",
            expected=f"plain numbers, or at most {settings.max_classes} classes (data.max_classes)",
            fix=found.advice,
        )
    kind = "free text" if kind_of(measures) == "text" else "categories"
    said = f"{name!r} holds mostly {found.what} that are written as texts, such as {examples}"
    return said + _taken(name, found.what, found.advice, kind)


def _taken(name: str, what: str, advice: str, kind: str = "categories") -> str:
    """Return how a column of numbers or dates is taken, what that costs, and what to do."""
    return (
        f": it is taken for {kind}, which hides the order of the {what}; {advice}; or, if these are"
        f" categories, say so: {option('data.kinds', {name: 'categorical'})}"
    )


def _mixed_error(
    name: str,
    column: pa.ChunkedArray,
    odd: pa.ChunkedArray,
    what: str,
    settings: DataSettings,
    *,
    target: bool,
) -> DataError:
    """Return the error that names the first text and its row."""
    value = odd[0].as_py()
    missing = list(dict.fromkeys((value, *_frequent(odd))))[:EXAMPLES]
    row = pc.index(column, pa.scalar(value, pa.string())).as_py() + 1
    others = f" and {len(odd) - 1:,} more" if len(odd) > 1 else ""
    as_classes = option("data.kinds", {name: "categorical"})
    return (TargetError if target else SchemaError)(
        f"{'target' if target else 'column'} {name!r} holds {_cut(value)!r} in row {row:,}{others}"
        f" among {what}",
        expected=f"{what} in every row",
        fix="correct the value; or, if it means missing, run with "
        f"{na_option(settings, *missing)};"
        f" or, if these are {'classes' if target else 'categories'}, with {as_classes}",
    )


def _mixed_warning(
    name: str, odd: pa.ChunkedArray, what: str, share: float, settings: DataSettings
) -> str:
    texts = _frequent(odd)
    said = (
        f"{share:.1%} of the values of {name!r} are {what}, the others are texts such as"
        f" {listed(map(_cut, texts))}"
    )
    advice = (
        "correct the texts; or, if they mean missing, add them to data.na_values:"
        f" {na_option(settings, *texts)}"
    )
    return said + _taken(name, what, advice)


def _frequent(odd: pa.ChunkedArray) -> list[str]:
    """Return the most frequent texts, those that come first in the table first among equals."""
    tally = pc.value_counts(odd)
    counts = tally.field("counts").to_numpy(zero_copy_only=False)
    ranked = np.argsort(-counts, kind="stable")[:EXAMPLES]
    texts: list[str] = tally.field("values").take(pa.array(ranked)).to_pylist()
    return texts


def _cut(text: str) -> str:
    return text if len(text) <= 40 else text[:39] + "…"


def _mostly(present: pa.ChunkedArray, measures: Measures, spell: Speller) -> bool:
    """Return whether most values can be read so, by a sample where many are different."""
    if not len(present):
        return False
    if measures.unique == len(measures.values):
        counts = zip(measures.values, measures.counts, strict=True)
        return sum(n for text, n in counts if spell(text)) >= MAJORITY * len(present)
    step = -(-len(present) // MIXED_SAMPLE)
    sample = present.take(pa.array(np.arange(0, len(present), step))).to_pylist()
    # A sample may be off by some percent; the check of all values is slow, and exact.
    return sum(bool(spell(text)) for text in sample) >= (MAJORITY - 0.05) * len(sample)


def _fits(present: pa.ChunkedArray, spell: Speller) -> npt.NDArray[np.bool_]:
    """Return for each value whether it can be read."""
    coded = present.combine_chunks().dictionary_encode()
    table = np.array([bool(spell(text)) for text in coded.dictionary.to_pylist()], dtype=bool)
    fits: npt.NDArray[np.bool_] = table[coded.indices.to_numpy()]
    return fits


def _are_categories(odd: pa.ChunkedArray, measures: Measures) -> bool:
    """Return whether few different values, each of the texts often, look like categories."""
    if measures.unique > MIXED_VALUES:
        return False
    rarest = pc.min(pc.value_counts(odd).field("counts")).as_py()
    return bool(rarest >= max(3, 0.005 * measures.present))
