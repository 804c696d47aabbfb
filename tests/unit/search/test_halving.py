"""Successive halving: brackets, promotions, and a race of it."""

from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regatta.artifacts import read_json
from regatta.artifacts.records import Recipe, TrialRecord
from regatta.evaluation.metrics import get_metric
from regatta.search.budget import Tail
from regatta.search.halving import HalvingProposer, brackets, rungs
from regatta.search.plan import make_plan
from regatta.search.race import race
from regatta.search.sampler import QueueProposer
from regatta.settings import RunSettings
from tests.unit.search.fakes import TOOLBOX, open_features

RMSE = get_metric("rmse", "regression")
ROWS = (100, 400, 0)


@given(st.integers(1, 3), st.integers(1, 200), st.integers(0, 50))
def test_brackets_spend_every_trial(n_rungs: int, trials: int, first: int):
    found = list(brackets(n_rungs, trials, first))
    assert sum(bracket.total for bracket in found) == trials
    place = first
    for bracket in found:
        assert bracket.first == place
        assert 0 <= bracket.rung < n_rungs
        place += bracket.total


def test_brackets_without_end_are_whole():
    assert [b.size for b in islice(brackets(3), 4)] == [9] * 4
    assert [b.first for b in islice(brackets(3), 4)] == [0, 13, 26, 39]


def record(recipe: Recipe, score: float | None) -> TrialRecord:
    status = "raised" if score is None else "ok"
    return TrialRecord(str(recipe.number), 0, recipe.number, recipe, 0, status, score=score)


def proposer(n_recipes: int, trials: int | None = None, lane: int = 0, lanes: int = 1):
    source = QueueProposer([Recipe("a", {"x": x}) for x in range(n_recipes)])
    contests = islice(brackets(3, trials), lane, None, lanes)
    return HalvingProposer(source, contests, ROWS, RMSE)


def test_the_best_third_goes_on_with_four_times_the_rows():
    halving = proposer(9, 13)
    first = [halving.ask() for _ in range(9)]
    assert [recipe.number for recipe in first] == list(range(9))
    assert {recipe.rows for recipe in first} == {100}
    assert halving.ask() is None
    for recipe in reversed(first):
        halving.tell(record(recipe, abs(recipe.params["x"] - 4.2)))
    second = [halving.ask() for _ in range(3)]
    assert [recipe.params["x"] for recipe in second] == [4, 5, 3]
    assert [(recipe.number, recipe.rows) for recipe in second] == [(9, 400), (10, 400), (11, 400)]
    assert halving.ask() is None
    for recipe in second:
        halving.tell(record(recipe, -recipe.params["x"]))
    last = halving.ask()
    assert (last.params["x"], last.rows, last.number, last.origin) == (5, 0, 12, "halving")
    halving.tell(record(last, 0.0))
    assert halving.ask() is None


def test_failures_do_not_go_on():
    halving = proposer(9, 13)
    first = [halving.ask() for _ in range(9)]
    for recipe in first:
        halving.tell(record(recipe, 1.0 if recipe.params["x"] == 8 else None))
    (only,) = iter(halving.ask, None)
    assert (only.params["x"], only.rows) == (8, 400)


def test_idle_slots_begin_the_next_bracket():
    halving = proposer(18)
    asked = [halving.ask() for _ in range(12)]
    assert [recipe.number for recipe in asked] == [*range(9), 13, 14, 15]
    for recipe in asked[:9]:
        halving.tell(record(recipe, float(recipe.params["x"])))
    assert (halving.ask().number, halving.ask().number) == (9, 10)


def test_retries_and_strangers_are_no_part_of_a_rung():
    halving = proposer(3, 4)
    first = [halving.ask() for _ in range(3)]
    for recipe in first:
        halving.tell(record(recipe, float(recipe.params["x"])))
    again = Recipe("a", {"x": 1}, 50, "retry of 0", 3)
    promoted = halving.ask()
    assert promoted.number == 3
    halving.tell(record(again, -1.0))
    halving.tell(record(Recipe("b", number=77), 0.0))
    halving.tell(record(promoted, 1.0))
    assert halving.ask() is None


@pytest.mark.parametrize("trials", [0, 13])
def test_race_by_halving(tmp_path: Path, trials: int):
    table = open_features(tmp_path / "features", n_rows=12_000)
    settings = RunSettings.from_values(
        {
            "search": {"strategy": "halving", "learners": ["line"], "cores": 1,
                       "max_trials": trials, "memory_bytes": 10**9},
            "budget": {"seconds": 25},
        }
    )  # fmt: skip
    plan = make_plan(table, settings, TOOLBOX)
    assert plan.refine == "halving"
    assert plan.lanes[0][0].origin == "portfolio"
    assert plan.lanes[0][1].origin == "random"
    short = settings.merged({"budget": {"seconds": 5}})
    plan = replace(plan, settings=short, tail=Tail(0.0, 0.0))
    (tmp_path / "trials").mkdir()
    found = race(table, plan, 0, tmp_path / "trials", toolbox=TOOLBOX)
    records = [
        TrialRecord.from_dict(read_json(tmp_path / "trials" / name / "trial.json"))
        for name in found["trials"]
    ]
    assert len(records) == trials or (not trials and len(records) > 13)
    assert [record.recipe.rows for record in records[:13]] == [500] * 9 + [2000] * 3 + [0]
    top = sorted(records[:9], key=lambda record: -record.score)[:3]
    assert [r.recipe.params for r in records[9:12]] == [r.recipe.params for r in top]
    if not trials:
        assert [record.number for record in records] == list(range(len(records)))


def test_rungs_of_a_small_table():
    assert rungs(100) == (0,)
    assert rungs(10**6) == (62_500, 250_000, 0)
