"""Looking ahead at the ensemble: when, and that it is what the stage selects."""

import time
from dataclasses import replace
from pathlib import Path

import pytest

from regatta.artifacts import read_json
from regatta.artifacts.records import Recipe, TrialRecord
from regatta.ensemble.candidates import Trial
from regatta.ensemble.select import select
from regatta.search import foresight
from regatta.search.clock import Clock
from regatta.search.foresight import Foresight
from regatta.search.lane import Lane
from regatta.search.plan import Plan
from regatta.search.race import race
from regatta.search.table import TrainingTable
from tests.unit.search.fakes import TOOLBOX, open_features, plan_of

RECIPES = [Recipe("line", {"noise": noise}) for noise in (0.2, 0.25, 0.3, 0.35)]


class Told(Clock):
    """A clock near the end of a long race, that notes what it is told."""

    def __init__(self, left: float = 20.0, race_seconds: float = 200.0, refit: float = 30.0):
        end = time.time() + left
        super().__init__(began=end - race_seconds, end=end, tail=0.0, refit=refit)
        self.told: list[list[str]] = []

    def expect(self, members):
        self.told.append(sorted(members))


@pytest.fixture(params=[False, True], ids=["plain", "weighted"])
def raced(request, tmp_path: Path) -> tuple[TrainingTable, Plan, Path, list[TrialRecord]]:
    """A race with a failure in it."""
    table = open_features(tmp_path / "features", task="regression", weighted=request.param)
    plan = plan_of(table, [*RECIPES, Recipe("raises")], search={"cores": 1})
    folder = tmp_path / "trials"
    folder.mkdir()
    names = race(table, plan, 0, folder, toolbox=TOOLBOX)["trials"]
    records = [TrialRecord.from_dict(read_json(folder / name / "trial.json")) for name in names]
    return table, plan, folder, records


def test_the_trials_foreseen_are_those_that_are_selected(raced) -> None:
    table, plan, folder, records = raced
    chosen = select(
        [Trial(record, folder) for record in records if record.status == "ok"],
        table.y,
        table.folds,
        plan.objective,
        max_members=plan.settings.ensemble.max_members,
        iterations=plan.settings.ensemble.iterations,
        seed=0,
        seconds=10.0,
        weights=table.weights,
    )
    ahead, clock = Foresight(plan, folder), Told()
    ahead.look(records, table, clock)
    assert clock.told == [sorted(trial.record.id for trial, _ in chosen.members)]
    assert len(clock.told[0]) > 1
    ahead.look(records, table, clock)
    assert len(clock.told) == 1, "a while has to go by"


def test_what_cannot_be_foreseen_is_not_known(
    raced, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    table, plan, folder, records = raced
    clock = Told()
    Foresight(plan, folder).look(records[-1:], table, clock)
    with monkeypatch.context() as patched:
        patched.setattr(foresight, "SECONDS", 0.0)
        Foresight(plan, folder).look(records, table, clock)
    (folder / records[0].id / "oof.npy").unlink()
    Foresight(plan, folder).look(records, table, clock)
    assert clock.told == [[], [], []]
    assert "no look at the ensemble" in caplog.text


def test_it_looks_near_the_end_of_a_long_race(tmp_path: Path) -> None:
    table = open_features(tmp_path / "features")
    plan = plan_of(table, RECIPES)

    def looks(clock: Told, plan: Plan = plan) -> bool:
        Foresight(plan, tmp_path).look([], table, clock)
        return bool(clock.told)

    assert looks(Told())
    assert not looks(Told(left=120.0))
    assert not looks(Told(left=-1.0))
    assert not looks(Told(left=5.0, race_seconds=50.0))
    assert not looks(Told(refit=5.0)), "there is nothing to gain"
    assert not looks(Told(), plan_of(table, RECIPES, search={"max_trials": 4}))
    assert not looks(Told(), plan_of(table, RECIPES, ensemble={"max_bytes": 1_000_000}))
    assert not looks(Told(), plan_of(table, RECIPES, lanes=2))
    assert not looks(Told(), replace(plan, n_train_rows=3_000_000))


def test_a_race_gets_the_time_that_its_ensemble_does_not_need(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("regatta.search.clock.LONG_SECONDS", 1.0)
    monkeypatch.setattr(foresight, "NEAR_SHARE", 1.0)
    monkeypatch.setattr(foresight, "WORTH_SECONDS", 0.0)
    table = open_features(tmp_path / "features")
    # What is slow predicts the same as what is not, so that an ensemble takes one of them.
    recipes = [Recipe(key, {"alpha": a}) for a in (1.0, 50.0) for key in ("slow", "line", "slow")]
    plan = replace(plan_of(table, recipes, search={"cores": 1}), refit=12.0)
    folder = tmp_path / "trials"
    folder.mkdir()
    lane = Lane(table, plan, 0, folder, tmp_path, TOOLBOX)
    lane.start_clock(0.0, 1.0)
    lane.run()
    assert lane.foresight.looked_at
    foreseen = lane.clock.deadline
    lane.clock.expect([])
    assert lane.clock.deadline < foreseen
