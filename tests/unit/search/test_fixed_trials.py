"""A number of trials fixes the leaderboard, whatever lanes and cores share the work."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from regatta.artifacts import read_json
from regatta.ensemble.candidates import read_lanes
from regatta.ensemble.leaderboard import leaderboard
from regatta.ensemble.select import Selection
from regatta.evaluation.metrics import get_metric
from regatta.search.budget import Tail
from regatta.search.plan import Plan, make_plan
from regatta.search.race import race
from regatta.settings import RunSettings
from regatta.stages import plan as planning
from regatta.stages import trial
from tests.unit.search.fakes import ACCIDENTS, TOOLBOX, open_features, write_features


def settings(lanes: int, **search) -> RunSettings:
    return RunSettings.from_values(
        {"search": {"lanes": lanes, "memory_bytes": 10**9, **search}, "budget": {"seconds": 600}}
    )


def board(folders: list[Path]) -> list[dict]:
    """Return the leaderboard of some lanes, without accidents, and where a trial ran."""
    found = read_lanes(folders)
    rows = leaderboard(found, Selection((), 0.0), get_metric("roc_auc", "binary"))["trials"]
    return [
        {key: value for key, value in row.items() if key not in (*ACCIDENTS, "lane")}
        for row in rows
    ]


def raced(plan: Plan, table, root: Path) -> list[dict]:
    """Race every lane of a plan with the fakes; return the leaderboard."""
    from regatta.artifacts import writing

    for lane in range(len(plan.lanes)):
        with writing(root / f"{lane}", "trials", lane=lane) as folder:
            race(table, plan, lane, folder, toolbox=TOOLBOX)
    return board([root / f"{lane}" for lane in range(len(plan.lanes))])


@pytest.mark.parametrize("strategy", ["portfolio", "bayes", "random", "grid", "halving"])
def test_lanes_and_cores_change_nothing(tmp_path: Path, strategy: str):
    table = open_features(tmp_path / "features", n_rows=900)
    boards = []
    for lanes, cores in ((1, 1), (2, 2), (3, 1)):
        wanted = settings(
            lanes, cores=cores, max_trials=8, strategy=strategy, learners=["line", "raises"]
        )
        plan = make_plan(table, wanted, TOOLBOX)
        boards.append(raced(plan, table, tmp_path / f"{lanes}"))
    assert boards[0] == boards[1] == boards[2]
    first = [row for row in boards[0] if not row["id"].endswith("-retry")]
    assert len(first) == 8 if strategy != "halving" else 6 <= len(first) <= 8
    assert len({row["id"] for row in boards[0]}) == len(boards[0])
    assert len({row["seed"] for row in boards[0]}) == len(boards[0])
    assert [row["rank"] for row in boards[0] if row["rank"]] == list(
        range(1, 1 + sum(row["status"] == "ok" for row in boards[0]))
    )


def shortened(plan: Plan, seconds: float) -> Plan:
    """Return a plan with little time, all of it for the race."""
    settings = plan.settings.merged({"budget": {"seconds": seconds}})
    return replace(plan, settings=settings, tail=Tail(0.0, 0.0))


def test_fits_are_not_cut_short(tmp_path: Path):
    table = open_features(tmp_path / "features", n_rows=300, n_folds=8)
    plan = make_plan(table, settings(1, cores=1, max_trials=1, learners=["slow"]), TOOLBOX)
    # Three tenths of the race are less than the 2.4 s of a trial.
    (row,) = raced(shortened(plan, 6), table, tmp_path / "lanes")
    assert (row["status"], row["truncated"], len(row["fold_scores"])) == ("ok", False, 8)


def test_end_of_the_budget_is_a_timeout_and_what_is_left_is_told(tmp_path: Path, caplog):
    table = open_features(tmp_path / "features")
    plan = make_plan(table, settings(1, cores=1, max_trials=3, learners=["hangs"]), TOOLBOX)
    (row,) = raced(shortened(plan, 2.6), table, tmp_path / "lanes")
    assert row["status"] == "timeout"
    assert "the race ended" in row["reason"]
    assert "before 2 of 3 trials began" in caplog.text


def test_plan_has_as_many_recipes_as_were_asked_for(tmp_path: Path):
    table = open_features(tmp_path / "features")
    for strategy in ("portfolio", "bayes", "random"):
        plan = make_plan(table, settings(3, max_trials=70, strategy=strategy))
        numbers = sorted(recipe.number for lane in plan.lanes for recipe in lane)
        assert numbers == list(range(70))
        assert plan.max_trials == (24, 23, 23)
        assert plan.refine == "none"


@pytest.mark.slow
def test_real_learners_give_one_leaderboard(tmp_path: Path):
    features = write_features(tmp_path / "features", n_rows=240)
    boards = []
    for lanes in (1, 2, 3):
        wanted = settings(lanes, cores=2, max_trials=5, learners=["linear", "lightgbm"])
        planned = str(tmp_path / f"plan-{lanes}")
        planning.run(str(features), wanted.to_json(), planned)
        folders = [tmp_path / f"{lanes}-{lane}" for lane in range(lanes)]
        for lane, folder in enumerate(folders):
            trial.run(str(features), planned, lane, 0.0, str(folder))
        boards.append(board(folders))
        best = folders[0] / read_json(folders[0] / "lane.json")["trials"][0]
        assert np.isfinite(np.load(best / "oof.npy")).all()
    assert json.dumps(boards[0]) == json.dumps(boards[1]) == json.dumps(boards[2])
    assert [row["status"] for row in boards[0]] == ["ok"] * 5
