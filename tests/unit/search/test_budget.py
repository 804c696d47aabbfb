import time

import pytest

from regatta.artifacts.records import Recipe, TrialRecord
from regatta.errors import BudgetError
from regatta.learners import get_learner
from regatta.learners.base import Shape
from regatta.search import machine
from regatta.search.budget import (
    LEAST_RACE_SECONDS,
    Tail,
    bounded_tail,
    check_budget,
    estimate_tail,
    least_budget,
    selection_seconds,
    speed_factor,
)
from regatta.search.clock import Clock, Price
from regatta.search.costs import DOUBT, Costs, again_seconds
from tests.unit.search.fakes import Line

TABLE = {
    "n_outputs": 2,
    "scored_rows": 5_000,
    "budget_seconds": 60,
    "deploy": "local",
    "pods": False,
}


def tail_seconds(n_rows: int, n_columns: int, **options) -> float:
    return estimate_tail(n_rows, n_columns, **options).seconds()


def test_tail_grows_with_the_table_and_stays_bounded():
    small = tail_seconds(1_000, 20, **TABLE)
    large = tail_seconds(800_000, 20, **TABLE)
    assert small < large < small + 40
    assert tail_seconds(1_000, 20, **{**TABLE, "pods": True}) > small + 30
    assert tail_seconds(1_000, 20, **{**TABLE, "deploy": "none"}) < small


def test_slow_machine_needs_a_longer_tail():
    assert speed_factor(0.0) < 1 < speed_factor(10.0) <= 4
    assert speed_factor(1e9) == speed_factor(1e6)


def test_least_budget_passes_its_own_check():
    least = least_budget(10.0)
    check_budget(least, 10.0)
    with pytest.raises(BudgetError, match=f"at least {least} s"):
        check_budget(least - 5, 10.0)


def test_clock_ends_the_race_before_the_tail():
    now = time.time()
    clock = Clock(began=now, end=now + 60, tail=10)
    assert clock.deadline == pytest.approx(now + 50)
    assert clock.race == pytest.approx(50)
    assert 49 < clock.left <= 50


def test_clock_leaves_time_to_predict_the_locked_rows():
    now = time.time()
    clock = Clock(began=now, end=now + 60, tail=10, scored_rows=10_000)
    clock.learn(Price(0.3, 1e-4))
    assert clock.deadline == pytest.approx(now + 48)
    clock.learn(Price(0.5, 1e-6))
    assert clock.deadline == pytest.approx(now + 47.98)


def test_race_is_never_shorter_than_a_trial_unless_the_budget_is_over():
    now = time.time()
    tight = Clock(began=now, end=now + 8, tail=10)
    assert tight.deadline == pytest.approx(now + LEAST_RACE_SECONDS)
    over = Clock(began=now, end=now - 1, tail=10)
    assert over.left < 0


def test_slow_machine_still_races():
    tail = Tail(work=10.0, wait=2.0)
    assert bounded_tail(tail, 1.0, 100.0) == 12
    assert bounded_tail(tail, 2.0, 100.0) == 22
    assert bounded_tail(tail, 4.0, 50.0) == pytest.approx(30)
    assert bounded_tail(tail, 4.0, 15.0) == 12


class Scaled(Line):
    """Takes a second for 25,000 rows of a fold, and ``x`` times as long."""

    def fit_seconds(self, shape, params):
        return params.get("x", 1) * shape.n_rows / 25_000


def learnt(*trials: tuple[str, int, float], status="ok") -> Costs:
    costs = Costs(Shape("binary", 100_000, 20, 2), lambda key: Scaled())
    for learner, rows, seconds in trials:
        recipe, folds = Recipe(learner, rows=rows), (1.0, 1.0)
        record = TrialRecord("x", 0, 0, recipe, 0, status, seconds=seconds, fold_scores=folds)
        costs.learn(record)
    return costs


def test_costs_are_learnt_by_learner_and_rows():
    costs = learnt(("a", 0, 4.0), ("a", 0, 6.0), ("a", 1000, 1.0))
    assert costs.expect(Recipe("a"), 2) == pytest.approx(5)
    assert costs.expect(Recipe("a"), 1) == pytest.approx(2.5)
    assert costs.expect(Recipe("a", {"x": 3}), 2) == pytest.approx(15)
    assert costs.expect(Recipe("a", rows=1000), 2) == pytest.approx(1)
    assert costs.expect(Recipe("a", rows=2000), 2) == pytest.approx(2)


def test_fewer_folds_say_what_all_take():
    costs = learnt()
    recipe = Recipe("a")
    costs.learn(TrialRecord("x", 0, 0, recipe, 0, "ok", seconds=3.0, fold_scores=(1.0,)))
    assert costs.expect(recipe, 5) == pytest.approx(15)


