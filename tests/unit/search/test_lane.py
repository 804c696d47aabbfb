"""The lane, with trials that really hang, crash and exhaust memory."""

import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from regatta import events
from regatta.artifacts import open_artifact, read_json
from regatta.artifacts.records import Recipe, TrialRecord
from regatta.evaluation.metrics import get_metric
from regatta.learners.base import MEDIAN
from regatta.search.race import race
from tests.unit.search.fakes import TOOLBOX, open_features, plan_of


def run(tmp_path: Path, keys, *, params=None, started_at=0.0, table=None, **settings):
    """Race recipes in one slot; return the summary and the records."""
    table = table or open_features(tmp_path / "features")
    settings = {"search": {"cores": 1, **settings.pop("search", {})}, **settings}
    recipes = [Recipe(key, dict(params or {})) for key in keys]
    folder = tmp_path / "trials"
    folder.mkdir()
    summary = race(
        table, plan_of(table, recipes, **settings), 0, folder, toolbox=TOOLBOX,
        started_at=started_at,
    )  # fmt: skip
    records = [
        TrialRecord.from_dict(read_json(folder / name / "trial.json")) for name in summary["trials"]
    ]
    return summary, records, folder


def one(tmp_path: Path, key: str, **settings) -> TrialRecord:
    """Race a learner that fails, then one that works, and return the failure."""
    _summary, records, folder = run(tmp_path, [key, "line"], **settings)
    assert [record.status for record in records[1:]] == ["ok"]
    assert not list(folder.glob(".*"))
    assert not (folder / records[0].id / "model").exists()
    return records[0]


def test_trial_leaves_everything_that_an_ensemble_needs(tmp_path: Path):
    summary, (record,), folder = run(tmp_path, ["line"])
    assert record.id == "00-000-line"
    assert record.status == "ok"
    assert record.score is not None
    assert record.score > 0.85
    assert len(record.fold_scores) == 3
    assert record.recipe.params == {"alpha": 1.0, "noise": 0.0}
    assert record.peak_memory_bytes > 10_000_000
    assert record.model_bytes > 0
    assert record.predict_seconds_per_row > 0
    trial = open_artifact(folder / record.id, "trial")
    oof = np.load(trial.file("oof.npy"))
    assert oof.dtype == np.float32
    assert oof.shape == (120, 2)
    assert np.isfinite(oof).all()
    encoders = read_json(trial.file("fits.json"))["encoders"]
    assert encoders == ["tree/fold-0", "tree/fold-1", "tree/fold-2"]
    assert all((folder / "encoders" / name / "encoder.json").is_file() for name in encoders)
    assert summary["best"] == {"id": record.id, "score": record.score}


def test_holdout_predicts_only_validated_rows(tmp_path: Path):
    table = open_features(tmp_path / "features", n_folds=1)
    _, (record,), folder = run(tmp_path, ["line"], table=table)
    oof = np.load(folder / record.id / "oof.npy")
    assert (np.isfinite(oof).all(axis=1) == (table.folds[0] == 0)).all()
    assert len(record.fold_scores) == 1
    assert record.score == record.fold_scores[0]


def test_each_repeat_predicts_all_rows(tmp_path: Path):
    table = open_features(tmp_path / "features", n_repeats=2)
    _, (record,), folder = run(tmp_path, ["line"], table=table)
    oof = np.load(folder / record.id / "oof.npy").astype(np.float64)
    assert oof.shape == (240, 2)
    assert len(record.fold_scores) == 6
    metric = get_metric("roc_auc", "binary")
    assert record.score == metric.score(np.tile(table.y, 2), oof)
    for fold, score in enumerate(record.fold_scores):
        places = table.places(1, fold)
        assert score == metric.score(table.y[places % 120], oof[places])


def test_exception_is_recorded_with_its_first_line(tmp_path: Path):
    record = one(tmp_path, "raises")
    assert record.status == "raised"
    assert record.reason == "ValueError: the matrix is not to my taste"
    assert "second line" in (tmp_path / "trials" / record.id / "traceback.txt").read_text()


