"""Names of columns: cleaned once, unique, and compared with those in the settings."""

import json
import shlex
from collections.abc import Iterable, Sequence

from regatta.dataset.schema import Column
from regatta.errors import RequestError, SchemaError, SettingsError, TargetError, nearest
from regatta.settings import DataSettings, SplitSettings

__all__ = [
    "check_settings",
    "check_wanted",
    "chosen",
    "clean_names",
    "listed",
    "may_be_left_out",
    "na_option",
    "option",
]


def clean_names(raw: Sequence[str], wanted: Sequence[str] = ()) -> list[str]:
    """Cut blanks around names, name the nameless, and refuse duplicates.

    A column without a name is mostly the row number that pandas writes first, or what follows a
    separator at the end of each line. It is called ``column_<position>``, so that later checks
    can leave it out for what it holds.

    Parameters
    ----------
    raw : sequence of str
        Names as they are in the file.
    wanted : sequence of str, default ()
        Names of the columns that are read: others may be there twice. Empty for all.

    Returns
    -------
    list of str
        Names in the same order; unique, at least those that are wanted.

    Raises
    ------
    SchemaError
        Two columns have the same name.

    Examples
    --------
    >>> clean_names(["", " age ", "city"])
    ['column_1', 'age', 'city']
    """
    names: list[str] = []
    for position, name in enumerate(raw, start=1):
        cleaned = " ".join(name.split()) if "\n" in name or "\r" in name else name.strip()
        names.append(cleaned or f"column_{position}")
    places: dict[str, int] = {}
    for position, name in enumerate(names, start=1):
        if name in places and (not wanted or name in wanted):
            raise SchemaError(
                f"columns {places[name]} and {position} are both named {name!r}",
                expected="a name of its own for each column (blanks around it do not count)",
                fix=_headless(names) or "rename or delete one of them in the file",
            )
        places[name] = position
    return names


def _headless(names: Sequence[str]) -> str:
    """Return what to do where names are mostly numbers, as those of a first row; else ``""``."""
    numbers = sum(_is_number(name) for name in names)
    if 2 * numbers <= len(names):
        return ""
    return "the first line must hold the names of the columns: add them if the file has none"


def _is_number(name: str) -> bool:
    try:
        float(name)
    except ValueError:
        return False
    return True


def check_settings(
    names: Sequence[str], settings: DataSettings, split: SplitSettings | None = None
) -> None:
    """Check that the columns which the settings name are in the table.

    Raises
    ------
    TargetError
        The target is not.
    SettingsError
        A name in ``data.ignore``, ``data.kinds``, ``data.weight``, ``split.group`` or
        ``split.time`` is not, the target is ignored, the weight is the target or said to be no
        number, or the groups or the times are the target or the weight.
    """
    if settings.target and settings.target not in names:
        headless = _headless(names)
        raise TargetError(
            f"the table has no column {settings.target!r}{nearest(settings.target, names)}",
            expected=f"one of {listed(names)}",
            fix="; ".join(filter(None, ("name the column to predict with --target", headless))),
        )
    ignored = [name for name, kind in settings.kinds.items() if kind == "ignore"]
    if settings.target and settings.target in (*settings.ignore, *ignored):
        raise SettingsError(
            f"the target {settings.target!r} is to be ignored",
            expected="a target that is used",
            fix="take it out of data.ignore and data.kinds, or choose another --target",
        )
    _check_weight(names, settings)
    if split:
        _check_own(names, settings, split.group, "groups", "--group")
        _check_own(names, settings, split.time, "times", "--time")
    for key, wanted in (("data.ignore", settings.ignore), ("data.kinds", tuple(settings.kinds))):
        for name in wanted:
            if name not in names:
                raise SettingsError(
                    f"{key} names {name!r}, which is no column{nearest(name, names)}",
                    expected=f"one of {listed(names)}",
                    fix="correct the name",
                )


