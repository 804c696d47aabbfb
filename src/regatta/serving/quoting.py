"""Values from outside, quoted in messages of bounded length."""

import math
from collections.abc import Sequence
from typing import Any

__all__ = ["few", "show"]

SHOWN = 60


def show(value: Any) -> str:
    """Quote a value, whatever it is, in at most a hundred letters.

    Examples
    --------
    >>> show("x" * 100)[-3:]
    "x'…"
    >>> show([1, [2, 3]])
    'a list of 2 values'
    """
    if isinstance(value, (list, dict)):
        what = "a list" if isinstance(value, list) else "an object"
        return f"{what} of {len(value)} value" + "s" * (len(value) != 1)
    if isinstance(value, (str, bytes)):
        return repr(value[:SHOWN]) + ("…" if len(value) > SHOWN else "")
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, int) and abs(value) > 10**SHOWN:
        # Python refuses to write numbers of some thousand digits.
        return "a huge number"
    return repr(value)


def few(names: Sequence[str]) -> str:
    """List names, cut after the fifth.

    Examples
    --------
    >>> few(["a", "b", "c", "d", "e", "f"])
    'a, b, c, d, e, …'
    """
    return ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
