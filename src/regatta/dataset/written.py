"""How people write numbers and dates: ``0,5``, ``$520.70``, ``43.701kg``, ``2.215.032``, ``19:03``.

What a reader of files does not take for a number or a date is only recognized here, so that the
user is told: ``1,234`` is a thousand in one country and about one in the next, and a column may
hold both ``19M`` and ``201k``.
"""

import datetime
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import pyarrow as pa

from regatta.dataset.moments import FORMATS, ISO_FORMATS, looks_like_date, parse_column, parse_one

__all__ = [
    "Speller",
    "Written",
    "date_speller",
    "date_spellings",
    "number_speller",
    "two_spellings",
    "written",
]

Speller = Callable[[str], str]
"""Returns how a number, or a date, is spelt; ``""`` where a text is none."""

WHOLE = "whole"

EXAMPLES = 3
# To try all formats takes a millisecond, and keys such as 123-45-6789 look like dates, too.
MOST_TRIED = 10
# Letters behind numbers are units where there are few different ones; else these are keys.
UNITS, UNITS_SHARE = 5, 0.95

_SIGN = r"[-+\u2212]?"
_CURRENCY = "$€£¥₹₽₩₺₫₱₪₦₴฿¢"
_CODES = "USD|EUR|GBP|CHF|JPY|CNY|INR|AUD|CAD|NZD|SEK|NOK|DKK|PLN|CZK|HUF|BRL|MXN|SGD|HKD|Rs"
_GROUPED = r"[1-9]\d{0,2}(?:(?P<separator>[.,'’ \u00a0\u202f])\d{3})(?:(?P=separator)\d{3})*"
_NUMBER = re.compile(
    rf"{_SIGN}(?P<open>\()?{_SIGN}(?P<prefix>[A-Z]{{0,2}}[{_CURRENCY}]|(?:{_CODES})\.?)?\s?{_SIGN}"
    rf"(?:{_GROUPED}(?:[.,]\d+)?|(?:0|[1-9]\d*)(?:[.,]\d+)?|[.,]\d+)(?:[eE][-+]?\d+)?"
    rf"\s?(?P<suffix>(?!xx)(?![A-JLN-Z]\b)(?:[%‰°/·{_CURRENCY}]|[^\W\d_]){{1,8}}\.?)?(?(open)\))"
)
_TIME = re.compile(r"\d{1,3}:[0-5]\d(?::[0-5]\d(?:[.,]\d+)?)?(?:\s?[AaPp]\.?[Mm]\.?)?")
_ADDRESS = re.compile(r"(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)")


@dataclass(frozen=True)
class Written:
    """What most of some texts are.

    Attributes
    ----------
    what : {"numbers", "times"}
        Whether they are numbers or times of day (or durations).
    examples : tuple of str
        The first different ones.
    different : int
        How many different ones there are.
    units : tuple of str
        Signs and letters before and behind the numbers, the most frequent first.
    """

    what: str
    examples: tuple[str, ...]
    different: int
    units: tuple[str, ...] = ()

    @property
    def advice(self) -> str:
        """What to do with them."""
        if self.what == "times":
            return "write each as a number, such as the seconds since midnight"
        units = " or ".join(map(repr, self.units))
        without = f"{units} and without thousands separators" if units else "thousands separators"
        return f"write each as a plain number in one unit, such as -1234.5, without {without}"


def number_speller(*, decimal_comma: bool = False) -> Speller:
    """Return a test for plain numbers that tells a decimal point from a decimal comma.

    Parameters
    ----------
    decimal_comma : bool, default False
        Whether ``3,14`` is a number.

    Examples
    --------
    >>> spell = number_speller(decimal_comma=True)
    >>> spell("3,14"), spell("3.14"), spell("3"), spell("3 kg")
    (',', '.', 'whole', '')
    """

    def spell(text: str) -> str:
        try:
            float(text.replace(",", ".", 1) if decimal_comma else text)
        except ValueError:
            return ""
        if "_" in text:
            return ""
        return next((sign for sign in ",." if sign in text), WHOLE)

    return spell


