"""The recipes that the user asks for (``search.recipes``), checked against their learners."""

import math
from collections.abc import Iterable
from typing import Any

from regatta.artifacts.records import Recipe
from regatta.errors import SettingsError, nearest
from regatta.learners.base import Learner, Shape
from regatta.search.machine import in_pod
from regatta.search.space import KINDS, is_number, parameters_of
from regatta.search.toolbox import Toolbox
from regatta.settings import RecipeSettings

__all__ = ["check_learner", "user_recipes"]


def user_recipes(wanted: Iterable[RecipeSettings], shape: Shape, tools: Toolbox) -> list[Recipe]:
    """Return the recipes that are raced first.

    Parameters
    ----------
    wanted : iterable of RecipeSettings
        ``search.recipes``.
    shape : Shape
        Size of one fold's training rows.
    tools : Toolbox
        Where learners come from.

    Raises
    ------
    SettingsError
        A learner or a parameter is unknown, or a value does not fit.
    """
    found: list[Recipe] = []
    for place, recipe in enumerate(wanted):
        key = f"search.recipes.{place}"
        check_learner(recipe.learner, shape, tools, f"{key}.learner")
        learner = tools.learner(recipe.learner)
        params = {
            name: _value(learner, shape, name, value, f"{key}.params.{name}")
            for name, value in recipe.params.items()
        }
        found.append(
            Recipe(recipe.learner, {**learner.defaults(shape), **params}, recipe.rows, "user")
        )
    return found


def check_learner(key: str, shape: Shape, tools: Toolbox, setting: str) -> None:
    """Refuse a learner that is unknown or does not learn the task.

    Parameters
    ----------
    key : str
        Key of the learner.
    shape : Shape
        Size and task.
    tools : Toolbox
        Where learners come from.
    setting : str
        Where the user wrote it.

    Raises
    ------
    SettingsError
        There is no such learner for the task.
    """
    known = tools.learners_for(shape.task)
    if key in known:
        return
    every = tools.learners_for("")
    if key in every and not (learner := tools.learner(key)).installed():
        # Nothing can be installed in a pod: its image has it, or it does not.
        install = f"build the image train after images/lock.sh --extra {learner.package}"
        if not in_pod():
            install = f"install regatta[{learner.package}]"
        raise SettingsError(
            f"learner {key!r} needs the package {learner.package!r}, which is not installed",
            expected="one of " + ", ".join(known),
            fix=f"{install}, or leave {key!r} out",
        )
    if key in every:
        found = f"learner {key!r} does not learn a {shape.task} task"
    else:
        found = f"there is no learner {key!r}{nearest(key, every)}"
    raise SettingsError(
        found,
        expected="one of " + ", ".join(known),
        fix=f"correct {setting}, or leave it out",
    )


def _value(learner: Learner, shape: Shape, name: str, value: Any, key: str) -> Any:
    """Return a parameter in the type of its default."""
    defaults, param = parameters_of(learner, shape), learner.space(shape).get(name)
    if name not in defaults:
        raise SettingsError(
            f"{key!r}: {learner.key} has no parameter {name!r}{nearest(name, defaults)}",
            expected="one of " + ", ".join(defaults),
            fix="correct the name, or leave it out",
        )
    default, expected = defaults[name], ""
    if isinstance(default, bool):
        expected = "" if isinstance(value, bool) else "true or false"
    elif isinstance(default, int):
        whole = is_number(value) and math.isfinite(value) and float(value).is_integer()
        expected, value = ("", int(value)) if whole else ("a whole number", value)
    elif isinstance(default, float):
        finite = is_number(value) and math.isfinite(value)
        expected, value = ("", float(value)) if finite else ("a number", value)
    elif choices := KINDS.get(name, param.choices if param else ()):
        expected = "" if value in choices else "one of " + ", ".join(map(str, choices))
    if expected:
        raise SettingsError(f"{key!r} is {value!r}", expected=expected, fix="correct the value")
    return value