def _check_weight(names: Sequence[str], settings: DataSettings) -> None:
    """Check that the column of the weights is there, and is nothing else besides."""
    name = settings.weight
    if not name:
        return
    if name not in names:
        raise SettingsError(
            f"the table has no column {name!r}{nearest(name, names)} for the weights",
            expected=f"one of {listed(names)}",
            fix="name the column of the weights with --weight, or leave it out",
        )
    if name == settings.target:
        raise SettingsError(
            f"{name!r} is to be the target and the weight of the rows",
            expected="a column of its own for the weights",
            fix="correct --target or --weight",
        )
    kind = settings.kinds.get(name, "numeric")
    if kind not in ("numeric", "ignore"):
        raise SettingsError(
            f"data.kinds says that {name!r}, the weight of the rows, is {kind}",
            expected="numbers, 0 or more",
            fix="take it out of data.kinds, or name another column with --weight",
        )


def _check_own(
    names: Sequence[str], settings: DataSettings, name: str, what: str, option: str
) -> None:
    """Check that a column by which rows are split is there, and does not judge them besides."""
    if not name:
        return
    if name not in names:
        raise SettingsError(
            f"the table has no column {name!r}{nearest(name, names)} for the {what}",
            expected=f"one of {listed(names)}",
            fix=f"name the column of the {what} with {option}, or leave it out",
        )
    for other, role in ((settings.target, "target"), (settings.weight, "weight")):
        if name == other:
            raise SettingsError(
                f"{name!r} is to be the {role}, and the {what} by which rows are split",
                expected=f"a column of its own for the {what}",
                fix=f"correct --{role} or {option}",
            )


def may_be_left_out(column: Column) -> bool:
    """Return whether rows to predict may lack a column: some rows of training had no value."""
    return column.missing > 0


def check_wanted(
    names: Sequence[str], wanted: Sequence[str], where: str = "the table", empty: str = "empty"
) -> None:
    """Check that a file to predict has the columns that it must have.

    Parameters
    ----------
    names : sequence of str
        Columns that are there.
    wanted : sequence of str
        Columns that must be.
    where : str, default "the table"
        What is looked at, for the message.
    empty : str, default "empty"
        How the file writes that a value is not known.

    Raises
    ------
    RequestError
        One is missing.
    """
    for name in wanted:
        if name not in names:
            raise RequestError(
                f"{where} has no column {name!r}{nearest(name, names)}",
                expected="every column that always had a value in training;"
                f" found {listed(names) or 'none'}",
                fix=f"add {name!r}; where its value is not known, leave it {empty}",
            )


def chosen(names: Sequence[str], columns: Sequence[str], optional: Sequence[str]) -> list[str]:
    """Return which columns of a file are read: those that are named, or all where none is.

    Raises
    ------
    RequestError
        Names are given and none is there: then it is another table.
    """
    if not (columns or optional):
        return list(names)
    wanted = {*columns, *optional}
    read = [name for name in names if name in wanted]
    if not read:
        raise RequestError(
            f"the table has no column that the model reads; found {listed(names) or 'none'}",
            expected="columns such as " + listed([*columns, *optional]),
            fix="pass a table like the one of training",
        )
    return read


def option(key: str, value: object) -> str:
    """Return what to type to change a setting.

    Examples
    --------
    >>> print(option("data.ignore", "net price"), option("data.kinds", {"a": "text"}))
    --set 'data.ignore=net price' --set 'data.kinds={"a": "text"}'
    """
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return "--set " + shlex.quote(f"{key}={text}")


def na_option(settings: DataSettings, *texts: str) -> str:
    """Return what to type so that more texts mean a missing value.

    Examples
    --------
    >>> na_option(DataSettings(na_values=("", "NA")), "unknown")
    '--set data.na_values=NA,unknown'
    """
    known = [value for value in (*settings.na_values, *texts) if value]
    plain = not any("," in value for value in known)
    return option("data.na_values", ",".join(known) if plain else known)


def listed(names: Iterable[object], most: int = 5) -> str:
    """Return the first few of many, for a message.

    Examples
    --------
    >>> listed(["a", "b", "c"], most=2)
    "'a', 'b' and 1 more"
    """
    everything = list(names)
    shown = ", ".join(repr(name) for name in everything[:most])
    more = len(everything) - most
    return shown + (f" and {more:,} more" if more > 0 else "")