def test_one_that_was_killed_was_at_its_first_fold():
    costs, recipe = learnt(), Recipe("a")
    costs.learn(TrialRecord("x", 0, 0, recipe, 0, "timeout", seconds=20.0))
    assert costs.expect(recipe, 5) == pytest.approx(100)


def test_encoding_that_others_use_is_no_cost_of_a_trial():
    costs, recipe = learnt(), Recipe("a")
    folds = {"fit_seconds": 3.0, "fold_scores": (1.0,) * 2}
    costs.learn(TrialRecord("x", 0, 0, recipe, 0, "ok", seconds=9.0, **folds))
    assert costs.expect(recipe, 2) == pytest.approx(3)


def test_what_is_not_known_is_estimated_with_the_benefit_of_the_doubt():
    assert learnt().expect(Recipe("b"), 2) == pytest.approx(8 / DOUBT)
    slow = learnt(("a", 0, 80.0))
    assert slow.expect(Recipe("b"), 2) == pytest.approx(80 / DOUBT)
    assert learnt(("a", 0, 80.0), status="raised").expect(Recipe("a"), 2) < 8


def test_recipe_that_takes_too_long_gets_fewer_rows():
    costs = learnt(("a", 0, 40.0))
    recipe, sampled = Recipe("a", {"x": 1}), Recipe("a", {"x": 1}, rows=25_000)
    assert costs.affordable(recipe, 2, 50.0, 90.0) == recipe
    assert costs.affordable(recipe, 2, 30.0, 90.0) == recipe
    assert costs.affordable(recipe, 2, 20.0, 90.0) == sampled
    assert costs.affordable(recipe, 2, 50.0, 11.0) == sampled
    hope = costs.affordable(recipe, 2, 5.0, 30.0)
    assert hope == recipe, "stopped in the middle, for want of less"
    assert costs.affordable(recipe, 2, 5.0, 9.0) is None


