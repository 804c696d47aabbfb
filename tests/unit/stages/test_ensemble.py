"""The stage ``ensemble``, from a real table to a bundle that predicts."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from regatta import bundle as bundles
from regatta.artifacts import open_artifact, read_json, writing
from regatta.dataset import load_frame
from regatta.errors import ArtifactError, BudgetError, SearchError
from regatta.evaluation.metrics import get_metric
from regatta.search.plan import read_plan, write_plan
from regatta.splits import Splits
from regatta.stages import ensemble, featurize, ingest, plan, split, trial, validate
from regatta.testing.tables import binary_table


class Run:
    """The folders of a run up to the trials."""

    def __init__(self, root: Path, **search) -> None:
        self.root = root
        binary_table(400, seed=1).to_parquet(root / "table.parquet")
        settings = {
            "data": {"source": str(root / "table.parquet"), "target": "outcome"},
            "search": {"cores": 1, **search},
            "budget": {"seconds": 900},
        }
        text = json.dumps(settings)
        ingest.run(text, self("dataset"))
        validate.run(self("dataset"), text, self("schema"))
        split.run(self("dataset"), self("schema"), text, self("splits"))
        featurize.run(self("dataset"), self("schema"), self("splits"), self("features"))
        plan.run(self("features"), text, self("plan"))

    def __call__(self, name: str) -> str:
        return str(self.root / name)

    def ensemble(self, trials: list[str], name: str = "bundle"):
        return ensemble.run(
            trials, self("features"), self("plan"), self(name), self(f"{name}-leaderboard")
        )


@pytest.fixture(scope="module")
def raced(tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = Run(tmp_path_factory.mktemp("run"), max_trials=6)
    trial.run(run("features"), run("plan"), 0, 0.0, run("trials"))
    return run


def test_bundle_predicts_locked_rows_as_well_as_promised(raced: Run):
    numbers = raced.ensemble([raced("trials")])
    assert numbers["trials"] == 6
    assert numbers["ok"] == 6
    assert 1 <= numbers["members"] <= 6
    model = bundles.load(raced("bundle"))
    assert model.metadata["metric"] == "roc_auc"
    assert model.metadata["score"] == pytest.approx(numbers["score"], rel=1e-4)
    assert len(model.metadata["fingerprint"]) == 64
    locked = Splits.open(raced("splits")).locked()
    frame = load_frame(raced("dataset"), rows=locked)
    predicted = model.predict_array(frame)
    truth = (frame["outcome"] == "yes").to_numpy(float)
    metric = get_metric("roc_auc", "binary")
    assert metric.score(truth, predicted) > 0.9
    np.testing.assert_allclose(predicted.sum(axis=1), 1, rtol=1e-6)


def test_leaderboard_lists_every_trial_once(raced: Run):
    raced.ensemble([raced("trials")], "second")
    path = raced("second-leaderboard")
    board = read_json(open_artifact(path, "leaderboard").file("leaderboard.json"))
    scores = [row["score"] for row in board["trials"]]
    assert scores == sorted(scores, reverse=True)
    assert sum(row["weight"] for row in board["trials"]) == pytest.approx(1)
    assert len({row["id"] for row in board["trials"]}) == 6
    assert board["ensemble"]["score"] >= scores[0]
    learners = {row["recipe"]["learner"] for row in board["trials"]}
    assert learners >= {"lightgbm", "linear", "xgboost"}


def lane(folder: Path, **values) -> str:
    """Write the artifact of a lane without trials."""
    with writing(folder, "trials") as place:
        (place / "lane.json").write_text(json.dumps({"trials": [], **values}))
    return str(folder)


def test_no_time_at_all_asks_for_a_larger_budget(raced: Run, tmp_path: Path):
    empty = lane(tmp_path / "lane", least_budget=971)
    with pytest.raises(BudgetError, match="at least 971 s"):
        raced.ensemble([empty], "none")
    assert not Path(raced("none")).exists()
    assert not Path(raced("none-leaderboard")).exists()


def test_lost_lane_is_fatal_only_if_it_is_the_last(raced: Run, tmp_path: Path):
    lost = lane(tmp_path / "lane", lost="killed by SIGKILL")
    assert raced.ensemble([lost, raced("trials")], "third")["ok"] == 6
    with pytest.raises(SearchError, match="killed by SIGKILL"):
        raced.ensemble([lost], "none")


def test_trials_of_another_kind_are_refused(raced: Run):
    with pytest.raises(ArtifactError, match="features artifact"):
        raced.ensemble([raced("features")], "none")


def limited(raced: Run, root: Path, **wanted) -> dict:
    """Select again, under limits."""
    planned = read_plan(raced("plan"))
    changed = replace(planned, settings=planned.settings.merged({"ensemble": wanted}))
    write_plan(root / "plan", changed)
    paths = (raced("features"), str(root / "plan"), str(root / "bundle"), str(root / "board"))
    return ensemble.run([raced("trials")], *paths)


def test_an_ensemble_keeps_the_limit_of_its_size(raced: Run, tmp_path: Path):
    free = raced.ensemble([raced("trials")], "free")
    sizes = {row["id"]: row["model_bytes"] for row in rows(raced("free-leaderboard"))}
    limit = min(sizes.values()) + 1
    numbers = limited(raced, tmp_path, max_bytes=limit)
    members = [row["id"] for row in rows(tmp_path / "board") if row["weight"]]
    assert sum(sizes[member] for member in members) <= limit
    assert numbers["members"] <= free["members"]


def test_an_ensemble_keeps_the_limit_of_its_time(raced: Run, tmp_path: Path):
    assert limited(raced, tmp_path, max_row_milliseconds=10_000)["members"] >= 1
    with pytest.raises(SearchError, match=r"none of 6 trials keeps the limits.*ms a row"):
        limited(raced, tmp_path, max_row_milliseconds=1e-6)


def rows(board: str | Path) -> list[dict]:
    """Return the rows of a leaderboard."""
    return read_json(open_artifact(board, "leaderboard").file("leaderboard.json"))["trials"]
