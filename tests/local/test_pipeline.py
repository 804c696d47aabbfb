"""The local run and the compiled pipeline are one; lanes that fail do not end a run."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from regatta.testing.tables import binary_table

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
YAML = ROOT / "pipelines" / "train" / "pipeline.yaml"
LEARNERS = ("linear", "extra_trees")
# The number of trials ends these runs long before the budget does.
OPTIONS = ["--budget", "3m", "--set", "search.max_trials=4", "--workers", "2", "--no-deploy"]
OPTIONS += ["--set", f"search.learners={','.join(LEARNERS)}"]

EXECUTE_YAML = """
import json, sys
from pathlib import Path
from kfp import components
from regatta.runs import local
arguments, root, scratch, compiled = sys.argv[1:]
pipeline = components.load_component_from_file(compiled)
local.execute(json.loads(arguments), Path(root), Path(scratch), pipeline)
"""


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("table") / "toy.csv"
    binary_table(200).to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def run(table: Path, regatta: Any) -> Path:
    """A run of the command line."""
    out = table.parent / "out"
    ended = regatta("run", table, "--target", "outcome", *OPTIONS, "--out", out)
    assert ended.code == 0, ended.error
    return out


def scores(leaderboard: Path) -> dict[str, float]:
    """Scores of the trials by learner and parameters, the first of each learner only."""
    trials = json.loads(leaderboard.read_text())["trials"]
    found: dict[str, float] = {}
    for trial in sorted(trials, key=lambda trial: trial["id"]):
        found.setdefault(trial["id"], trial["score"])
    return found


def test_the_command_line_runs_the_tasks_of_the_compiled_pipeline(run: Path) -> None:
    events = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
    ran = [event["task"] for event in events if event["event"] == "task_started"]
    compiled = next(yaml.safe_load_all(YAML.read_text()))
    tasks = set(compiled["root"]["dag"]["tasks"]) - {"for-loop-1"} | {"trial"}
    assert set(ran) == tasks
    assert ran.count("trial") == 2


def test_the_compiled_pipeline_runs_and_gives_the_same(run: Path, table: Path) -> None:
    settings = json.loads((run / "run.json").read_text())["settings"]
    arguments = {
        "data_source": str(table),
        "data_target": "outcome",
        "run_name": settings["name"],
        "search_budget_seconds": settings["budget"]["seconds"],
        "search_lanes": 2,
        "run_settings": json.dumps({"search": {"max_trials": 4, "learners": LEARNERS}}),
    }
    root, scratch = table.parent / "compiled", table.parent / "scratch"
    done = subprocess.run(
        [sys.executable, "-c", EXECUTE_YAML, json.dumps(arguments), root, scratch, YAML],
        capture_output=True,
        text=True,
        check=False,
        timeout=150,
        env={**os.environ, "PYTHONSAFEPATH": "1"},
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    (leaderboard,) = root.glob("*/ensemble/leaderboard/leaderboard.json")
    assert scores(leaderboard) == pytest.approx(scores(run / "leaderboard.json"))


def test_a_trial_that_fails_is_a_row(table: Path, regatta: Any, tmp_path: Path) -> None:
    # No learner can live in so little memory but those that need hardly any.
    out = tmp_path / "out"
    ended = regatta(
        *("run", table, "--target", "outcome", *OPTIONS, "--out", out),
        *("--set", f"search.memory_bytes={60 * 2**20}"),
    )
    trials = json.loads((out / "leaderboard.json").read_text())["trials"] if out.exists() else []
    assert ended.code in (0, 1), ended.error
    if ended.code:
        assert "memory" in ended.error
        assert "Traceback" not in ended.error
    else:
        assert {trial["status"] for trial in trials} > {"ok"}