def test_pod_shares_its_cores_with_nobody(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    assert machine.lanes_here(3) == 3
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    assert machine.lanes_here(3) == 1


def test_long_selections_of_classes_are_kept_time_for():
    size = {"scored_rows": 100, "budget_seconds": 60.0, "deploy": "none", "pods": False}
    of_values = estimate_tail(30_000, 10, 1, **size)
    of_classes = estimate_tail(30_000, 10, 2, **size)
    # Its limit is the same on a slow machine.
    assert of_classes.wait == pytest.approx(of_values.wait + 2 * selection_seconds(60))
    assert estimate_tail(300, 10, 2, **size).wait < of_values.wait + 0.1
    short = {**size, "budget_seconds": 20.0}
    assert estimate_tail(30_000, 10, 2, **short).wait == estimate_tail(30_000, 10, 1, **short).wait


def test_small_models_leave_their_time_for_the_refit_to_the_race():
    now = time.time()
    clock = Clock(began=now, end=now + 60, tail=30, refit=20, slots=2)
    assert clock.deadline == pytest.approx(now + 30)
    clock.learn(Price(0.1, 0.0, 2.0))
    assert clock.deadline == pytest.approx(now + 30 + 20 - 4.5)
    clock.learn(Price(0.1, 0.0, 6.0))
    assert clock.deadline == pytest.approx(now + 30 + 20 - 2.5 - 1.1 * 8 / 2)
    for _ in range(5):
        clock.learn(Price(0.2, 0.0, 30.0))
    assert clock.deadline == pytest.approx(now + 30)


def test_time_is_kept_for_the_members_that_are_foreseen_but_no_more_than_for_the_best():
    now = time.time()
    clock = Clock(began=now, end=now + 240, tail=80, refit=60, slots=2)
    for number in range(6):
        clock.learn(Price(0.1, 0.0, 20.0, trial=f"dear-{number}"))
        clock.learn(Price(0.2, 0.0, 1.0, trial=f"cheap-{number}"))
    assert clock.deadline == pytest.approx(now + 160)
    clock.expect(["dear-1", "cheap-1"])
    members = 2.5 + 1.25 * 1.1 * 21 / 2
    assert clock.deadline == pytest.approx(now + 160 + 60 - members)
    clock.expect([f"{kind}-{number}" for kind in ("dear", "cheap") for number in range(6)])
    assert clock.deadline == pytest.approx(now + 160)
    clock.expect([])
    assert clock.deadline == pytest.approx(now + 160)
    assert clock.kept == pytest.approx(60 - 4.5)


def test_one_fit_takes_as_long_on_many_slots():
    now = time.time()
    clock = Clock(began=now, end=now + 240, tail=80, refit=60, slots=8)
    clock.learn(
        Price(0.1, 0.0, 40.0, encode_seconds=1.0, encoding="tree", trial="dear", fit_seconds=20.0)
    )
    assert clock.kept == pytest.approx(2.5 + 1.1 * 21 - 4.5)
    assert clock.deadline == pytest.approx(now + 160 + 60 - 4.5 - clock.kept)
    clock.expect(["dear"])
    assert clock.deadline == pytest.approx(now + 160 + 60 - 4.5 - clock.kept)


def test_members_may_predict_a_little_longer_than_the_best_would():
    now = time.time()
    clock = Clock(began=now, end=now + 60, tail=10, scored_rows=1_000)
    assert clock.row_seconds == pytest.approx(0.03 * 60 / 2_000)
    for loss in range(6):
        clock.learn(Price(float(loss), 1e-4))
    clock.learn(Price(9.0, 1.0))
    assert clock.row_seconds == pytest.approx(0.03 * 60 / 2_000 + 6e-4)
    assert clock.deadline == pytest.approx(now + 50 - 2_000 * 6e-4)


def test_time_is_kept_for_what_errs_differently():
    now = time.time()

    def left(seconds: float, *, other: str) -> float:
        clock = Clock(began=now, end=now + seconds, tail=0.5 * seconds, refit=0.3 * seconds)
        for _ in range(6):
            clock.learn(Price(0.1, 0.0, 1.0, learner="trees"))
        clock.learn(Price(0.2, 0.0, 5.0, learner=other))
        return clock.deadline - now - 0.5 * seconds

    assert left(60, other="trees") - left(60, other="net") == pytest.approx(1.1 * 5.0)
    assert left(240, other="trees") - left(240, other="net") == pytest.approx(1.1 * 5.0)


def test_long_races_keep_time_for_further_draws_of_what_draws():
    now = time.time()
    assert Clock(began=now, end=now + 60, tail=10).draws == 1
    assert Clock(began=now, end=now + 240, tail=10).draws == 2
    folds = {"seconds": 10.0, "fold_scores": (1.0,) * 5}
    boosted = {"n_rounds": 100.0, "learning_rate": 0.1}

    def more(**learnt: float) -> float:
        record = TrialRecord("x", 0, 0, Recipe("a"), 0, "ok", learnt=learnt, **folds)
        return again_seconds(record, 2) / again_seconds(record)

    assert more(**boosted) == 2
    assert more(C=1.0) == 1
    network = {"epochs_0": 9.0, "epochs_1": 0.0, "epochs_2": 0.0, "settled": 0.0}
    assert more(**network) == pytest.approx(5 / 3)


def test_what_several_members_are_fitted_behind_is_encoded_once():
    now = time.time()

    def left(*encodings: str) -> float:
        clock = Clock(began=now, end=now + 60, tail=30, refit=20)
        for encoding in encodings:
            clock.learn(Price(0.1, 0.0, 4.0, encode_seconds=2.0, encoding=encoding))
        return clock.deadline - now - 30

    assert left("tree", "tree") - left("tree", "linear") == pytest.approx(1.1 * 2.0)


def test_what_is_slow_to_load_ends_the_race_earlier():
    now = time.time()
    clock = Clock(began=now, end=now + 60, tail=10)
    clock.learn(Price(0.1, 0.0, load_seconds=5.0))
    assert clock.deadline == pytest.approx(now + 50 - 1.6 * 5.0)


def test_slots_are_bounded_by_memory(monkeypatch: pytest.MonkeyPatch):
    # A node of 64 cores, and a pod of 2 GiB on it.
    monkeypatch.setattr(machine, "cores", lambda: 64)
    monkeypatch.setattr(machine, "free_memory", lambda: 2 * 2**30)
    assert machine.slots(1) == 3
    assert machine.memory_share(machine.slots(1)) >= machine.LEAST_TRIAL_BYTES
    monkeypatch.setattr(machine, "free_memory", lambda: 10**8)
    assert machine.slots(2) == 1
    monkeypatch.setattr(machine, "free_memory", lambda: 10**12)
    assert machine.slots(2) == 32
    # The memory of a pod was chosen for so many.
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    assert machine.slots(1) == machine.POD_SLOTS


def test_a_rate_of_zero_has_an_estimate():
    for key in ("lightgbm", "xgboost", "catboost", "hist_gradient_boosting"):
        costs = Costs(Shape("binary", 1_000, 20, 2), get_learner)
        assert 0 < costs.expect(Recipe(key, {"learning_rate": 0.0}), 5) < 1e6
