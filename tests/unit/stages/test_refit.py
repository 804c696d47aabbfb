"""The stage ``refit``, behind all stages before it, on a real table."""

import json
import time
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from regatta import bundle as bundles
from regatta.artifacts import read_json, write_json, writing
from regatta.artifacts.records import RECORD, Recipe, TrialRecord
from regatta.bundle import Measured
from regatta.dataset import conform, load_frame
from regatta.dataset.schema import Schema
from regatta.evaluation.metrics import get_metric
from regatta.refit import WHOLE, again
from regatta.refit.whole import draw_name
from regatta.search.costs import again_seconds, draws_of
from regatta.settings import RunSettings
from regatta.splits import Splits
from regatta.stages import ensemble, featurize, ingest, plan, refit, split, trial, validate
from regatta.testing.tables import binary_table


@pytest.fixture(scope="module")
def raced(tmp_path_factory) -> Path:
    """A race of two trials on repeated folds, and the bundle of both."""
    folder = tmp_path_factory.mktemp("raced")
    binary_table(400).to_csv(folder / "table.csv", index=False)
    settings = json.dumps(
        {
            "data": {"source": str(folder / "table.csv"), "target": "outcome"},
            "search": {"max_trials": 2, "cores": 2, "learners": ["lightgbm", "linear"]},
            "split": {"folds": 4, "repeats": 2},
            "budget": {"seconds": 300},
        }
    )
    path = {name: str(folder / name) for name in ("dataset", "schema", "splits", "features")}
    ingest.run(settings, path["dataset"])
    validate.run(path["dataset"], settings, path["schema"])
    split.run(path["dataset"], path["schema"], settings, path["splits"])
    featurize.run(path["dataset"], path["schema"], path["splits"], path["features"])
    plan.run(path["features"], settings, str(folder / "plan"))
    trial.run(path["features"], str(folder / "plan"), 0, 0.0, str(folder / "lane"))
    names = ("features", "plan", "bundle", "leaderboard")
    ensemble.run([str(folder / "lane")], *(str(folder / name) for name in names))
    return folder


def run(folder: Path, model: Path, seconds: float) -> dict:
    """Refit, with what the bundle says of the locked rows."""
    stored = Splits.open(folder / "splits")
    frame = load_frame(folder / "dataset", rows=stored.locked())
    said = bundles.load(folder / "bundle").predict_array(frame)
    names = ("dataset", "schema", "splits", "bundle", "leaderboard", "plan")
    paths = (*(str(folder / name) for name in names), str(model))
    with refit.begun(*paths, deadline=time.time() + seconds) as learning:
        return learning.finish(Measured(stored.keys, said))


@pytest.fixture
def one_needs_rows_to_validate(monkeypatch) -> None:
    """Let the linear model have found out nothing, as support vectors do."""
    read = refit._record

    def record(row):
        found = read(row)
        return replace(found, learnt=None) if found.recipe.learner == "linear" else found

    monkeypatch.setattr(refit, "_record", record)


@pytest.mark.usefixtures("one_needs_rows_to_validate")
def test_members_learn_from_the_locked_rows(raced, tmp_path):
    numbers = run(raced, tmp_path / "model", 120)
    before, after = bundles.load(raced / "bundle"), bundles.load(tmp_path / "model")
    assert numbers["refitted"] == numbers["members"] == len(before.metadata["members"])
    assert sorted(after.metadata["metadata"]["refitted"]) == sorted(
        member["trial"] for member in before.metadata["members"]
    )
    stored = Splits.open(raced / "splits")
    frame = load_frame(raced / "dataset", rows=stored.locked())
    first, second = before.predict_array(frame), after.predict_array(frame)
    assert np.abs(first - second).max() > 1e-3
    known = bundles.measured(tmp_path / "model")
    assert known is not None
    assert np.abs(known.instead(stored.keys, second) - first).max() < 1e-12
    members = [b.metadata["members"] for b in (before, after)]
    assert [m["weight"] for m in members[0]] == [m["weight"] for m in members[1]]
    fits = {m["learner"]: len(m["fits"]) for m in members[1]}
    assert {len(m["fits"]) for m in members[0]} == {8}
    assert fits == {"lightgbm": 1, "linear": 8}
    assert not list(tmp_path.glob(".refit-*"))


def with_settings(monkeypatch, **changes) -> None:
    """Let the refit read other settings of the ensemble, and no number of trials."""
    read = RunSettings.from_values

    def changed(values):
        search = {**values["search"], "max_trials": 0}
        return read({**values, "search": search, "ensemble": {**values["ensemble"], **changes}})

    monkeypatch.setattr(RunSettings, "from_values", staticmethod(changed))


