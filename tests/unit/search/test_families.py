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


def test_of_equals_the_faster_one_is_drawn_more_often():
    families = told(a=[(1.0, 1.0)], b=[(1.0, 3.0)])
    assert share(families, "a") == pytest.approx(0.75, abs=0.04)


def test_one_that_was_tried_in_vain_gives_way():
    fresh = told(a=[(1.0, 1.0)], b=[(1.0, 1.0)])
    tired = told(a=[(1.0, 1.0)] + [(1.1, 1.0)] * 7, b=[(1.0, 1.0)])
    assert share(fresh, "a") == pytest.approx(0.5, abs=0.04)
    assert share(tired, "a") == pytest.approx(1 / 8, abs=0.03)


def test_one_that_lags_is_drawn_as_it_may_catch_up():
    # Behind by 1 after 2 s; its best is ahead of its median by a quarter: 8 s to catch up.
    steady = told(a=[(1.0, 2.0)], b=[(2.5, 1.0), (2.0, 1.0)])
    assert share(steady, "b") == pytest.approx(1 / 5, abs=0.04)
    hopeless = told(a=[(1.0, 2.0)], b=[(2.0, 1.0), (2.0, 1.0)])
    assert share(hopeless, "b") == 0


def test_one_that_was_tried_once_may_differ_as_much_as_any_other():
    # The trials of a differ by 0.5: a family that is behind by 0.25 may catch up in half a trial.
    near = told(a=[(2.0, 1.0), (1.0, 1.0)], b=[(1.25, 1.0)])
    assert share(near, "b") == pytest.approx(0.5, abs=0.04)
    far = told(a=[(2.0, 1.0), (1.0, 1.0)], b=[(51.0, 1.0)])
    assert share(far, "b") == pytest.approx(0.01, abs=0.01)


def test_failures_cost_time():
    families = told(a=[(1.0, 1.0), (None, 3.0)], b=[(1.0, 1.0)])
    assert share(families, "a") == pytest.approx(1 / 4, abs=0.04)
    assert not told(a=[(None, 1.0)]).known("a")


def test_the_unknown_has_the_chance_of_the_best():
    families = told(a=[(1.0, 1.0)], b=[(1.0, 4.0)])
    assert share(families, "new", ("a", "b", "new")) == pytest.approx(4 / 9, abs=0.04)
    assert share(Families(), "a") == pytest.approx(0.5, abs=0.04)
