"""The median stopping rule: on records, and in a lane whose learner is made worse by noise."""

from dataclasses import replace
from math import inf
from pathlib import Path

import pytest

from regatta.artifacts import read_json
from regatta.artifacts.records import Recipe, TrialRecord
from regatta.evaluation.metrics import get_metric
from regatta.search.median import NEVER, Bars, bars, estimated_loss, mean_loss
from regatta.search.race import race
from regatta.search.sampler import BayesProposer
from tests.unit.search.fakes import TOOLBOX, open_features, plan_of
from tests.unit.search.test_sampler import SPACES

RMSE = get_metric("rmse", "regression")
AUC = get_metric("roc_auc", "binary")


def record(learner: str, *scores: float | None, **values) -> TrialRecord:
    """Return a trial that has these scores on its folds, and their mean on all rows."""
    status = values.pop("status", "ok")
    known = [score for score in scores if score is not None]
    whole = sum(known) / len(known) if status == "ok" else None
    recipe = Recipe(learner, **values)
    name = f"{learner}-{scores}"
    return TrialRecord(name, 0, 0, recipe, 0, status, score=whole, fold_scores=scores)


WHOLE = [
    record("tree", 1.0, 3.0, 2.0),
    record("line", 2.0, 4.0, 2.0),
    record("net", 3.0, 5.0, 2.0),
    record("tree", 4.0, 6.0, 2.0),
]


def test_a_bar_is_the_median_of_the_same_folds_or_the_best_of_the_learner() -> None:
    assert bars(WHOLE, Recipe("tree"), RMSE, 3) == Bars((2.5, 3.5), "half of the trials")
    assert bars(WHOLE, Recipe("net"), RMSE, 3).losses == (3.0, 4.0)


def test_the_first_of_a_learner_is_given_up_for_the_worst_first_fold_only() -> None:
    found = bars(WHOLE, Recipe("new"), RMSE, 3, spare_seconds=2.0)
    assert found == Bars((4.0, inf), "all whole trials", 2.0)
    alike = [replace(one, recipe=Recipe("tree")) for one in WHOLE]
    assert bars(alike, Recipe("new"), RMSE, 3) == NEVER
    assert bars([record("tree", 1.0)] * 4, Recipe("new"), RMSE, 1) == NEVER


def test_trials_of_a_sample_raise_no_bar() -> None:
    sampled = [record(key, 50.0, 60.0, 70.0, rows=500) for key in ("tree", "line", "svm")]
    assert bars([*WHOLE, *sampled], Recipe("tree"), RMSE, 3) == bars(WHOLE, Recipe("tree"), RMSE, 3)


def test_scores_of_which_more_is_better_give_bars_of_losses() -> None:
    whole = [record("tree", score, score + 0.1) for score in (0.6, 0.7, 0.8, 0.9)]
    assert bars(whole, Recipe("tree"), AUC, 2).losses == pytest.approx((-0.75,))


@pytest.mark.parametrize(
    ("records", "recipe"),
    [
        (WHOLE[:3], Recipe("tree")),
        (WHOLE, Recipe("tree", rows=500)),
        (WHOLE, Recipe("tree", origin="user")),
        ([replace(one, fold_scores=one.fold_scores[:2]) for one in WHOLE], Recipe("tree")),
        ([replace(one, fold_scores=(1.0, None, 1.0)) for one in WHOLE], Recipe("tree")),
        ([replace(one, status="stopped", score=None) for one in WHOLE], Recipe("tree")),
    ],
)
def test_there_is_no_bar_where_too_little_is_known(records, recipe) -> None:
    assert bars(records, recipe, RMSE, 3) == NEVER


def test_the_loss_of_a_trial_given_up_is_that_of_the_best_and_what_it_is_behind() -> None:
    given_up = record("tree", 1.5, status="stopped")
    assert estimated_loss(given_up, WHOLE[:1], RMSE) == pytest.approx(2.5)
    assert estimated_loss(given_up, [], RMSE) is None
    assert mean_loss((1.0, None), RMSE) is None