def test_hang_is_ended_by_the_time_limit(tmp_path: Path):
    began = time.time()
    _summary, (hung,), _ = run(tmp_path, ["hangs"], search={"trial_seconds": 1.0})
    assert time.time() - began < 5
    assert hung.status == "timeout"
    assert "the time of a trial" in hung.reason
    assert 0.9 < hung.seconds < 3


@pytest.mark.parametrize("key", ["hogs", "hogs_in_child"])
def test_memory_is_limited_from_outside(tmp_path: Path, key: str):
    record = one(tmp_path, key, search={"memory_bytes": 700_000_000})
    assert record.status == "out_of_memory"
    assert "the limit of a trial is 700 MB" in record.reason
    assert 700e6 < record.peak_memory_bytes < 1500e6


def test_failed_allocation_is_out_of_memory(tmp_path: Path):
    record = one(tmp_path, "cannot_allocate")
    assert record.status == "out_of_memory"
    assert "allocation" in record.reason


def test_segfault_names_the_signal(tmp_path: Path):
    record = one(tmp_path, "segfaults")
    assert record.status == "crashed"
    assert record.reason == "killed by SIGSEGV (signal 11)"
    assert record.peak_memory_bytes > 0


def test_exit_inside_a_library_is_a_crash(tmp_path: Path):
    record = one(tmp_path, "exits")
    assert record.status == "crashed"
    assert record.reason == "ended with exit code 3"


def test_nan_is_bad_values(tmp_path: Path):
    record = one(tmp_path, "nan")
    assert record.status == "bad_values"
    assert record.reason == "40 of 40 predictions are NaN or infinite"


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("skips", "too few rows for me"),
        ("huge", "would need about 1,000,000,000 MB"),
        ("only_regression", "only_regression does not learn a binary task"),
    ],
)
def test_refusals_are_skipped(tmp_path: Path, key: str, reason: str):
    record = one(tmp_path, key)
    assert record.status == "skipped"
    assert record.reason.startswith(reason)


def test_same_seed_gives_the_same_trials(tmp_path: Path):
    table = open_features(tmp_path / "features")
    found = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        _, records, _ = run(
            tmp_path / name, ["line"], params={"noise": 0.3}, table=table, refine="bayes",
            search={"max_trials": 7},
        )  # fmt: skip
        found.append([(r.id, r.seed, r.recipe, r.score, r.fold_scores) for r in records])
    assert found[0] == found[1]
    assert len(found[0]) == 7
    assert len({seed for _, seed, *_ in found[0]}) == 7


def test_slots_work_side_by_side(tmp_path: Path):
    began = time.time()
    _, records, _ = run(tmp_path, ["slow"] * 4, search={"cores": 4})
    starts = [record.started_at for record in records]
    assert all(record.status == "ok" for record in records)
    assert max(starts) - min(starts) < 0.5
    assert time.time() - began < 3.5


def test_race_goes_on_until_the_deadline_and_no_longer(tmp_path: Path):
    now = time.time()
    _summary, records, _ = run(
        tmp_path, ["slow"], refine="random", started_at=now, budget={"seconds": 5.0}
    )
    # The tail of the plan is one second.
    assert 3.0 < time.time() - now < 4.6
    assert sum(record.status == "ok" for record in records) >= 2


def test_deadline_ends_what_is_at_work(tmp_path: Path):
    now = time.time()
    _, records, _ = run(tmp_path, ["line", "hangs"], started_at=now, budget={"seconds": 5.0})
    assert time.time() - now < 4.5
    assert [record.status for record in records] == ["ok", "timeout"]


def test_first_model_may_come_a_little_late(tmp_path: Path):
    now = time.time()
    _, (record,), _ = run(tmp_path, ["hangs"], started_at=now, budget={"seconds": 3.0})
    assert 4 < time.time() - now < 7.5
    assert record.status == "timeout"


def test_fewer_folds_are_better_than_no_model(tmp_path: Path):
    table = open_features(tmp_path / "features", n_folds=12)
    now = time.time()
    _, records, folder = run(
        tmp_path, ["slow", "slow"], started_at=now, budget={"seconds": 3.5}, table=table
    )
    first = records[0]
    assert first.status == "ok"
    assert 1 <= len(first.fold_scores) < 12
    assert first.truncated
    assert first.reason == f"only {len(first.fold_scores)} of 12 folds: time ran out"
    oof = np.load(folder / first.id / "oof.npy")
    assert (np.isfinite(oof[:, 0]) == (table.folds[0] < len(first.fold_scores))).all()


