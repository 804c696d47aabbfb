"""When a recurring run starts, as Kubeflow Pipelines takes it."""

import re
from typing import Any

from regatta.errors import BudgetError, UsageError
from regatta.runs.request import parse_seconds

__all__ = ["cron_trigger", "periodic_trigger", "trigger_of"]

Bounds = tuple[str, int, int, tuple[str, ...]]
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
# Name, smallest and largest number, and the names of the numbers from the smallest on.
FIELDS: tuple[Bounds, ...] = (
    ("second", 0, 59, ()),
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of the month", 1, 31, ()),
    ("month", 1, 12, MONTHS),
    ("day of the week", 0, 6, DAYS),
)
LONGEST = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
EXPECTED = "six fields: second minute hour day month weekday (0 is Sunday)"
EXAMPLE = 'write it like --cron "0 0 6 * * 1", Mondays at six'
LEAST_SECONDS = 60


def trigger_of(cron: str | None, every: str | None) -> dict[str, Any] | None:
    """Return the trigger that options ask for; ``None`` for a run that starts at once.

    Parameters
    ----------
    cron : str or None
        Six fields, seconds first.
    every : str or None
        Length of time between two starts, such as ``12h``.

    Raises
    ------
    UsageError
        Both are given, or one cannot be read.
    """
    if cron is not None and every is not None:
        raise UsageError(
            "--cron and --every are both given",
            expected="one of them",
            fix="leave one out",
        )
    if cron is not None:
        return cron_trigger(cron)
    return None if every is None else periodic_trigger(every)


def periodic_trigger(text: str) -> dict[str, Any]:
    """Return the trigger for a length of time between starts; the first is one length from now.

    Parameters
    ----------
    text : str
        Such as ``90m`` or ``24h``; whole seconds, a minute or more.

    Raises
    ------
    UsageError
        It is no such length.

    Examples
    --------
    >>> periodic_trigger("1h")
    {'periodic_schedule': {'interval_second': 3600}}
    """
    try:
        seconds = parse_seconds(text)
    except BudgetError:
        seconds = 0.0
    if seconds < LEAST_SECONDS or seconds != int(seconds):
        raise UsageError(
            f"--every {text!r} is no length of time between runs",
            expected="a minute or more, such as 90m or 24h",
            fix="write it like --every 24h",
        )
    return {"periodic_schedule": {"interval_second": int(seconds)}}


def cron_trigger(text: str) -> dict[str, Any]:
    """Return the trigger for a text in cron's form, in the time zone of Kubeflow Pipelines (UTC).

    Parameters
    ----------
    text : str
        Six fields: second, minute, hour, day of the month, month, day of the week. Each holds
        ``*``, numbers, ranges, steps (``*/15``) and lists of these; months and days have names.

    Raises
    ------
    UsageError
        It is none, or no day fits it.

    Examples
    --------
    >>> cron_trigger("0 0 6 * * mon-fri")
    {'cron_schedule': {'cron': '0 0 6 * * mon-fri'}}
    """
    fields = text.split()
    if len(fields) != len(FIELDS):
        # The server takes five fields, and reads the first as seconds: another time than meant.
        lacking = len(fields) == len(FIELDS) - 1
        fix = f'seconds come first: --cron "0 {" ".join(fields)}"' if lacking else EXAMPLE
        raise UsageError(f"--cron {text!r} has {len(fields)} fields", expected=EXPECTED, fix=fix)
    values = [_values(field, bounds, text) for field, bounds in zip(fields, FIELDS, strict=True)]
    days, months, any_weekday = values[3], values[4], fields[5][0] in "*?"
    if any_weekday and all(min(days) > LONGEST[month - 1] for month in months):
        raise UsageError(
            f"--cron {text!r} never comes: no such month has a day {min(days)}",
            expected=EXPECTED,
            fix=EXAMPLE,
        )
    return {"cron_schedule": {"cron": " ".join(fields)}}


def _values(field: str, bounds: Bounds, text: str) -> set[int]:
    """Return the numbers that a field stands for."""
    name, low, high, names = bounds
    found: set[int] = set()
    for part in field.split(","):
        match = re.fullmatch(r"(?:[*?]|(\w+)(?:-(\w+))?)(?:/([0-9]{1,4}))?", part, re.ASCII)
        numbers = [_number(one, low, names) for one in match.groups()[:2] if one] if match else []
        step = int(match[3]) if match and match[3] else 1
        if not numbers:
            numbers = [low, high]
        elif len(numbers) == 1:
            numbers += [high if match and match[3] else numbers[0]]
        first, last = numbers
        if not match or step < 1 or not low <= first <= last <= high:
            raise UsageError(
                f"--cron {text!r} has {part!r} for the {name}",
                expected=f"{low} to {high}{_words(names)}, *, a range, a step or a list of these",
                fix=EXAMPLE,
            )
        found |= set(range(first, last + 1, step))
    return found


def _number(word: str, low: int, names: tuple[str, ...]) -> int:
    """Return the number of a word; -1, which fits nowhere, if it has none."""
    if word.lower() in names:
        return low + names.index(word.lower())
    return int(word) if word.isdigit() and len(word) <= 2 else -1


def _words(names: tuple[str, ...]) -> str:
    """Return how names can be used instead of numbers."""
    return f" or {names[0]} to {names[-1]}" if names else ""