def test_what_is_given_up_is_no_failure_of_its_learner() -> None:
    proposer = BayesProposer(SPACES, RMSE, 0)
    proposer.tell(record("bad", 1.0, 1.0, params={"y": 0.5}))
    proposer.tell(record("good", 9.0, 9.0, params={"x": 0.9, "n": 5}))
    for _ in range(5):
        proposer.tell(record("good", 9.5, status="stopped", params={"x": 0.95, "n": 5}))
    asked = {proposer.ask().learner for _ in range(30)}
    assert asked == {"good", "bad"}


def test_a_learner_that_is_given_up_whenever_it_is_tried_is_left_alone() -> None:
    proposer = BayesProposer(SPACES, RMSE, 0)
    proposer.tell(record("good", 1.0, 1.0, params={"x": 0.9, "n": 5}))
    for _ in range(2):
        proposer.tell(record("bad", 9.0, status="stopped", params={"y": 0.5}))
    assert {proposer.ask().learner for _ in range(20)} == {"good"}


def raced(tmp_path: Path, noises: list[float], **settings) -> list[TrialRecord]:
    """Race a line with noise on its weights, one trial at a time."""
    table = open_features(tmp_path / "features")
    search = {"cores": 1, **settings}
    plan = plan_of(table, [Recipe("line", {"noise": noise}) for noise in noises], search=search)
    folder = tmp_path / "trials"
    folder.mkdir()
    # Two trials more than the queue has, so that the sampler hears of what was given up.
    plan = replace(plan, refine="bayes", max_trials=(len(noises) + 2,))
    summary = race(table, plan, 0, folder, toolbox=TOOLBOX)
    return [
        TrialRecord.from_dict(read_json(folder / name / "trial.json")) for name in summary["trials"]
    ]


def test_a_lane_gives_up_what_is_behind_and_goes_on(tmp_path: Path) -> None:
    records = raced(tmp_path, [0.0, 0.01, 0.02, 0.03, 50.0])
    assert [one.status for one in records[:4]] == ["ok"] * 4
    hopeless = records[4]
    assert (hopeless.status, hopeless.score, len(hopeless.fold_scores)) == ("stopped", None, 1)
    assert "on 1 of 3 folds" in hopeless.reason
    assert hopeless.recipe.params == {"alpha": 1.0, "noise": 50.0}
    folder = tmp_path / "trials" / hopeless.id
    assert not (folder / "model").exists()
    assert not (folder / "oof.npy").exists()
    assert len(records) == 7
    assert not any(one.recipe.origin.startswith("retry") for one in records)


@pytest.mark.parametrize(("learner", "status"), [("slow", "stopped"), ("deaf", "ok")])
def test_a_lane_gives_up_a_new_learner_that_is_worse_than_all_and_takes_long(
    tmp_path: Path, learner: str, status: str
) -> None:
    table, folder = open_features(tmp_path / "features"), tmp_path / "trials"
    folder.mkdir()
    keys = "line", "raises_if_noisy", "nan_if_noisy", "line"
    good = [Recipe(key, {"alpha": 1.0 + number}) for number, key in enumerate(keys)]
    recipes = [*good, Recipe(learner, {"noise": 50.0})]
    plan = plan_of(table, recipes, search={"cores": 1}, budget={"seconds": 10.0})
    *_, name = race(table, plan, 0, folder, toolbox=TOOLBOX)["trials"]
    last = TrialRecord.from_dict(read_json(folder / name / "trial.json"))
    assert last.status == status
    assert ("all whole trials have" in last.reason) == (status == "stopped")


def test_nothing_is_given_up_where_it_is_switched_off(tmp_path: Path) -> None:
    records = raced(tmp_path, [0.0, 0.01, 0.02, 0.03, 50.0], median_stopping=False)
    assert records[4].status == "ok"