def date_spellings(texts: Iterable[str]) -> list[str]:
    """Return how some dates are spelt, in the order found: formats as `parse_one` takes them.

    Parameters
    ----------
    texts : iterable of str
        Dates or anything.

    Examples
    --------
    >>> date_spellings(["2024-05-01", "2024-05-02Z", "soon", "27.5.2024"])
    ['', '%d.%m.%Y']
    """
    found: list[str] = []
    tried = 0
    seen = [text for text in texts if looks_like_date(text)]
    for text in seen:
        if date_speller(found)(text):
            continue
        tried += 1
        if tried > MOST_TRIED:
            break
        one = pa.chunked_array([[text]], pa.string())
        spelling = next((f for f in FORMATS if parse_column(one, f) is not None), None)
        if spelling is not None:
            found.append("" if spelling in ISO_FORMATS else spelling)
    return _needed(list(dict.fromkeys(found)), seen)


def _needed(spellings: list[str], texts: Sequence[str]) -> list[str]:
    """Leave out what another spelling reads as well: '01/02/2020' says not which comes first."""
    # A date in ISO 8601 is read whatever the spelling.
    others = [text for text in texts if not _iso(text)]
    read = {
        spelling: {text for text in others if date_speller([spelling])(text)}
        for spelling in spellings
    }
    kept = list(spellings)
    for spelling in filter(None, spellings):
        if any(read[spelling] <= read[other] for other in kept if other != spelling):
            kept.remove(spelling)
    return kept


def date_speller(spellings: Sequence[str]) -> Speller:
    """Return a test for dates that tells apart how they are spelt.

    Parameters
    ----------
    spellings : sequence of str
        As `date_spellings` returns them; of none, nothing is a date.

    Examples
    --------
    >>> spell = date_speller(["", "%d.%m.%Y"])
    >>> spell("2024-05-01T12:00"), spell("2024-05-01T12:00Z"), spell("27.5.2024"), spell("soon")
    ('iso', 'iso-utc', '%d.%m.%Y', '')
    """

    def spell(text: str) -> str:
        for spelling in spellings:
            try:
                parse_one(text, spelling)
            except ValueError:
                continue
            return _iso(text) or spelling
        return ""

    return spell


def _iso(text: str) -> str:
    """Return whether a date in ISO 8601 has a zone; ``""`` of other dates."""
    try:
        zone = datetime.datetime.fromisoformat(text).tzinfo
    except ValueError:
        return ""
    return "iso" if zone is None else "iso-utc"


def two_spellings(texts: Iterable[str], spell: Speller) -> tuple[str, str] | None:
    """Return the first two texts that are spelt differently, if there are such.

    Examples
    --------
    >>> two_spellings(["7", "1,5", "2,5", "0.5"], number_speller(decimal_comma=True))
    ('1,5', '0.5')
    """
    first: dict[str, str] = {}
    for text in texts:
        spelling = spell(text)
        # A whole number is spelt alike with either decimal sign.
        if spelling not in ("", WHOLE):
            first.setdefault(spelling, text)
        if len(first) == 2:
            one, other = first.values()
            return one, other
    return None


def written(texts: Iterable[str], plain: int = 0) -> Written | None:
    """Return what at least half of some texts are: numbers or times that people write.

    Parameters
    ----------
    texts : iterable of str
        Texts that are no plain numbers, such as ``3.5``.
    plain : int, default 0
        How many plain numbers are among them: they are numbers, too, but are not told of.

    Examples
    --------
    >>> written(["$520.70", "$1,100", "free"]).examples
    ('$520.70', '$1,100')
    >>> written(["19:03:12", "7:45"]).what
    'times'
    >>> written(["A1001", "10.0.0.1", "1001-7"])
    """
    every = list(texts)
    if 2 * sum(_TIME.fullmatch(text) is not None for text in every) >= len(every) + plain > 0:
        times = [text for text in every if _TIME.fullmatch(text)]
        return Written("times", _first(times), len(set(times)))
    found = [match for text in every if (match := _number(text))]
    if not found or 2 * (len(found) + plain) < len(every) + plain:
        return None
    affixes = Counter((match["prefix"] or "", match["suffix"] or "") for match in found)
    frequent = affixes.most_common(UNITS)
    if sum(count for _, count in frequent) < UNITS_SHARE * len(found):
        return None
    units = dict.fromkeys(affix for pair, _ in frequent for affix in pair if affix)
    texts = [match.string for match in found]
    return Written("numbers", _first(texts), len(set(texts)), tuple(units))


def _number(text: str) -> re.Match[str] | None:
    return None if _ADDRESS.fullmatch(text) else _NUMBER.fullmatch(text)


def _first(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))[:EXAMPLES]
