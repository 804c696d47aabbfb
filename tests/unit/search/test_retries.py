"""A second chance for trials that were really killed, hung, ran out of memory or raised."""

import time
from dataclasses import replace
from pathlib import Path

import pytest

from regatta.artifacts import read_json
from regatta.artifacts.records import Recipe, TrialRecord
from regatta.learners.base import Shape
from regatta.search.race import race
from regatta.search.retries import retried, retry_of
from tests.unit.search.fakes import LEARNERS, TOOLBOX, open_features, plan_of

SHAPE = Shape("binary", 10_000, 4, 2)


def run(tmp_path: Path, key: str, *, n_rows=3000, params=None, started_at=0.0, **settings):
    """Race one recipe; return the records."""
    table = open_features(tmp_path / "features", n_rows=n_rows)
    settings = {"search": {"cores": 1, **settings.pop("search", {})}, **settings}
    plan = plan_of(table, [Recipe(key, dict(params or {}))], **settings)
    folder = tmp_path / "trials"
    folder.mkdir()
    found = race(table, plan, 0, folder, toolbox=TOOLBOX, started_at=started_at)
    return [
        TrialRecord.from_dict(read_json(folder / name / "trial.json")) for name in found["trials"]
    ]


@pytest.mark.parametrize(
    ("key", "status", "search"),
    [
        ("killed_by_many", "crashed", {}),
        ("hangs_on_many", "timeout", {"trial_seconds": 1.0}),
        ("slow_on_many", "timeout", {"trial_seconds": 1.5}),
        ("hogs_on_many", "out_of_memory", {"memory_bytes": 700_000_000}),
    ],
)
def test_trouble_with_many_rows_is_retried_on_fewer(tmp_path: Path, key, status, search):
    first, again = run(tmp_path, key, search=search)
    assert (first.status, first.recipe.rows, first.recipe.origin) == (status, 0, "portfolio")
    assert first.reason
    assert first.peak_memory_bytes > (700e6 if status == "out_of_memory" else 0)
    assert (again.status, again.recipe.rows, again.reason) == ("ok", 500, "")
    assert again.recipe.origin == f"retry of {first.id}"
    assert again.id == f"{first.id}-retry"
    assert again.seed != first.seed
    assert len(again.fold_scores) == 3


@pytest.mark.parametrize(
    ("key", "status"), [("raises_if_noisy", "raised"), ("nan_if_noisy", "bad_values")]
)
def test_bad_parameters_are_retried_with_the_defaults(tmp_path: Path, key: str, status: str):
    first, again = run(tmp_path, key, params={"noise": 0.5}, n_rows=120)
    assert (first.status, again.status) == (status, "ok")
    assert again.recipe.params == {"alpha": 1.0, "noise": 0.0}
    assert again.recipe.rows == 0
    assert again.recipe.origin == "retry of 00-000-" + key


def test_retry_keeps_to_the_space_of_the_user(tmp_path: Path):
    spaces = {"raises_if_noisy": {"alpha": {"low": 5, "high": 9}}}
    _, again = run(tmp_path, "raises_if_noisy", params={"noise": 0.5, "alpha": 7.0},
                   search={"spaces": spaces})  # fmt: skip
    assert again.recipe.params == {"alpha": 5.0, "noise": 0.0}


@pytest.mark.parametrize("key", ["raises", "exits", "cannot_allocate", "nan"])
def test_retry_has_no_retry(tmp_path: Path, key: str):
    first, again = run(tmp_path, key, params={"noise": 0.5})
    assert first.status == again.status != "ok"
    assert again.recipe.origin == f"retry of {first.id}"


@pytest.mark.parametrize("key", ["skips", "huge", "only_regression", "line"])
def test_refusals_and_successes_have_no_retry(tmp_path: Path, key: str):
    assert len(run(tmp_path, key, params={"noise": 0.1})) == 1


def test_no_retry_when_there_is_no_time(tmp_path: Path):
    (record,) = run(
        tmp_path, "hangs_on_many", started_at=time.time(), budget={"seconds": 4.0}
    )  # fmt: skip
    assert record.status == "timeout"


def test_retry_waits_for_no_queue(tmp_path: Path):
    table = open_features(tmp_path / "features", n_rows=3000)
    (tmp_path / "trials").mkdir()
    recipes = [Recipe("killed_by_many"), Recipe("line")]
    plan = plan_of(table, recipes, search={"cores": 1})
    found = race(table, plan, 0, tmp_path / "trials", toolbox=TOOLBOX)
    assert found["trials"] == [
        "00-000-killed_by_many", "00-000-killed_by_many-retry", "00-001-line"
    ]  # fmt: skip
    assert found["statuses"] == {"crashed": 1, "ok": 2}


def failure(status: str, rows: int = 0, **params) -> TrialRecord:
    recipe = Recipe("line", params, rows)
    return TrialRecord("00-004-line", 0, 4, recipe, 0, status, "why")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("record", "rows", "params"),
    [
        (failure("crashed"), 2500, {}),
        (failure("out_of_memory", 4000, alpha=2.0), 1000, {"alpha": 2.0}),
        (failure("timeout", 1200), 500, {}),
        (failure("crashed", 500, alpha=2.0), 500, {"alpha": 1.0, "noise": 0.0}),
        (failure("raised", 0, alpha=2.0), 0, {"alpha": 1.0, "noise": 0.0}),
        (failure("raised", 0, alpha=1.0), 2500, {"alpha": 1.0}),
    ],
)
def test_retry_is_cheaper_or_plainer(record: TrialRecord, rows: int, params: dict):
    again = retry_of(record, LEARNERS["line"], SHAPE)
    assert again == Recipe("line", params, rows, "retry of 00-004-line", 4)
    assert retried(again) == record.id
    assert retry_of(replace(record, recipe=again), LEARNERS["line"], SHAPE) is None


@pytest.mark.parametrize(
    "record",
    [
        failure("skipped"),
        failure("ok"),
        failure("timeout", 500, alpha=2.0),
        failure("crashed", 500),
    ],
)
def test_no_retry_where_nothing_is_cheaper(record: TrialRecord):
    assert retry_of(record, LEARNERS["line"], SHAPE) is None
