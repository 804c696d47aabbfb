import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regatta.errors import SettingsError
from regatta.learners.base import Param
from regatta.search.space import check_space, distributions, draw, grid, levels, nearest_point

SPACE = {
    "depth": Param("int", 1, 12),
    "leaves": Param("int", 4, 256, log=True),
    "rate": Param("float", 1e-3, 0.3, log=True),
    "share": Param("float", 0.2, 1.0),
    "kind": Param("choice", choices=("a", "b", None)),
}


def holds(param: Param, value) -> bool:
    if param.kind == "choice":
        return value in param.choices
    if param.kind == "int":
        return type(value) is int and param.low <= value <= param.high
    return type(value) is float and param.low <= value <= param.high


@given(st.integers(0, 2**32 - 1))
def test_draws_lie_in_the_space(seed: int):
    point = draw(SPACE, np.random.default_rng(seed))
    assert list(point) == list(SPACE)
    assert all(holds(SPACE[name], value) for name, value in point.items())


@given(st.floats(-1e6, 1e6), st.floats(0, 1e6), st.booleans(), st.integers(1, 6), st.booleans())
def test_levels_lie_in_the_dimension(low, width, whole, count, log):
    low = float(round(low)) if whole else low
    param = Param("int" if whole else "float", low, low + (round(width) if whole else width))
    if log:
        param = Param(param.kind, max(low, 1), max(low, 1) + width // 1, log=True)
    found = levels(param, count)
    assert 1 <= len(found) <= count
    assert len(set(found)) == len(found)
    slack = 1e-5 * max(abs(param.low), abs(param.high))
    assert all(param.low - slack <= value <= param.high + slack for value in found)


def test_all_whole_numbers_are_drawn_about_equally():
    rng = np.random.default_rng(0)
    drawn = [draw({"n": Param("int", 1, 4)}, rng)["n"] for _ in range(4000)]
    assert (np.abs(np.bincount(drawn)[1:] / 1000 - 1) < 0.12).all()


def test_grid_holds_every_combination_once():
    points = list(grid({"n": Param("int", 1, 3), "kind": SPACE["kind"]}, 3))
    assert len({tuple(point.values()) for point in points}) == len(points) == 9


def test_optuna_knows_every_dimension():
    assert set(distributions(SPACE)) == set(SPACE)


def test_nearest_point_is_bounded_or_nothing():
    point = nearest_point(SPACE, {"depth": 99, "leaves": 2, "rate": 1, "share": 0.5, "kind": None})
    assert point == {"depth": 12, "leaves": 4, "rate": 0.3, "share": 0.5, "kind": None}
    assert nearest_point({"kind": SPACE["kind"]}, {"kind": "z"}) is None
    assert nearest_point({"depth": SPACE["depth"]}, {}) is None


@pytest.mark.parametrize(
    ("param", "what"),
    [
        (Param("float", 2, 1), "bounds inverted"),
        (Param("float", 0, 1, log=True), "logarithmic from 0"),
        (Param("float", float("nan"), 1), "bounds inverted"),
        (Param("choice"), "no choices"),
    ],
)
def test_impossible_space_is_refused(param: Param, what: str):
    with pytest.raises(SettingsError, match=what):
        check_space({"x": param}, "learner 'odd'")
