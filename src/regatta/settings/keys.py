"""The dotted keys of settings, and what may stand behind them."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from regatta.errors import SettingsError, nearest
from regatta.settings.group import Group

__all__ = ["CORRECT_KEY", "check_key", "check_keys", "check_text", "expectation", "fields", "merge"]

CORRECT_KEY = "correct the key; docs/settings.md among Regatta's sources describes each"
"""What to do about a key that does not exist."""


def fields(run: type[Group]) -> dict[str, str]:
    """Return every dotted key with what it holds: ``many``, ``text``, ``map`` or ``one``."""
    found: dict[str, str] = {}
    for name, field in run.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Group):
            for inner, inner_field in field.annotation.model_fields.items():
                found[f"{name}.{inner}"] = _holds(inner_field.annotation)
        else:
            found[name] = _holds(field.annotation)
    return found


def _holds(annotation: Any) -> str:
    """Classify a field by its annotation."""
    if str(annotation).startswith("tuple"):
        return "many"
    if str(annotation).startswith("dict"):
        return "map"
    return "text" if annotation is str else "one"


def check_key(run: type[Group], key: str) -> None:
    """Raise `SettingsError` for an unknown dotted key, with the nearest known one."""
    known = fields(run)
    if key in known or any(
        key.startswith(f"{name}.") for name, holds in known.items() if holds == "map"
    ):
        return
    last = {name.rpartition(".")[2]: name for name in known}
    hint = nearest(key, known)
    if not hint and (near := nearest(key.rpartition(".")[2], last)):
        hint = f" (did you mean {last[near.split(chr(39))[1]]!r}?)"
    raise SettingsError(
        f"there is no setting {key!r}{hint}",
        expected="one of " + ", ".join(sorted(known)),
        fix=CORRECT_KEY,
    )


def check_keys(run: type[Group], values: Mapping[str, Any]) -> None:
    """Raise `SettingsError` for the first unknown key of nested values."""
    for key in _flat_keys(values, fields(run)):
        check_key(run, key)


def check_text(values: Mapping[str, Any]) -> None:
    """Raise `SettingsError` for a text that no file can hold: bytes that were not UTF-8."""
    try:
        json.dumps(values, ensure_ascii=False, default=str).encode()
    except UnicodeEncodeError as err:
        raise SettingsError(
            f"a setting holds {err.object[err.start : err.end]!r}, bytes that are no UTF-8",
            expected="UTF-8 text",
            fix="set the locale to UTF-8, such as LC_ALL=C.UTF-8, or rename the file or column",
        ) from err


def _flat_keys(
    values: Mapping[str, Any], known: Mapping[str, str], prefix: str = ""
) -> Iterator[str]:
    """Yield the dotted keys of nested values; a mapping that is a value itself stays whole."""
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and name not in known:
            yield from _flat_keys(value, known, f"{name}.")
        else:
            yield name


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested values with those of `over` replacing those of `base`."""
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        both = isinstance(value, Mapping) and isinstance(old, Mapping)
        merged[key] = merge(old, value) if both else value  # type: ignore[arg-type]
    return merged


def expectation(message: str) -> str:
    """Turn pydantic's sentence into what was expected."""
    for lead in ("Input should be ", "Value error, "):
        if message.startswith(lead):
            return message[len(lead) :]
    return message[0].lower() + message[1:]