def test_later_trial_that_is_too_slow_is_given_up(tmp_path: Path):
    table = open_features(tmp_path / "features", n_folds=12)
    now = time.time()
    _, records, _ = run(
        tmp_path, ["line", "slow"], started_at=now, budget={"seconds": 4.0}, table=table
    )
    assert [record.status for record in records] == ["ok", "timeout"]
    assert "of 12 folds took" in records[1].reason
    assert records[1].seconds < 2


def test_late_lane_tries_nothing(tmp_path: Path):
    summary, records, _ = run(
        tmp_path, ["line"], started_at=time.time() - 100, budget={"seconds": 20.0}
    )
    assert records == []
    assert summary["best"] is None
    assert 100 < summary["least_budget"] < 110


def test_row_sample_encodes_for_itself(tmp_path: Path):
    table = open_features(tmp_path / "features")
    folder = tmp_path / "trials"
    folder.mkdir()
    recipes = [Recipe("line", rows=30), Recipe("line")]
    race(table, plan_of(table, recipes, search={"cores": 1}), 0, folder, toolbox=TOOLBOX)
    names = [
        read_json(folder / f"00-00{number}-line" / "fits.json")["encoders"][0] for number in (0, 1)
    ]
    assert names == ["tree-30/fold-0", "tree/fold-0"]


def test_every_trial_is_an_event(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(events.EVENTS_VARIABLE, str(tmp_path / "events.jsonl"))
    run(tmp_path, ["line", "raises"])
    told = [event for _, event in events.read(tmp_path / "events.jsonl")]
    assert [event["event"] for event in told] == ["trial", "trial"]
    first, second = told
    assert first["status"] == "ok"
    assert first["best"] == first["score"]
    assert second["score"] is None
    assert second["best"] == first["score"]
    assert {"id", "learner", "metric", "seconds", "peak_memory_bytes"} <= set(first)
    assert json.dumps(told)


def test_scores_of_weighted_rows_are_weighted(tmp_path: Path):
    table = open_features(tmp_path / "features", weighted=True)
    _summary, (record,), folder = run(tmp_path, ["line"], table=table)
    oof = np.load(folder / record.id / "oof.npy").astype(float)
    metric = get_metric("roc_auc", "binary")
    assert record.score == pytest.approx(metric.score(table.y, oof, table.weights))
    assert record.score != pytest.approx(metric.score(table.y, oof), rel=1e-6)
    valid = table.valid(1)
    expected = metric.score(table.y[valid], oof[valid], table.weights[valid])
    assert record.fold_scores[1] == pytest.approx(expected)


def test_what_does_not_heed_weights_is_skipped(tmp_path: Path):
    table = open_features(tmp_path / "features", weighted=True)
    record = one(tmp_path, "deaf", table=table)
    assert (record.status, record.reason) == ("skipped", "deaf does not heed weights of rows")


@pytest.mark.parametrize("metric", ["rmse", "mae", "rmsle"])
def test_metric_reaches_what_is_fitted(tmp_path: Path, metric: str):
    table = open_features(tmp_path / "features", task="regression")
    table = replace(table, y=np.exp(table.y))
    kind = MEDIAN if metric == "mae" else {}
    plan = plan_of(table, [Recipe("lightgbm", {"n_rounds": 20, **kind})], search={"cores": 1})
    folder = tmp_path / "lane"
    folder.mkdir()
    (name,) = race(table, replace(plan, metric=metric), 0, folder)["trials"]
    record = TrialRecord.from_dict(read_json(folder / name / "trial.json"))
    assert (record.status, record.reason) == ("ok", "")
    assert (record.recipe.params.get("target") == "log") == (metric == "rmsle")
    model = (folder / name / "model" / "fold-0" / "model.txt").read_text()
    assert ("objective=regression_l1" in model) == (metric == "mae")
