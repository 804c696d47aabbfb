"""A lane goes on where an earlier try of it died."""

import os
import shutil
import signal
import time
from pathlib import Path

import pytest

from regatta.artifacts import open_artifact, read_json, write_json, writing
from regatta.artifacts.records import Recipe, TrialRecord
from regatta.search.plan import Plan, make_plan
from regatta.search.race import race
from regatta.search.resuming import CLOCK, NOTES, earlier_deadline, note_clock, recover, untried
from regatta.settings import RunSettings
from tests.unit.search.fakes import ACCIDENTS, TOOLBOX, open_features, plan_of


def records(folder: Path) -> dict[str, TrialRecord]:
    """Return the trials of a lane in the order of their start."""
    found = [TrialRecord.from_dict(read_json(path)) for path in folder.glob("[!.]*/trial.json")]
    return {record.id: record for record in sorted(found, key=lambda record: record.started_at)}


def lasting(folder: Path) -> dict[str, dict]:
    """Return the trials of a lane without accidents."""
    return {
        name: {key: value for key, value in record.to_dict().items() if key not in ACCIDENTS}
        for name, record in records(folder).items()
    }


def fixed_plan(table, strategy: str, **search) -> Plan:
    """Return the plan of a lane with a number of trials."""
    values = {"max_trials": 8, "memory_bytes": 10**9, "cores": 1, "lanes": 1, **search}
    settings = {"search": {"strategy": strategy, **values}, "budget": {"seconds": 600}}
    return make_plan(table, RunSettings.from_values(settings), TOOLBOX)


def race_until_killed(table, plan: Plan, folder: Path, finished: int) -> None:
    """Race in a process that is killed when some trials are finished and another is at work."""
    pid = os.fork()
    if pid == 0:
        try:
            race(table, plan, 0, folder, toolbox=TOOLBOX)
        finally:
            os._exit(1)
    deadline = time.time() + 20
    while len(records(folder)) < finished or len(notes(folder)) == finished:
        assert time.time() < deadline
        time.sleep(0.01)
    os.kill(pid, signal.SIGKILL)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL


def notes(folder: Path) -> set[str]:
    return {path.stem for path in (folder / NOTES).glob("[!.]*.json")} - {Path(CLOCK).stem}


@pytest.mark.parametrize(
    "strategy",
    ["portfolio", "halving", *(pytest.param(s, marks=pytest.mark.slow) for s in ("bayes", "grid"))],
)
def test_a_race_of_fixed_trials_ends_as_without_the_interruption(tmp_path: Path, strategy: str):
    table = open_features(tmp_path / "features", n_rows=900, n_folds=1)
    plan = fixed_plan(table, strategy, learners=["line", "raises"])
    with writing(tmp_path / "whole", "trials") as folder:
        race(table, plan, 0, folder, toolbox=TOOLBOX)
    whole = records(tmp_path / "whole")
    for kept in (1, 4, len(whole) - 1):
        with writing(tmp_path / f"{kept}", "trials") as folder:
            for name in list(whole)[:kept]:
                shutil.copytree(tmp_path / "whole" / name, folder / name)
            summary = race(table, plan, 0, folder, toolbox=TOOLBOX)
        assert lasting(tmp_path / f"{kept}") == lasting(tmp_path / "whole")
        assert sorted(summary["trials"]) == sorted(whole)
        starts = {name: record.started_at for name, record in records(tmp_path / f"{kept}").items()}
        again = [name for name in whole if starts[name] != whole[name].started_at]
        assert again == list(whole)[kept:]


@pytest.mark.parametrize("strategy", ["portfolio", pytest.param("halving", marks=pytest.mark.slow)])
def test_a_killed_lane_costs_what_was_at_work(tmp_path: Path, strategy: str):
    table = open_features(tmp_path / "features", n_rows=900, n_folds=1)
    plan = fixed_plan(table, strategy, learners=["slow"], max_trials=5)
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
    race(table, plan, 0, tmp_path / "whole", toolbox=TOOLBOX)
    race_until_killed(table, plan, tmp_path / "killed", 2)
    (lost,) = notes(tmp_path / "killed") - set(records(tmp_path / "killed"))
    race(table, plan, 0, tmp_path / "killed", toolbox=TOOLBOX)
    whole, killed = lasting(tmp_path / "whole"), lasting(tmp_path / "killed")
    assert (killed[lost]["status"], killed[lost]["reason"]) == (
        "crashed", "the lane died while it was at work",
    )  # fmt: skip
    assert killed[lost]["seed"] == whole[lost]["seed"]
    retry = killed.pop(f"{lost}-retry")
    assert (retry["status"], retry["recipe"]["origin"]) == ("ok", f"retry of {lost}")
    if strategy == "portfolio":
        assert list(killed) == list(whole)
        assert all(killed[name] == whole[name] for name in set(whole) - {lost})
    assert not list((tmp_path / "killed").glob(".*"))
    assert open_artifact(tmp_path / "killed" / lost, "trial")


def test_a_trial_that_kills_its_lane_twice_is_not_begun_a_third_time(tmp_path: Path):
    table = open_features(tmp_path / "features")
    plan = plan_of(table, [Recipe("hangs", {"noise": 0.5}), Recipe("line")], search={"cores": 1})
    for lost in ("00-000-hangs", "00-000-hangs-retry"):
        race_until_killed(table, plan, tmp_path, len(records(tmp_path)))
        assert notes(tmp_path) - set(records(tmp_path)) == {lost}
        recover(tmp_path)
    race(table, plan, 0, tmp_path, toolbox=TOOLBOX)
    assert [record.status for record in records(tmp_path).values()] == ["crashed", "crashed", "ok"]


