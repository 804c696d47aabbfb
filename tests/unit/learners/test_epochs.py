"""How networks are trained, with a stand-in that has one weight and a loss for each."""

import time
from dataclasses import dataclass, field

import numpy as np
import pytest

from regatta.learners.epochs import DROPS, Pace, Schedule, best_epoch, follow

PARAMS = {"epochs": 200, "patience": 6}


@dataclass
class Counter:
    """Counts its epochs as weights; the rate falls at each restart."""

    weight: float = 0.0
    rate: float = 1.0
    rates: list[float] = field(default_factory=list)

    def copy(self) -> float:
        return self.weight

    def restart(self, earlier: float) -> None:
        self.weight, self.rate = earlier, self.rate / 4

    def epoch(self) -> bool:
        self.weight += 1
        self.rates.append(self.rate)
        return True


def trained(best: float, **params) -> tuple[Counter, float, bool, Schedule]:
    """Train until the weight is best."""
    network = Counter()
    found = best_epoch(network, network.epoch, lambda: abs(network.weight - best), PARAMS | params)
    return network, *found


def test_a_schedule_leads_to_the_same_weights_without_looking():
    first, weight, truncated, schedule = trained(12)
    assert (weight, truncated) == (12, False)
    assert schedule == Schedule((12.0, 0.0, 0.0))
    second = Counter()
    assert follow(second, second.epoch, schedule) == (12, False)
    assert len(second.rates) < len(first.rates)


def test_what_is_gained_at_a_lower_rate_is_repeated_at_it():
    second = Counter()
    assert follow(second, second.epoch, Schedule((3.0, 1.6, 0.4))) == (5, False)
    assert second.rates == [1.0, 1.0, 1.0, 0.25, 0.25]


def test_a_schedule_is_made_of_numbers_that_can_be_averaged():
    schedule = Schedule((9.0, 2.0, 0.0), settled=1.0)
    learnt = schedule.learnt()
    assert learnt is not None
    assert all(isinstance(value, float) for value in learnt.values())
    assert Schedule.among({"width": 64, **learnt}) == schedule
    assert Schedule.among({"width": 64}) is None
    assert Schedule((0.0, 0.0, 0.0)).learnt() is None


@pytest.mark.parametrize(("best", "wasted"), [(2, 9), (8, 15), (40, 18)])
def test_who_learns_in_few_epochs_is_waited_for_over_few(best, wasted):
    network, *_ = trained(best)
    assert len(network.rates) == best + wasted


def test_the_end_of_the_time_is_told():
    network = Counter()
    _, truncated, schedule = best_epoch(
        network, lambda: network.epoch() and network.weight < 5, lambda: -network.weight, PARAMS
    )
    assert truncated
    assert schedule.settled == 1.0
    assert follow(network, lambda: False, schedule)[1]


def test_steps_become_smaller_at_the_end_of_what_is_planned():
    pace = Pace(np.inf, planned=10)
    assert [pace.share(0.0), pace.share(0.9)] == [1.0, 1.0]
    pace.done = 9
    assert 0 < pace.share(0.9) < pace.share(0.0) < 1
    assert Schedule((9.4, 1.0, 0.0), settled=0.8).planned == 10
    assert Schedule((9.4, 1.0, 0.0), settled=0.2).planned == 0


def test_steps_become_smaller_at_the_end_of_the_time():
    now = time.time()
    assert Pace(now + 10, began=now - 1).share(0.5) == 1.0
    assert 0 < Pace(now + 1, began=now - 20).share(0.5) < 0.5
    assert Pace(now - 1, began=now - 20).share(0.5) == 0.0


def test_every_drop_has_its_epochs():
    assert len(trained(12)[3].epochs) == DROPS + 1
