"""The first trial finds out whether there is time for the folds."""

import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from regatta.artifacts import write_json
from regatta.artifacts.records import Recipe, TrialRecord
from regatta.refit.whole import AllRows, recipe_of_whole
from regatta.search import table as tables
from regatta.search import trial
from regatta.search.costs import again_seconds
from regatta.search.job import First, Progress
from regatta.search.lane import Lane, _again
from regatta.search.race import race
from regatta.search.resuming import NOTES
from regatta.search.retries import retried
from tests.unit.search.fakes import TOOLBOX, Line, Slow, open_features, plan_of


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Return a table whose fits are all cut short, and whose folds are large enough."""
    fit = Line.fit

    def short(self, *args, **kwargs):
        model = fit(self, *args, **kwargs)
        model.truncated = True
        return model

    monkeypatch.setattr(Line, "fit", short)
    monkeypatch.setattr(tables, "HOLDOUT_ROWS", 10)
    return open_features(tmp_path / "features")


def run(table, tmp_path: Path, lanes: int = 1, **settings) -> tuple[dict, list[TrialRecord]]:
    recipes = [Recipe("line", {"alpha": alpha}) for alpha in (1.0, 2.0, 3.0)]
    plan = plan_of(table, recipes, lanes=lanes, search={"cores": 2}, **settings)
    folder = tmp_path / "lane"
    folder.mkdir()
    summary = race(table, plan, 0, folder, toolbox=TOOLBOX)
    paths = [folder / name / "trial.json" for name in summary["trials"]]
    return summary, [TrialRecord.from_dict(json.loads(path.read_text())) for path in paths]


def test_one_fold_does_where_the_first_trial_is_cut_short(table, tmp_path: Path):
    summary, records = run(table, tmp_path)
    assert summary["folds"] == 1
    # What had begun with all folds beside it is tried again with one.
    single = [record for record in records if len(record.fold_scores) == 1]
    assert {record.recipe.params["alpha"] for record in single} == {1.0, 2.0, 3.0}
    assert summary["best"]["id"] in {record.id for record in single}


def test_what_is_at_work_ends_with_its_first_fold(table, tmp_path: Path, monkeypatch):
    # Each takes its time for a fold, and the first trial but a little.
    monkeypatch.setattr(Line, "before", lambda self: time.sleep(0.05 if self.quick else 0.4))
    monkeypatch.setattr(Line, "quick", True, raising=False)
    monkeypatch.setattr(Slow, "quick", False, raising=False)
    monkeypatch.setattr(Slow, "before", Line.before)
    plan = plan_of(table, [Recipe("line"), Recipe("slow")], search={"cores": 2})
    folder = tmp_path / "lane"
    folder.mkdir()
    summary = race(table, plan, 0, folder, toolbox=TOOLBOX)
    assert summary["trials"] == ["00-000-line", "00-001-slow"]
    record = TrialRecord.from_dict(json.loads((folder / "00-001-slow/trial.json").read_text()))
    assert (record.status, record.reason, len(record.fold_scores)) == ("ok", "", 1)


def test_what_is_tried_again_is_a_trial_of_its_own():
    retry = Recipe("line", origin="retry of 00-001-line", number=4)
    records = [
        TrialRecord("a", 0, 4, retry, 0, "ok", score=1.0, fold_scores=(1.0,) * 3),
        TrialRecord("b", 0, 5, Recipe("slow", number=5), 0, "stopped", fold_scores=(1.0,) * 2),
        TrialRecord("c", 0, 6, Recipe("line", origin="user"), 0, "ok", score=1.0),
    ]
    assert _again(records) == [Recipe("line", origin="again"), Recipe("line", origin="user")]


def test_folds_behind_the_first_are_forgotten():
    oof = np.arange(12, dtype=np.float32).reshape(6, 2)
    progress = Progress(oof, scores=[0.1, 0.2, 0.3], encoders=["a", "b", "c"], learnt=[{}] * 3)
    progress.predict_seconds_per_row = 3.0
    progress.fit_seconds = 3.3
    progress.first = First(1.5, 1.1, 0.2, True)
    progress.settle_for_first(np.array([1, 4]))
    assert progress.settled
    assert progress.truncated
    assert (progress.folds, progress.encoders, progress.learnt) == (1, ["a"], [{}])
    assert (progress.fit_seconds, progress.encode_seconds) == (1.1, 0.2)
    assert progress.predict_seconds_per_row == 1.0
    assert np.flatnonzero(np.isfinite(progress.oof[:, 0])).tolist() == [1, 4]
    assert progress.oof[4].tolist() == [8, 9]


def test_a_lane_that_goes_on_keeps_to_it(table, tmp_path: Path):
    first, records = run(table, tmp_path)
    # The notes of a lane that died are still there.
    notes = tmp_path / "lane" / NOTES
    notes.mkdir()
    for record in records:
        asked = replace(record.recipe, params={"alpha": record.recipe.params["alpha"]})
        write_json(notes / f"{record.id}.json", replace(record, recipe=asked).to_dict())
    recipes = [Recipe("line", {"alpha": alpha}) for alpha in (1.0, 2.0, 3.0, 4.0)]
    plan = plan_of(table, recipes, search={"cores": 2})
    (tmp_path / "lane" / "lane.json").unlink()
    summary = race(table, plan, 0, tmp_path / "lane", toolbox=TOOLBOX)
    assert summary["folds"] == 1
    assert summary["statuses"] == {"ok": first["statuses"]["ok"] + 1}


def test_small_folds_stay(table, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(tables, "HOLDOUT_ROWS", 10_000)
    summary, records = run(table, tmp_path)
    assert summary["folds"] == table.n_folds
    assert {len(record.fold_scores) for record in records} == {table.n_folds}


def test_lanes_that_could_differ_keep_theirs(table, tmp_path: Path):
    assert run(table, tmp_path, lanes=2)[0]["folds"] == table.n_folds


def record_of(**values) -> TrialRecord:
    recipe = Recipe("lightgbm", {"n_rounds": 5000, "patience": 60, "learning_rate": 0.05})
    record = TrialRecord("a", 0, 0, recipe, 0, "ok", fold_scores=(0.1,) * 5, seconds=10.0)
    return replace(record, **values)


def test_a_fit_of_all_rows_takes_over_what_the_folds_have_found():
    learnt = {"n_rounds": 100.0, "learning_rate": 0.1}
    recipe = recipe_of_whole(record_of(learnt=learnt), 1.44)
    assert recipe is not None
    assert recipe.params == {"n_rounds": 120, "patience": 120, "learning_rate": 0.1}
    sampled = replace(record_of().recipe, rows=500)
    recipe = recipe_of_whole(record_of(learnt=learnt, recipe=sampled), 1.44)
    assert recipe is not None
    assert recipe.params["n_rounds"] == 100
    assert recipe_of_whole(record_of(), 1.44) is None
    assert again_seconds(record_of()) == 10.0
    assert again_seconds(record_of(learnt=learnt)) < 5.0


def test_folds_that_kept_another_pace_say_the_same():
    fast, slow = ({"n_rounds": n, "learning_rate": 10 / n} for n in (50.0, 200.0))
    mean = trial._mean_of([fast, slow])
    assert mean is not None
    assert mean["n_rounds"] * mean["learning_rate"] == pytest.approx(10)
    assert trial._mean_of([fast, None]) is None


def test_all_rows_are_learnt_from_and_some_are_checked(table):
    whole = AllRows.of(table, 0)
    assert (len(whole.train(0)), whole.n_folds) == (table.n_rows, 1)
    assert 0 < len(whole.valid(0)) <= table.n_rows
    assert set(whole.y[whole.valid(0)]) == set(table.y)
    assert (AllRows.of(table, 0).valid(0) == whole.valid(0)).all()


def test_a_forest_that_time_has_cut_short_grows_as_many_trees_as_its_folds():
    forest = Recipe("extra_trees", {"n_trees": 300})
    for grown, wanted in ((10.0, 50), (300.0, 300)):
        record = record_of(recipe=forest, learnt={"n_trees": grown})
        recipe = recipe_of_whole(record, 1.44)
        assert recipe is not None
        assert recipe.params == {"n_trees": wanted}
        assert again_seconds(record) == pytest.approx(1.2 * 1.5 * 2.0 * wanted / grown)


def test_a_trial_that_killed_the_lane_is_not_begun_again(table, tmp_path: Path):
    _, records = run(table, tmp_path)
    # One was done with all folds when the lane settled, and then killed the lane with one.
    single = next(record for record in records if record.recipe.params["alpha"] == 2.0)
    several = replace(single, id="00-009-line", fold_scores=single.fold_scores * 3)
    crashed = replace(single, status="crashed", fold_scores=(), score=None)
    (tmp_path / "lane" / several.id).mkdir()
    for record in (several, crashed):
        place = tmp_path / "lane" / record.id / "trial.json"
        place.write_text(json.dumps(record.to_dict()))
    plan = plan_of(table, [], search={"cores": 2})
    lane = Lane(table, plan, 0, tmp_path / "lane", tmp_path, TOOLBOX)
    lane.start_clock(0.0, 1.0)
    assert lane.table.n_folds == 1
    again = [recipe.params["alpha"] for recipe in lane.retries if not retried(recipe)]
    assert 2.0 not in again
