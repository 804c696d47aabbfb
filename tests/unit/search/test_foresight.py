"""Looking ahead at the ensemble: when, and that it is what the stage selects."""

import time
from dataclasses import replace
from pathlib import Path

import pytest

from regatta.artifacts import read_json
from regatta.artifacts.records import Recipe, TrialRecord
from regatta.ensemble.candidates import Trial
from regatta.ensemble.select import select
from regatta.search.clock import Clock
from regatta.search.foresight import Foresight
from regatta.search.lane import Lane
from regatta.search.plan import Plan
from regatta.search.race import race
from tests.unit.search.fakes import TOOLBOX, open_features, plan_of

RECIPES = [Recipe("line", {"noise": noise}) for noise in (0.2, 0.25, 0.3, 0.35)]


def clock_of(left: float, race_seconds: float = 200.0) -> Clock:
    """Return a clock of a race of which so much is left, in seconds."""
    end = time.time() + left
    return Clock(began=end - race_seconds, end=end, tail=0.0)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_trials_foreseen_are_those_that_are_selected(tmp_path: Path, weighted: bool) -> None:
    table = open_features(tmp_path / "features", task="regression", weighted=weighted)
    plan = plan_of(table, [*RECIPES, Recipe("raises")], search={"cores": 1})
    folder = tmp_path / "trials"
    folder.mkdir()
    names = race(table, plan, 0, folder, toolbox=TOOLBOX)["trials"]
    records = [TrialRecord.from_dict(read_json(folder / name / "trial.json")) for name in names]
    limits = {"max_members": 8, "iterations": plan.settings.ensemble.iterations, "seed": 0}
    chosen = select(
        [Trial(record, folder) for record in records if record.status == "ok"],
        table.y,
        table.folds,
        plan.objective,
        seconds=10.0,
        weights=table.weights,
        **limits,
    )
    foresight = Foresight(plan, folder)
    found = foresight.members(records, table, float("inf"))
    assert sorted(found) == sorted(trial.record.id for trial, _ in chosen.members)
    assert len(found) > 1
    assert not foresight.is_due(clock_of(20.0))
    assert foresight.members(records[-1:], table, float("inf")) == []


def test_it_looks_near_the_end_of_a_long_race(tmp_path: Path) -> None:
    table = open_features(tmp_path / "features")
    plan = plan_of(table, RECIPES)

    def due(clock: Clock, plan: Plan = plan) -> bool:
        return Foresight(plan, tmp_path).is_due(clock)

    assert due(clock_of(20.0))
    assert not due(clock_of(120.0))
    assert not due(clock_of(5.0, race_seconds=50.0))
    assert not due(clock_of(20.0), plan_of(table, RECIPES, search={"max_trials": 4}))
    assert not due(clock_of(20.0), plan_of(table, RECIPES, ensemble={"max_bytes": 1_000_000}))
    assert not due(clock_of(20.0), plan_of(table, RECIPES, lanes=2))


def test_a_race_gets_the_time_that_its_ensemble_does_not_need(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("regatta.search.clock.LONG_SECONDS", 1.0)
    monkeypatch.setattr("regatta.search.foresight.NEAR_SHARE", 1.0)
    table = open_features(tmp_path / "features")
    # What is slow predicts the same as what is not, so that an ensemble takes one of them.
    recipes = [Recipe(key, {"alpha": a}) for a in (1.0, 50.0) for key in ("slow", "line")]
    plan = replace(plan_of(table, recipes, search={"cores": 1}), refit=10.0)
    folder = tmp_path / "trials"
    folder.mkdir()
    lane = Lane(table, plan, 0, folder, tmp_path, TOOLBOX)
    lane.start_clock(0.0, 1.0)
    lane.run()
    assert lane.foresight.looked_at
    foreseen = lane.clock.deadline
    lane.clock.expect([])
    assert lane.clock.deadline < foreseen