def test_time_that_is_left_makes_further_draws(raced, tmp_path, monkeypatch):
    with_settings(monkeypatch)
    numbers = run(raced, tmp_path / "model", 120)
    assert numbers["fits"] == refit.DRAWS + 1
    after = bundles.load(tmp_path / "model")
    fits = {m["learner"]: len(m["fits"]) for m in after.metadata["members"]}
    # Where nothing is drawn, one fit of all rows is all there is.
    assert fits == {"lightgbm": refit.DRAWS, "linear": 1}
    trees = next(part for part in after.parts if len(part.models) == refit.DRAWS)
    frame = load_frame(raced / "dataset")
    rows = trees.encoder.transform(after.features.arrays(conform(frame, after.signature)))
    each = [model.predict(rows) for _, model in trees.models]
    assert all(np.abs(a - b).max() > 1e-3 for a, b in combinations(each, 2))


@pytest.mark.parametrize("reason", ["limited", "pod"])
def test_one_fit_where_more_may_be_too_many(raced, tmp_path, monkeypatch, reason):
    with_settings(monkeypatch, **({"max_bytes": 10**9} if reason == "limited" else {}))
    if reason == "pod":
        monkeypatch.setattr(refit, "in_pod", lambda: True)
    run(raced, tmp_path / "model", 120)
    members = bundles.load(tmp_path / "model").metadata["members"]
    assert [len(m["fits"]) for m in members if m["learner"] == "lightgbm"] == [1]


def test_without_time_the_measured_bundle_is_released(raced, tmp_path):
    began = time.time()
    numbers = run(raced, tmp_path / "model", 0)
    assert time.time() - began < 10
    assert numbers["refitted"] == 0
    assert bundles.measured(tmp_path / "model") is None
    frame = load_frame(raced / "dataset")
    pair = [
        bundles.load(path).predict_array(frame) for path in (raced / "bundle", tmp_path / "model")
    ]
    assert (pair[0] == pair[1]).all()
    assert not list(tmp_path.glob(".refit-*"))


