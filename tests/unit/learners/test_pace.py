"""How fast boosting learns, where there is little time."""

import math
import time

import pytest

from regatta.learners.stopping import Stopping, at_pace


def boosting(seconds: float, rounds: int = 400):
    """Return a booster whose rounds take some time, and the rates that it was asked for."""
    rates: list[float] = []

    def boost(rate: float, stopping: Stopping) -> int:
        rates.append(rate)
        for number in range(rounds):
            time.sleep(seconds)
            if stopping.ends(number, math.exp(-rate * number)):
                break
        return number

    return boost, rates


def test_with_time_enough_the_rate_is_as_asked_for():
    boost, rates = boosting(0)
    _, stopping = at_pace(boost, 0.05, 30, time.time() + 60)
    assert rates == [0.05]
    assert not stopping.faster


def test_without_a_deadline_nothing_depends_on_time():
    boost, rates = boosting(0.002, 40)
    at_pace(boost, 0.01, 30, math.inf)
    assert rates == [0.01]


def test_a_slow_learner_begins_again_faster_and_ends_in_time():
    boost, rates = boosting(0.01)
    deadline = time.time() + 1.5
    last, stopping = at_pace(boost, 0.05, 60, deadline)
    assert len(rates) == 2
    assert 0.1 < rates[1] <= 0.3
    assert not stopping.faster
    assert last > 50


@pytest.mark.parametrize("rate", [0.25, 0.3])
def test_a_high_rate_stays(rate):
    boost, rates = boosting(0.01, 60)
    at_pace(boost, rate, 10, time.time() + 0.3)
    assert rates == [rate]
