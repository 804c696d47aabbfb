"""The stage ``trial``: a lane in a process of its own, with real learners."""

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from regatta.artifacts import open_artifact, read_json
from regatta.errors import ArtifactError
from regatta.stages import plan, trial
from tests.unit.search.fakes import write_features


@pytest.fixture
def folders(tmp_path: Path):
    """Return a function that plans a race and names its folders."""
    write_features(tmp_path / "features", n_rows=200)

    def make(**search):
        settings = {"search": {"cores": 1, **search}, "budget": {"seconds": 900}}
        plan.run(str(tmp_path / "features"), json.dumps(settings), str(tmp_path / "plan"))
        return str(tmp_path / "features"), str(tmp_path / "plan"), tmp_path

    return make


def trials_of(folder: Path) -> list[dict]:
    """Return the records of a lane, without what differs from run to run."""
    artifact = open_artifact(folder, "trials")
    names = read_json(artifact.file("lane.json"))["trials"]
    found = [read_json(open_artifact(folder / name, "trial").file("trial.json")) for name in names]
    same = ("id", "seed", "status", "score", "fold_scores", "recipe", "reason")
    return [{key: record[key] for key in same} for record in found]


def test_same_seed_gives_the_same_race(folders):
    features, planned, tmp_path = folders(max_trials=6, learners=["linear", "lightgbm"])
    found = []
    for name in ("first", "second"):
        numbers = trial.run(features, planned, 0, 0.0, str(tmp_path / name))
        assert (numbers["lane"], numbers["trials"], numbers["ok"]) == (0, 6, 6)
        assert 0.8 < numbers["best"] <= 1
        found.append(trials_of(tmp_path / name))
    assert found[0] == found[1]
    assert found[0][-1]["recipe"]["origin"] in ("portfolio", "bayes")


def test_no_time_is_no_exception(folders):
    features, planned, tmp_path = folders()
    late = time.time() - 1000
    numbers = trial.run(features, planned, 0, late, str(tmp_path / "trials"))
    assert (numbers["trials"], numbers["ok"]) == (0, 0)
    assert "best" not in numbers
    assert read_json(tmp_path / "trials" / "lane.json")["least_budget"] > 1000


def test_lane_that_dies_is_recorded(folders, capfd):
    features, planned, tmp_path = folders()
    numbers = trial.run(features, planned, 99, 0.0, str(tmp_path / "trials"))
    assert numbers == {"lane": 99, "trials": 0, "ok": 0}
    lane = read_json(open_artifact(tmp_path / "trials", "trials").file("lane.json"))
    assert lane["lost"] == "ended with exit code 1; the log says why"
    assert "IndexError" in capfd.readouterr().err


def lane_of(tmp_path: Path) -> Iterator[psutil.Process]:
    """Yield the process of a lane."""
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.Error):
            command = child.cmdline()
            if "regatta.search" in command and str(tmp_path) in " ".join(command):
                yield child


def kill_lane(tmp_path: Path, finished: int) -> list[str]:
    """Kill the process of a lane once it has finished some trials; return them."""
    deadline = time.time() + 40
    while True:
        done = [path.parent.name for path in tmp_path.glob(".trials.*/[0-9]*/trial.json")]
        lanes = list(lane_of(tmp_path))
        if len(done) >= finished and lanes and list(lanes[0].children()):
            lanes[0].kill()
            return done
        assert time.time() < deadline, "no trial was finished"
        time.sleep(0.02)


def test_lane_that_is_killed_goes_on(folders, caplog):
    features, planned, tmp_path = folders(max_trials=4, learners=["linear"])
    arguments = (features, planned, 0, 0.0, str(tmp_path / "trials"))
    stage = threading.Thread(target=trial.run, args=arguments)
    stage.start()
    done = kill_lane(tmp_path, 2)
    stage.join(40)
    assert not stage.is_alive()
    lane = read_json(open_artifact(tmp_path / "trials", "trials").file("lane.json"))
    assert "lost" not in lane
    assert lane["best"]
    assert set(done) < set(lane["trials"])
    assert {name for name in lane["trials"] if "retry" not in name} == {
        f"{number:03d}-linear" for number in range(4)
    }
    assert lane["statuses"]["ok"] >= 3
    assert "lane 0 was killed by SIGKILL; it goes on in a new process" in caplog.text
    assert not list((tmp_path / "trials").glob(".*"))


def test_lane_that_is_killed_twice_keeps_its_finished_trials(folders):
    features, planned, tmp_path = folders(learners=["linear"])
    arguments = (features, planned, 0, 0.0, str(tmp_path / "trials"))
    stage = threading.Thread(target=trial.run, args=arguments)
    stage.start()
    done = kill_lane(tmp_path, 1)
    done += kill_lane(tmp_path, len(done) + 1)
    stage.join(20)
    assert not stage.is_alive()
    assert set(done) <= set(trials_of_lost(tmp_path / "trials"))
    assert not list((tmp_path / "trials").glob(".*"))


def trials_of_lost(folder: Path) -> list[str]:
    lane = read_json(open_artifact(folder, "trials").file("lane.json"))
    assert lane["lost"] == "killed by SIGKILL"
    for name in lane["trials"]:
        open_artifact(folder / name, "trial")
    return list(lane["trials"])


def test_changed_plan_is_refused(folders):
    features, planned, tmp_path = folders()
    (Path(planned) / "plan.json").write_text("{}")
    with pytest.raises(ArtifactError, match=r"plan\.json"):
        trial.run(features, planned, 0, 0.0, str(tmp_path / "trials"))
    assert not (tmp_path / "trials").exists()