def test_a_task_that_died_before_does_without(raced, tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("KFP_RETRY_INDEX", "1")
    assert run(raced, tmp_path / "model", 120)["refitted"] == 0
    assert "has died before" in caplog.text


def test_a_member_that_fails_or_has_no_time_stays(raced, tmp_path, monkeypatch):
    board = read_json(raced / "leaderboard" / "leaderboard.json")
    slow = min(board["trials"], key=lambda row: row["rank"])["id"]

    def record(row):
        found = read_record(row)
        long = {**found.to_dict(), "fit_seconds": 1e6}
        return TrialRecord.from_dict(long) if found.id == slow else found

    read_record = refit._record
    monkeypatch.setattr(refit, "_record", record)
    run(raced, tmp_path / "model", 120)
    members = bundles.load(raced / "bundle").metadata["members"]
    refitted = bundles.load(tmp_path / "model").metadata["metadata"]["refitted"]
    assert slow not in refitted
    assert len(refitted) == len(members) - any(member["trial"] == slow for member in members)


def test_what_weighs_most_for_its_time_comes_first():
    trees = {"learning_rate": 0.1, "n_rounds": 100.0}
    took = {"long": (40.0, trees), "short": (10.0, trees), "net": (20.0, None)}
    records = [
        TrialRecord(
            name, 0, 0, Recipe("x"), 0, "ok", seconds=s, learnt=found, fold_scores=(1.0,) * 5
        )
        for name, (s, found) in took.items()
    ]
    tasks = [SimpleNamespace(record=known, seconds=again_seconds(known)) for known in records]

    def order(*weights: float) -> list[str]:
        return [task.record.id for task in again._by_worth(tasks, weights)]

    assert order(0.6, 0.3, 0.1) == ["short", "long", "net"]
    assert order(0.2, 0.1, 0.7) == ["net", "short", "long"]


@pytest.mark.parametrize(
    ("ready", "taken"), [((0, 1), ()), ((0, 1, 2), (0, 1, 2)), ((0, 2, 3), (0, 2, 3))]
)
def test_fewer_networks_than_folds_are_of_no_use(tmp_path, monkeypatch, ready, taken):
    schedule = {"epochs_0": 9.0, "epochs_1": 0.0, "epochs_2": 0.0, "settled": 0.0}
    scores = (0.5,) * 5
    record = TrialRecord("a", 0, 0, Recipe("mlp"), 0, "ok", learnt=schedule, fold_scores=scores)
    where = record.recipe, None, SimpleNamespace(holds=lambda *_: False), tmp_path / WHOLE
    task = again._Task(record, *where, 0.1, 0.1, "scaled", False, 3, 5)

    def launched(task, *_):
        if task.draw in ready:
            place = tmp_path / WHOLE / draw_name("a", task.draw)
            place.mkdir(parents=True)
            write_json(place / RECORD, replace(record, id=place.name).to_dict())
        return SimpleNamespace(poll=lambda: 0)

    monkeypatch.setattr(again, "_launch", launched)
    monkeypatch.setattr(again, "wait", lambda *_: None)
    conditions = again.Conditions(time.time() + 60, 2, 10**9, 0, 100, 3)
    monkeypatch.setattr(again, "_tasks", lambda *_: [task])
    metric = get_metric("roc_auc", "binary")
    made = again.run_again(None, [record], [1.0], metric, tmp_path, tmp_path, conditions)
    assert made.folds == ()
    assert [found.id for found in made.whole] == [draw_name("a", draw) for draw in taken]


@pytest.mark.parametrize(
    ("n_folds", "learnt", "draws", "limited"),
    [
        (10, {"n_rounds": 90.0}, 3, 1),
        (3, {"n_rounds": 90.0}, 3, 1),
        (1, {"n_rounds": 90.0}, 2, 1),
        (5, {"n_trees": 200.0}, 1, 1),
        (5, {"C": 0.3}, 1, 1),
        (10, {"epochs_0": 9.0}, 5, 5),
        (3, {"epochs_0": 9.0}, 5, 3),
        (1, {"epochs_0": 9.0}, 5, 1),
    ],
)
def test_draws_are_about_as_many_as_the_folds_were(n_folds, learnt, draws, limited):
    scores = (0.5,) * n_folds
    record = TrialRecord("a", 0, 0, Recipe("x"), 0, "ok", learnt=learnt, fold_scores=scores)
    assert [draws_of(record, most) for most in (3, 1)] == [draws, limited]


def test_a_draw_that_failed_or_drew_nothing_is_left_out(tmp_path):
    schema = Schema("binary", "y", ("no", "yes"))
    metric = get_metric("roc_auc", "binary")
    old = TrialRecord("a", 0, 0, Recipe("x"), 0, "ok", score=0.8, fold_scores=(0.78, 0.82))
    # What was learnt from is often told without a mistake: its score does not tell draws apart.
    scores = {"a": 0.2, "a+1": 1.0, "a+2": 1.0, "a+3": 1.0}
    made = [replace(old, id=name, score=score) for name, score in scores.items()]
    written = tmp_path / "again" / "refit.json"
    for record, draw in zip(made, (0, 1, 1, 2), strict=True):
        with writing(tmp_path / "again" / WHOLE / record.id, "trial") as folder:
            np.save(folder / "oof.npy", np.array([[0.9, np.nan], [0.5 + draw / 10, np.nan]]))
            write_json(folder / RECORD, record.to_dict())
    write_json(written, {"folds": [], "whole": [record.to_dict() for record in made]})
    job = refit.Refit(Path("b"), Path("m"), tmp_path, schema, metric, {}, {"a": old})
    job.process = SimpleNamespace(wait=lambda: 0)
    found = [trial.record.id for trial in job._found()["a"]]
    assert found == ["a+1", "a+3"]
    write_json(written, {"folds": [], "whole": [made[0].to_dict()]})
    assert job._found() == {}


@pytest.mark.parametrize(
    ("score", "truncated", "worse"),
    [(0.80, False, False), (0.795, False, False), (0.70, False, True), (0.9, True, True)],
)
def test_what_came_out_worse_is_not_taken(score, truncated, worse):
    old = TrialRecord("a", 0, 0, Recipe("linear"), 0, "ok", score=0.8, fold_scores=(0.78, 0.82))
    new = TrialRecord("a", 0, 0, Recipe("linear"), 0, "ok", score=score, truncated=truncated)
    schema = Schema("binary", "y", ("no", "yes"))
    metric = get_metric("roc_auc", "binary")
    job = refit.Refit(Path("b"), Path("m"), Path("f"), schema, metric, {}, {"a": old})
    assert job._worse(new) is worse
    # A limit that the measured members keep is kept by those that are released.
    job.limited = True
    assert job._worse(replace(new, model_bytes=old.model_bytes + 1))
    assert job._worse(new) is worse
