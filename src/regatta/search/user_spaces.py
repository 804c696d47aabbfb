"""The spaces that are searched: those of the learners, changed where the user asked for it."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from regatta.artifacts.records import Recipe
from regatta.errors import SettingsError, nearest
from regatta.learners.base import Learner, Param, Shape, Space
from regatta.search.space import bounded, check_space, is_number
from regatta.search.toolbox import Toolbox
from regatta.settings import DimensionSettings

__all__ = ["spaces_of", "within"]

Wanted = Mapping[str, Mapping[str, DimensionSettings]]


def spaces_of(
    keys: Iterable[str], shape: Shape, wanted: Wanted, tools: Toolbox
) -> dict[str, Space]:
    """Return the space of each learner.

    Parameters
    ----------
    keys : iterable of str
        Learners that race.
    shape : Shape
        Size of one fold's training rows.
    wanted : mapping
        ``search.spaces``: dimensions by learner and parameter.
    tools : Toolbox
        Where learners come from.

    Raises
    ------
    SettingsError
        A learner or a parameter is unknown, or its bounds or choices do not fit it.
    """
    known = tools.learners_for("")
    for key in wanted:
        if key not in known:
            raise SettingsError(
                f"search.spaces names {key!r}, which is no learner{nearest(key, known)}",
                expected="some of " + ", ".join(known),
                fix="correct the name, or leave it out",
            )
    found: dict[str, Space] = {}
    for key in keys:
        learner = tools.learner(key)
        space = dict(learner.space(shape))
        check_space(space, f"learner {key!r}")
        for name, dimension in wanted.get(key, {}).items():
            space[name] = _param(learner, shape, name, dimension)
        check_space(space, f"search.spaces.{key}")
        found[key] = space
    return found


def within(recipes: Iterable[Recipe], spaces: Mapping[str, Space], wanted: Wanted) -> list[Recipe]:
    """Move recipes into the dimensions that the user has changed.

    Parameters
    ----------
    recipes : iterable of Recipe
        Recipes with all of their parameters.
    spaces : mapping of str to Space
        What `spaces_of` returned.
    wanted : mapping
        ``search.spaces``.
    """
    moved: list[Recipe] = []
    for recipe in recipes:
        names = wanted.get(recipe.learner, {}) if recipe.learner in spaces else {}
        params = dict(recipe.params)
        for name in names:
            if name in params:
                params[name] = _nearest_value(spaces[recipe.learner][name], params[name])
        moved.append(replace(recipe, params=params) if names else recipe)
    return moved


def _param(learner: Learner, shape: Shape, name: str, wanted: DimensionSettings) -> Param:
    """Return one dimension as the user wants it."""
    key = f"search.spaces.{learner.key}.{name}"
    space, defaults = learner.space(shape), learner.defaults(shape)
    if name not in space and name not in defaults:
        known = [*space, *(other for other in defaults if other not in space)]
        raise SettingsError(
            f"{key!r}: {learner.key} has no parameter {name!r}{nearest(name, known)}",
            expected="one of " + ", ".join(known),
            fix="correct the name, or leave it out",
        )
    own = space.get(name) or _param_of(defaults[name])
    has_bounds = (wanted.low, wanted.high, wanted.log) != (None, None, None)
    if has_bounds == bool(wanted.choices):
        raise SettingsError(
            f"{key!r} has {'both bounds and choices' if has_bounds else 'no bounds'}",
            expected='either {"low": …, "high": …, "log": …} or {"choices": […]}',
            fix="write one of the two",
        )
    if wanted.choices:
        return Param("choice", choices=_choices(key, own, wanted.choices))
    return _bounds(key, own, wanted, is_searched=name in space)


def _param_of(default: Any) -> Param:
    """Return what a parameter that is not searched may be, as its default shows."""
    if isinstance(default, bool):
        return Param("choice", choices=(False, True))
    if isinstance(default, int):
        return Param("int", default, default)
    if isinstance(default, float):
        return Param("float", default, default)
    return Param("choice", choices=(default,))


def _choices(key: str, own: Param, wanted: tuple[Any, ...]) -> tuple[Any, ...]:
    """Check choices against the kind of a parameter."""
    found: list[Any] = []
    for value in wanted:
        if own.kind == "choice":
            fits = any(value == one and type(value) is type(one) for one in own.choices)
            fits |= is_number(value) and all(is_number(one) for one in own.choices)
            expected = "some of " + ", ".join(map(str, own.choices))
        else:
            fits = is_number(value) and (own.kind == "float" or float(value).is_integer())
            expected = "whole numbers" if own.kind == "int" else "numbers"
        if not fits:
            raise SettingsError(
                f"{key!r} has the choice {value!r}{nearest(str(value), map(str, own.choices))}",
                expected=expected,
                fix="correct the choice",
            )
        is_whole = own.kind == "int"
        found.append(int(value) if is_whole else float(value) if own.kind == "float" else value)
    return tuple(dict.fromkeys(found))


def _bounds(key: str, own: Param, wanted: DimensionSettings, *, is_searched: bool) -> Param:
    """Check bounds against the kind of a parameter."""
    if own.kind == "choice":
        raise SettingsError(
            f"{key!r} has bounds",
            expected="choices among " + ", ".join(map(str, own.choices)),
            fix='write {"choices": […]}',
        )
    if not is_searched and None in (wanted.low, wanted.high):
        raise SettingsError(
            f"{key!r} has one bound, and the learner has none of its own",
            expected='both "low" and "high"',
            fix="add the other one",
        )
    low = own.low if wanted.low is None else wanted.low
    high = own.high if wanted.high is None else wanted.high
    if own.kind == "int" and not (float(low).is_integer() and float(high).is_integer()):
        raise SettingsError(
            f"{key!r} goes from {low:g} to {high:g}",
            expected="whole numbers",
            fix="round the bounds",
        )
    return replace(own, low=low, high=high, log=own.log if wanted.log is None else wanted.log)


def _nearest_value(param: Param, value: Any) -> Any:
    """Return what a parameter may be that is nearest to a value."""
    if param.kind != "choice":
        return bounded(param, value)
    if value in param.choices:
        return value
    if is_number(value) and all(is_number(one) for one in param.choices):
        return min(param.choices, key=lambda one: abs(one - value))
    return param.choices[0]
