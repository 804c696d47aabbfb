import hashlib
import json
import math
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet as pq
from sklearn.metrics import roc_auc_score

from regatta import bundle as bundles
from regatta.artifacts import open_artifact, read_json, write_json, writing
from regatta.artifacts.records import Recipe, TrialRecord
from regatta.errors import ArtifactError, SplitError
from regatta.search.budget import columns_seconds
from regatta.settings import RunSettings
from regatta.splits import Lock, Scheme, Splits, lock_groups, lock_latest
from regatta.splits.together import lock_keys
from regatta.stages import evaluate
from tests.toy_bundle import build, schema_of

N_ROWS = 200
LOCKED = 60
METRICS = {"binary": "roc_auc", "multiclass": "log_loss", "regression": "rmse"}


@dataclass
class Inputs:
    """The artifacts that evaluate reads, and where it writes."""

    folder: Path
    table: pd.DataFrame
    task: str

    @property
    def arguments(self) -> list[str]:
        names = ["dataset", "schema", "splits", "bundle", "leaderboard", "plan", "evaluation"]
        files = ["out/report.html", "out/metrics.json", "out/curves.json", "model"]
        return [str(self.folder / name) for name in names + files]

    def run(self, **more: str) -> dict:
        return evaluate.run(*self.arguments, **more)

    def read(self, name: str = "evaluation.json"):
        return read_json(open_artifact(self.folder / "evaluation", "evaluation").file(name))


LOCK = Lock(0, "ab" * 32, {"": 100, **dict.fromkeys(("no", "yes", "high", "low", "mid"), 100)})


def write_splits(folder: Path, assignment: np.ndarray, n_folds: int) -> None:
    """Write an assignment; the n-th locked row has the key n."""
    keys = np.arange((assignment == -1).sum(), dtype=np.uint64)
    Splits(assignment[None], n_folds, keys, LOCK).write(folder / "splits", Scheme(n_folds))


def make(
    folder: Path, task: str, *, settings: dict | None = None, lanes: list | None = None, **bundle
) -> Inputs:
    """Write all artifacts by hand; every third row is locked."""
    table = build(folder / "bundle", task, **bundle)
    schema = schema_of(table, task)
    about = {"source": "toy.csv", "n_columns": 10, "fingerprint": "f" * 64}
    with writing(folder / "dataset", "dataset", **about) as path:
        pq.write_table(pa.Table.from_pandas(table, preserve_index=False), path / "table.parquet")
    with writing(folder / "schema", "schema") as path:
        write_json(path / "schema.json", schema.to_dict())
        finding = {"level": "info", "column": "key", "code": "id", "message": "it is left out"}
        write_json(path / "findings.json", [finding])
    assignment = np.arange(N_ROWS).astype(np.int16) % 2
    assignment[: 3 * LOCKED : 3] = -1
    write_splits(folder, assignment, 2)
    values = RunSettings.from_values(
        {"name": "toy", "data": {"target": "outcome"}, "evaluate": {"resamples": 60}}
    ).merged(settings or {})
    with writing(folder / "plan", "plan") as path:
        plan = {
            "settings": values.model_dump(mode="json"),
            "metric": METRICS[task],
            "task": task,
            "refit_seconds": 0.0,
        }
        write_json(path / "plan.json", plan)
    with writing(folder / "leaderboard", "leaderboard") as path:
        board = {"metric": METRICS[task], "trials": list(trials()), "lanes": lanes or []}
        write_json(path / "leaderboard.json", board)
    return Inputs(folder, table, task)


def trials():
    good = TrialRecord("00-000-linear", 0, 0, Recipe("linear"), 1, "ok", score=0.9, seconds=1.0)
    bad = TrialRecord("00-001-mlp", 0, 1, Recipe("mlp"), 1, "timeout", reason="60 s were over")
    yield {"rank": 1, **good.to_dict(), "weight": 1.0}
    yield {"rank": None, **bad.to_dict(), "weight": 0.0}


@pytest.fixture(scope="module", params=list(METRICS))
def done(request, tmp_path_factory):
    inputs = make(tmp_path_factory.mktemp(request.param), request.param)
    return inputs, inputs.run()


def test_scores_are_those_of_the_locked_rows(done):
    inputs, returned = done
    values = inputs.read()
    rows = np.arange(0, 3 * LOCKED, 3)
    model = bundles.load(inputs.folder / "bundle")
    predicted = model.predict_array(inputs.table.iloc[rows])
    truth = inputs.table["outcome"].iloc[rows]
    if inputs.task == "regression":
        expected = np.abs(predicted[:, 0] - truth).mean()
        assert values["metrics"]["mae"] == pytest.approx(expected)
    else:
        labels = np.asarray(model.classes)[predicted.argmax(axis=1)]
        assert values["metrics"]["accuracy"] == pytest.approx((labels == truth).mean())
    assert values["locked"]["n_rows"] == values["locked"]["scored"] == LOCKED
    assert values["locked"]["sha256"] == hashlib.sha256(rows.astype("<i8").tobytes()).hexdigest()
    metric = values["metric"]
    assert metric["key"] == METRICS[inputs.task]
    assert metric["low"] <= metric["score"] <= metric["high"]
    assert returned["metrics"][metric["key"]] == metric["score"]


