"""Search spaces: draws, grids and Optuna's view of them."""

import math
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any, TypeGuard

import numpy as np

from regatta.errors import SettingsError
from regatta.learners.base import STATISTICS, Learner, Param, Shape, Space
from regatta.learners.logarithm import SCALES

__all__ = [
    "KINDS",
    "bounded",
    "check_space",
    "distributions",
    "draw",
    "grid",
    "is_number",
    "levels",
    "nearest_point",
    "parameters_of",
]


KINDS: dict[str, tuple[str, ...]] = {"target": SCALES, "statistic": STATISTICS}
"""What parameters may be that many learners of regressions have; the first is the default."""


def check_space(space: Space, owner: str) -> None:
    """Refuse a space that no value fits.

    Parameters
    ----------
    space : mapping of str to Param
        The space.
    owner : str
        Whose it is, for the message.

    Raises
    ------
    SettingsError
        Bounds are inverted, a logarithmic bound is not positive, or there is no choice.
    """
    for name, param in space.items():
        wrong = ""
        if param.kind == "choice":
            wrong = "" if param.choices else "has no choices"
        elif not param.low <= param.high:
            wrong = f"has its bounds inverted ({param.low:g} to {param.high:g})"
        elif param.log and param.low <= 0:
            wrong = f"is logarithmic from {param.low:g}"
        if wrong:
            raise SettingsError(
                f"parameter {name!r} of {owner} {wrong}",
                expected="low <= high, above 0 where logarithmic, or at least one choice",
                fix="correct the space",
            )


def parameters_of(learner: Learner, shape: Shape) -> dict[str, Any]:
    """Return all that a recipe of a learner may name, each with its default.

    Parameters
    ----------
    learner : Learner
        The learner.
    shape : Shape
        Size and task of the table. Every learner of a regression has a ``target``: whether the
        plain values are learnt or their logarithm (`regatta.learners.logarithm`); one that can
        learn medians has a ``statistic``.
    """
    names = ("target", "statistic") if learner.medians else ("target",)
    common = names if shape.task == "regression" else ()
    return {**learner.defaults(shape), **{name: KINDS[name][0] for name in common}}


def draw(space: Space, rng: np.random.Generator) -> dict[str, Any]:
    """Draw one point of a space.

    Parameters
    ----------
    space : mapping of str to Param
        The space.
    rng : numpy.random.Generator
        Source of the draw.

    Examples
    --------
    >>> draw({"depth": Param("int", 3, 3)}, np.random.default_rng(0))
    {'depth': 3}
    """
    return {name: _at(param, float(rng.uniform())) for name, param in space.items()}


def levels(param: Param, n_levels: int) -> list[Any]:
    """Return evenly spaced values of one dimension, the middle one first.

    Examples
    --------
    >>> levels(Param("float", 0.01, 1.0, log=True), 3)
    [0.1, 0.01, 1.0]
    >>> levels(Param("int", 1, 3), 5)
    [2, 3, 1]
    """
    if param.kind == "choice":
        return list(param.choices)
    places = [(i + 0.5) / n_levels for i in range(n_levels)] if param.kind == "int" else []
    places = places or [i / max(n_levels - 1, 1) for i in range(n_levels)]
    values = [_at(param, place) for place in sorted(places, key=lambda x: (abs(x - 0.5), x))]
    rounded = [float(f"{value:.6g}") if isinstance(value, float) else value for value in values]
    return list(dict.fromkeys(rounded))


def grid(space: Space, n_levels: int) -> Iterator[dict[str, Any]]:
    """Yield every point of a grid.

    Parameters
    ----------
    space : mapping of str to Param
        The space.
    n_levels : int
        Values of each numeric dimension.

    Yields
    ------
    dict
        One point; the first one is the middle of the space.
    """
    axes = [levels(param, n_levels) for param in space.values()]
    for point in product(*axes):
        yield dict(zip(space, point, strict=True))


def distributions(space: Space) -> dict[str, Any]:
    """Return Optuna's distributions of a space, by name."""
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    found: dict[str, Any] = {}
    for name, param in space.items():
        if param.kind == "choice":
            found[name] = CategoricalDistribution(param.choices)
        elif param.kind == "int":
            found[name] = IntDistribution(int(param.low), int(param.high), log=param.log)
        else:
            found[name] = FloatDistribution(param.low, param.high, log=param.log)
    return found


def nearest_point(space: Space, values: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the point of a space that is nearest to some parameters.

    Parameters
    ----------
    space : mapping of str to Param
        The space.
    values : mapping
        Parameters; those that are no dimension are left out.

    Returns
    -------
    dict or None
        One value a dimension; None where a dimension has no value or no such choice.

    Examples
    --------
    >>> nearest_point({"depth": Param("int", 2, 9)}, {"depth": 12, "seed": 1})
    {'depth': 9}
    """
    found: dict[str, Any] = {}
    for name, param in space.items():
        value = values.get(name)
        if param.kind == "choice":
            if value not in param.choices:
                return None
            found[name] = value
        elif not is_number(value):
            return None
        else:
            found[name] = bounded(param, value)
    return found


def is_number(value: object) -> TypeGuard[int | float]:
    """Return whether a value is a number; True and False are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def bounded(param: Param, value: float) -> int | float:
    """Return the value of a dimension, which is no choice, that is nearest to a number.

    Examples
    --------
    >>> bounded(Param("int", 2, 9), 12), bounded(Param("float", 0.1, 0.5), 0)
    (9, 0.1)
    """
    inside = min(max(value, param.low), param.high)
    return round(inside) if param.kind == "int" else float(inside)


def _at(param: Param, place: float) -> Any:
    """Return the value at a place between 0 and 1 of a dimension."""
    if param.kind == "choice":
        return param.choices[min(int(place * len(param.choices)), len(param.choices) - 1)]
    low, high = param.low, param.high
    if param.kind == "int":
        # Every whole number gets an equal part, the bounds included.
        low, high = low - 0.5 if not param.log else max(low - 0.5, 0.5), high + 0.5
    value = (
        math.exp(math.log(low) + place * (math.log(high) - math.log(low)))
        if param.log
        else low + place * (high - low)
    )
    if param.kind == "int":
        return int(min(max(round(value), param.low), param.high))
    return float(min(max(value, param.low), param.high))
