import numpy as np
import pytest

from regatta.search.families import Families


def told(**trials) -> Families:
    """Return what is known after trials of (loss, seconds) of each family."""
    families = Families()
    for key, each in trials.items():
        for loss, seconds in each:
            families.tell(key, loss, seconds)
    return families


def share(families: Families, key: str, keys=("a", "b"), draws=2_000) -> float:
    rng = np.random.default_rng(0)
    return float(np.mean([families.draw(keys, rng) == key for _ in range(draws)]))


def test_the_faster_one_is_drawn_more_often():
    families = told(a=[(1.0, 3.0)], b=[(1.1, 0.6)])
    assert share(families, "b") == pytest.approx(0.75, abs=0.04)


def test_the_better_one_is_drawn_more_often():
    families = told(a=[(1.0, 1.0)], b=[(1.1, 1.0)], c=[(9.0, 1.0)])
    shares = [share(families, key, ("a", "b", "c")) for key in "abc"]
    assert shares == pytest.approx([1 / 1.96, 0.6 / 1.96, 0.36 / 1.96], abs=0.04)


def test_one_that_was_tried_in_vain_gives_way():
    fresh = told(a=[(1.0, 1.0)], b=[(1.0, 1.0)])
    tired = told(a=[(1.0, 1.0)] + [(1.1, 1.0)] * 6, b=[(1.0, 1.0)])
    assert share(fresh, "a") == pytest.approx(1 / 1.6, abs=0.04)
    assert share(tired, "a") == pytest.approx(1 / 6 / (1 / 6 + 0.6), abs=0.03)


def test_one_that_gained_lately_is_drawn_more_often():
    steady = told(a=[(3.0, 1.0), (2.0, 1.0), (1.0, 1.0)], b=[(1.5, 3.0)])
    assert share(steady, "a") == pytest.approx(1 / (1 + 0.6 / 3), abs=0.04)


def test_failures_cost_time():
    families = told(a=[(1.0, 1.0), (None, 3.0)], b=[(1.0, 1.0)])
    assert share(families, "a") == pytest.approx(1 / 3 / (1 / 3 + 0.6), abs=0.04)
    assert not told(a=[(None, 1.0)]).known("a")


def test_the_unknown_has_the_chance_of_the_best():
    families = told(a=[(1.0, 1.0)], b=[(1.0, 4.0)])
    assert share(families, "new", ("a", "b", "new")) == pytest.approx(1 / 2.15, abs=0.04)
    assert share(Families(), "a") == pytest.approx(0.5, abs=0.04)
