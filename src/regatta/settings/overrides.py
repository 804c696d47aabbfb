"""``--set key=value``: settings as texts."""

import json
from collections.abc import Sequence
from typing import Any

from regatta.errors import SettingsError
from regatta.settings.keys import check_key, fields
from regatta.settings.run import RunSettings

__all__ = ["parse_overrides"]


def parse_overrides(pairs: Sequence[str]) -> dict[str, Any]:
    """Turn ``key=value`` texts into nested values.

    Parameters
    ----------
    pairs : sequence of str
        Dotted keys and values. A value is read as JSON where it is JSON, else as text; for a
        setting that holds several values, a comma separates them.

    Raises
    ------
    SettingsError
        A text has no ``=`` or an unknown key.

    Examples
    --------
    >>> parse_overrides(["search.max_trials=3", "search.learners=linear,lightgbm"])
    {'search': {'max_trials': 3, 'learners': ['linear', 'lightgbm']}}
    """
    values: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        key = key.strip()
        if not equals:
            raise SettingsError(
                f"--set {pair!r} has no '='",
                expected="key=value",
                fix="write it like --set search.max_trials=20",
            )
        check_key(RunSettings, key)
        group, _, name = key.rpartition(".")
        place = values
        for part in group.split(".") if group else ():
            place = place.setdefault(part, {})
        place[name] = _value(key, text)
    return values


def _value(key: str, text: str) -> Any:
    """Read one value; a tuple's may be separated by commas."""
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    # What is below a map may be anything.
    holds = fields(RunSettings).get(key, "one")
    if holds == "many" and isinstance(value, dict):
        return [value]
    if holds == "many" and not isinstance(value, list):
        return [part.strip() for part in text.split(",") if part.strip()]
    return text if holds == "text" else value