@pytest.mark.parametrize("refine", ["bayes", pytest.param("random", marks=pytest.mark.slow)])
def test_what_refines_goes_on_with_new_draws(tmp_path: Path, refine: str):
    table = open_features(tmp_path / "features", n_folds=1)
    queue = [Recipe("line"), Recipe("line", {"alpha": 10.0}), Recipe("slow", {"alpha": 3.0})]
    folder = tmp_path / refine
    folder.mkdir()
    plan = plan_of(table, queue, refine=refine, search={"cores": 1}, budget={"seconds": 5.0})
    race_until_killed(table, plan, folder, 5)
    before = records(folder)
    race(table, plan, 0, folder, toolbox=TOOLBOX)
    found = records(folder)
    assert len(found) > len(before) + 3
    numbers = [r.number for r in found.values() if not r.id.endswith("-retry")]
    assert numbers == list(range(len(numbers)))
    assert {name: found[name] for name in before} == before
    tried = [str(record.recipe.params) for name, record in found.items() if "retry" not in name]
    assert len(set(tried)) == len(tried)
    assert [record.recipe.origin for record in list(found.values())[:3]] == ["portfolio"] * 3


def test_the_deadline_is_that_of_the_first_try(tmp_path: Path):
    table = open_features(tmp_path / "features")
    plan = plan_of(table, [Recipe("line")], refine="random", budget={"seconds": 7.0})
    now = time.time()
    note_clock(tmp_path, now - 3, now + 3)
    (tmp_path / "00-000-line").mkdir()
    done = TrialRecord("00-000-line", 0, 0, Recipe("line"), 1, "ok", score=0.9, started_at=now - 3)
    write_json(tmp_path / "00-000-line" / "trial.json", done.to_dict())
    summary = race(table, plan, 0, tmp_path, toolbox=TOOLBOX)
    # One second of the budget is for what comes after the race.
    assert 2 < time.time() - now < 4
    assert summary["head_seconds"] == 0
    assert 5.3 < summary["race_seconds"] < 6.5
    assert summary["trials"][0] == "00-000-line"


@pytest.mark.parametrize(("ago", "seconds"), [(3.5, 2.5), (60.0, 3.0)])
def test_a_late_try_without_a_model_has_time_for_one(tmp_path: Path, ago: float, seconds: float):
    table = open_features(tmp_path / "features")
    plan = plan_of(table, [Recipe("line")], refine="random", budget={"seconds": 4.0})
    now = time.time()
    note_clock(tmp_path, now - ago, now - ago + 3)
    race(table, plan, 0, tmp_path, toolbox=TOOLBOX)
    assert seconds - 0.7 < time.time() - now < seconds + 1


def test_a_late_try_with_a_model_is_over(tmp_path: Path):
    table = open_features(tmp_path / "features")
    plan = plan_of(table, [Recipe("line")], refine="random", budget={"seconds": 7.0})
    (tmp_path / "00-000-line").mkdir()
    now = time.time()
    done = TrialRecord("00-000-line", 0, 0, Recipe("line"), 1, "ok", score=0.9, started_at=now - 9)
    write_json(tmp_path / "00-000-line" / "trial.json", done.to_dict())
    assert race(table, plan, 0, tmp_path, toolbox=TOOLBOX)["trials"] == ["00-000-line"]
    assert time.time() - now < 0.5


def test_encoders_of_an_earlier_try_stay(tmp_path: Path):
    table = open_features(tmp_path / "features")
    for tries in range(3):
        plan = plan_of(table, [Recipe("line", {"alpha": 1.0 + n}) for n in range(tries + 1)])
        before = {path: path.read_bytes() for path in tmp_path.glob("encoders/*/*/*")}
        race(table, plan, 0, tmp_path, toolbox=TOOLBOX)
        (newest,) = [name for name in records(tmp_path) if f"-{tries:03d}-" in name]
        suffix = f".{tries}" if tries else ""
        fits = read_json(tmp_path / newest / "fits.json")["encoders"]
        assert fits == [f"tree/fold-{fold}{suffix}" for fold in range(3)]
        assert all((tmp_path / "encoders" / name / "encoder.json").is_file() for name in fits)
        assert {path: path.read_bytes() for path in before} == before
        # As if the lane had died at its end: what it had begun is noted.
        for name, record in records(tmp_path).items():
            (tmp_path / NOTES).mkdir(exist_ok=True)
            asked = {**record.to_dict(), "recipe": {**record.to_dict()["recipe"]}}
            asked["recipe"]["params"] = {"alpha": record.recipe.params["alpha"]}
            write_json(tmp_path / NOTES / f"{name}.json", asked)


def test_recovering_removes_what_is_half_written(tmp_path: Path):
    for name in (".00-001-line.abc", "encoders/tree/.fold-0.abc", NOTES):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / NOTES / ".00-002-line.json").write_text("{")
    assert recover(tmp_path).records == ()
    assert [path.name for path in tmp_path.iterdir()] != [NOTES]
    assert not list(tmp_path.glob(".00*"))
    assert not list(tmp_path.glob("encoders/tree/.*"))
    assert earlier_deadline(tmp_path) is None
    note_clock(tmp_path, 1.0, 5.5)
    assert earlier_deadline(tmp_path) == 5.5
    assert recover(tmp_path).began == 1.0


def test_untried_knows_recipes_by_all_but_a_smaller_sample():
    queue = [Recipe("line"), Recipe("line", {"alpha": 2}), Recipe("line", rows=500)]
    assert untried(queue, []) == queue
    assert untried(queue, [queue[2]]) == queue[:2]
    assert untried(queue, [Recipe("line", {"alpha": 2}, rows=250)]) == [queue[0], queue[2]]
    assert untried(queue, [Recipe("line", origin="bayes")]) == queue