def test_the_model_beats_the_baseline(done):
    metric = done[0].read()["metric"]
    better = metric["score"] - metric["baseline"]
    assert (better > 0) == metric["greater_is_better"]


def test_returned_numbers_suit_the_dashboard(done):
    inputs, returned = done
    assert len(returned["metrics"]) <= 10
    assert all(math.isfinite(value) for value in returned["metrics"].values())
    assert (returned["roc"] is not None) == (inputs.task == "binary")
    assert (returned["confusion"] is None) == (inputs.task == "regression")
    if returned["roc"]:
        lengths = {len(returned["roc"][key]) for key in ("fpr", "tpr", "thresholds")}
        assert len(lengths) == 1
    if returned["confusion"]:
        assert np.sum(returned["confusion"]["matrix"]) == LOCKED


def test_files_beside_the_artifact(done):
    inputs, returned = done
    out = inputs.folder / "out"
    assert json.loads((out / "metrics.json").read_text()) == returned["metrics"]
    assert json.loads((out / "curves.json").read_text())
    page = (out / "report.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert "60 s were over" in page
    assert inputs.read("leaderboard.json")["trials"][0]["id"] == "00-000-linear"


def test_samples_replay_exactly(done):
    inputs, _ = done
    samples = inputs.read("samples.json")
    model = bundles.load(inputs.folder / "bundle")
    assert len(samples["rows"]) == 50
    assert set(samples["rows"][0]) == {column.name for column in model.signature}
    again = model.predict_array(pd.DataFrame(samples["rows"]))
    assert np.abs(again - np.asarray(samples["predictions"])).max() < 1e-9


def test_what_matters_is_found(done):
    names = [column["name"] for column in done[0].read()["importance"]["columns"]]
    assert "key" not in names
    assert set(names[:5]) & {"age", "income", "city", "review"}


@pytest.mark.parametrize(("left", "wanted"), [(1e6, None), (-50.0, 1.0)])
def test_columns_are_measured_in_the_time_that_is_left(tmp_path, monkeypatch, left, wanted):
    lanes = [{"budget_ends_at": time.time() + left}]
    inputs = make(tmp_path, "binary", settings={"budget": {"seconds": 300}}, lanes=lanes)
    n_columns = len(bundles.load(tmp_path / "bundle").signature)
    measure, given = evaluate.permutation_importance, []

    def noted(*values, seconds, **more):
        given.append(seconds)
        return measure(*values, seconds=seconds, **more)

    monkeypatch.setattr(evaluate, "permutation_importance", noted)
    inputs.run()
    assert given == [wanted or columns_seconds(300, n_columns)]
    assert inputs.read()["importance"]["columns"]


def test_same_inputs_same_numbers(done, tmp_path):
    inputs, _ = done
    first = inputs.read()
    arguments = inputs.arguments[:6] + [str(tmp_path / n) for n in "abcde"]
    evaluate.run(*arguments)
    second = read_json(tmp_path / "a" / "evaluation.json")
    for key in ("metrics", "scores", "importance", "pictures", "locked"):
        assert first[key] == second[key]


def test_without_champion_the_model_is_promoted(done):
    values = done[0].read()
    assert values["verdict"] == "promote"
    assert not values["comparison"]["compared"]


def test_large_locked_parts_are_sampled(tmp_path):
    inputs = make(tmp_path, "binary", settings={"evaluate": {"max_rows": 100}})
    assignment = np.full(N_ROWS, -1, np.int16)
    assignment[::4] = 0
    write_splits(tmp_path, assignment, 1)
    inputs.run()
    locked = inputs.read()["locked"]
    assert locked["n_rows"] == 150
    assert 99 <= locked["scored"] <= 101
    assert "drawn at random" in (tmp_path / "out" / "report.html").read_text()


def test_labels_respect_the_thresholds_of_the_bundle(tmp_path):
    inputs = make(tmp_path, "binary", thresholds=(0.01, 0.99))
    returned = inputs.run()
    # Nothing reaches a threshold of 0.99, so every row is labelled "no".
    assert [row[1] for row in returned["confusion"]["matrix"]] == [0, 0]
    assert inputs.read()["metrics"]["f1"] == 0.0


def test_no_locked_rows(tmp_path):
    inputs = make(tmp_path, "binary")
    write_splits(tmp_path, np.zeros(N_ROWS, np.int16), 1)
    assert len(Splits.open(tmp_path / "splits").locked()) == 0
    with pytest.raises(ArtifactError, match="0 locked rows"):
        inputs.run()
    assert not (tmp_path / "out").exists()


def test_no_other_metric_takes_the_place_of_one_that_is_undefined(tmp_path):
    inputs = make(tmp_path, "binary")
    assignment = np.arange(N_ROWS).astype(np.int16) % 2
    assignment[np.flatnonzero(inputs.table["outcome"] == "no")[:40]] = -1
    write_splits(tmp_path, assignment, 2)
    with pytest.raises(SplitError) as caught:
        inputs.run()
    said = "roc_auc is undefined on the 40 locked rows, which all are of class 'no'"
    assert said in str(caught.value)
    assert not (tmp_path / "evaluation").exists()


def champion(folder: Path, lock: Lock | None = LOCK, **bundle: object) -> str:
    """Write a bundle in service, with what its run says of the rows that it locked."""
    path = folder / "champion" / "bundle"
    build(path, "binary", **{"learners": ("linear",), "seed": 3, **bundle})
    (path.parent / "evaluation").mkdir()
    locked = {"lock": lock.to_dict()} if lock else {"sha256": "ab" * 32}
    write_json(path.parent / "evaluation" / "evaluation.json", {"locked": locked})
    return str(path)


@pytest.mark.parametrize("limit", [100, 40])
def test_champion_is_scored_on_the_rows_that_neither_was_trained_on(tmp_path, limit):
    inputs = make(tmp_path, "binary")
    lock = replace(LOCK, limits={"no": limit, "yes": limit})
    inputs.run(champion=champion(tmp_path, lock))
    values = inputs.read()
    comparison = values["comparison"]
    assert comparison["compared"]
    # The n-th locked row has the key n.
    assert comparison["rows"] == min(limit, LOCKED)
    assert values["verdict"] == comparison["decision"]
    rows = inputs.table.iloc[np.arange(0, 3 * comparison["rows"], 3)]
    scores = [
        roc_auc_score(rows["outcome"] == "yes", bundles.load(path).predict_array(rows)[:, 1])
        for path in (inputs.folder / "bundle", inputs.folder / "champion" / "bundle")
    ]
    assert comparison["champion"] == pytest.approx(scores[1])
    assert comparison["gain"]["score"] == pytest.approx(scores[0] - scores[1])
    assert values["verdict"] == ("promote" if scores[0] > scores[1] else "keep")
    page = (tmp_path / "out" / "report.html").read_text()
    assert "Against the model in service" in page
    assert f"On {comparison['rows']} locked rows" in page


def test_champion_that_cannot_be_loaded_does_not_stop_the_run(tmp_path):
    inputs = make(tmp_path, "binary")
    (tmp_path / "broken").mkdir()
    inputs.run(champion=str(tmp_path / "broken"))
    comparison = inputs.read()["comparison"]
    assert comparison["decision"] == "promote"
    assert "cannot be loaded" in comparison["reason"]


def test_champion_is_kept_against_itself(tmp_path):
    inputs = make(tmp_path, "binary")
    inputs.run()
    inputs.run(champion=str(tmp_path / "bundle"))  # its own evaluation lies beside it
    values = inputs.read()
    assert values["comparison"]["gain"]["score"] == 0.0
    assert values["verdict"] == "keep"


@pytest.mark.parametrize(
    ("lock", "reason"),
    [
        (None, "not known which rows"),
        (replace(LOCK, seed=7), "seed 7, now 0"),
        (replace(LOCK, columns=""), "columns changed"),
        (replace(LOCK, limits={"no": 5, "yes": 5}), "all but 5 of the locked rows"),
        (replace(LOCK, group="city"), "(by groups of 'city', now row by row)"),
        (replace(LOCK, time="joined"), "(by the time 'joined', now row by row)"),
    ],
)
def test_champion_that_may_have_seen_the_rows_is_not_compared(tmp_path, lock, reason):
    inputs = make(tmp_path, "binary")
    inputs.run(champion=champion(tmp_path, lock))
    values = inputs.read()
    assert values["verdict"] == "promote"
    assert not values["comparison"]["compared"]
    assert reason in values["comparison"]["reason"]


def test_champion_that_predicts_something_else_is_kept(tmp_path):
    inputs = make(tmp_path, "binary")
    build(tmp_path / "other" / "bundle", "regression", learners=("linear",))
    inputs.run(champion=str(tmp_path / "other" / "bundle"))
    values = inputs.read()
    assert values["verdict"] == "keep"
    assert "something else" in values["comparison"]["reason"]


def make_together(folder: Path, **by: str) -> tuple[Inputs, Splits, np.ndarray]:
    """Write artifacts of a run that locked groups, or the latest rows; return their keys, too."""
    inputs = make(folder, "binary")
    schema = replace(schema_of(inputs.table, "binary"), **by)
    with writing(folder / "schema", "schema") as path:
        write_json(path / "schema.json", schema.to_dict())
        write_json(path / "findings.json", [])
    own = np.arange(N_ROWS, dtype=np.uint64)
    together = lock_keys(folder / "dataset", schema, own, 0)
    target = schema.encode_target(inputs.table["outcome"])
    known = {"locked_share": 0.3, "name": "c"}
    if schema.group:
        parts = lock_groups(target, together, classes=schema.classes, **known)
    else:
        parts = lock_latest(target, together, classes=schema.classes, **known)
    cut = Splits.of(
        np.where(parts == 0, np.arange(N_ROWS) % 2, parts).astype(np.int16)[None],
        *(Scheme(2), own, target),
        labels=schema.classes,
        seed=0,
        columns="ab" * 32,
        together=together,
        **by,
    )
    cut.write(folder / "splits", Scheme(2))
    return inputs, cut, together


def test_groups_are_told_and_drawn(tmp_path):
    inputs, cut, together = make_together(tmp_path, group="age")
    inputs.run()
    values = inputs.read()
    n_groups = len(np.unique(together[cut.locked()]))

    assert values["split"] == {
        "by": "by groups of 'age'",
        "group": "age",
        "time": "",
        "n_groups": n_groups,
    }
    assert values["intervals"]["fewest"] < n_groups < values["locked"]["scored"]
    assert values["locked"]["lock"]["group"] == "age"
    page = (tmp_path / "out" / "report.html").read_text()
    assert f"are of {n_groups} groups that no trial has seen" in page


def test_a_champion_of_groups_is_scored_on_those_it_was_not_trained_on(tmp_path):
    inputs, cut, together = make_together(tmp_path, group="age")
    keys = together[cut.locked()]
    limit = int(np.quantile(keys, 0.7))
    inputs.run(champion=champion(tmp_path, replace(cut.lock, limits={"": limit})))
    comparison = inputs.read()["comparison"]

    assert comparison["compared"]
    assert comparison["rows"] == (keys < limit).sum()


def test_a_champion_that_has_learnt_from_its_locked_rows_knows_their_groups(tmp_path):
    inputs, cut, together = make_together(tmp_path, group="age")
    keys = together[cut.locked()]
    # Two thirds of the rows were there, of all groups but one.
    there = (np.arange(len(keys)) % 3 > 0) & (keys != keys[0])
    known = bundles.Measured(
        cut.keys[there], np.full((there.sum(), 2), 0.5), np.unique(keys[there])
    )
    inputs.run(champion=champion(tmp_path, cut.lock, measured=known))
    comparison = inputs.read()["comparison"]

    assert comparison["compared"]
    assert comparison["rows"] == (there | ~np.isin(keys, keys[there])).sum() < len(keys)
    back = bundles.measured(tmp_path / "champion" / "bundle")
    assert np.array_equal(back.groups, known.groups)


def test_a_champion_is_not_compared_on_rows_it_has_learnt_and_was_not_measured_on(tmp_path):
    inputs = make(tmp_path, "binary")
    # The n-th locked row has the key n: 30 were measured, 20 more were locked, 10 are new.
    known = bundles.Measured(
        np.arange(30, dtype=np.uint64),
        np.full((30, 2), 0.5),
        locked=np.arange(50, dtype=np.uint64),
    )
    inputs.run(champion=champion(tmp_path, LOCK, measured=known))

    assert inputs.read()["comparison"]["rows"] == 40
    back = bundles.measured(tmp_path / "champion" / "bundle")
    assert np.array_equal(back.locked, known.locked)


@pytest.mark.parametrize(("max_rows", "kept"), [(100, 150), (150, 0)])
def test_all_locked_keys_are_kept_where_not_all_rows_are_scored(
    tmp_path, monkeypatch, max_rows, kept
):
    inputs = make(tmp_path, "binary", settings={"evaluate": {"max_rows": max_rows}})
    assignment = np.full(N_ROWS, -1, np.int16)
    assignment[::4] = 0
    write_splits(tmp_path, assignment, 1)
    said, measured = [], bundles.Measured

    def noted(*values):
        said.append(measured(*values))
        return said[-1]

    monkeypatch.setattr(bundles, "Measured", noted)
    inputs.run()
    assert len(said[0].locked) == kept


def test_a_champion_of_earlier_times_is_scored_on_what_came_later(tmp_path):
    inputs, cut, _ = make_together(tmp_path, time="joined")
    inputs.run(champion=champion(tmp_path, cut.lock))
    values = inputs.read()

    assert values["split"]["by"] == "the latest 30 % by 'joined'"
    assert values["comparison"]["rows"] == len(cut.keys)
    assert "the locked rows are the latest" in (tmp_path / "out" / "report.html").read_text()
