"""Pods that die, and runs that hang, on a real cluster."""

import json
import os
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from regatta.store import Location, Store
from regatta.testing.tables import binary_table
from tests.cluster.conftest import RUNS, Ended

TRIALS_BEFORE = 2
"""Trials that a lane has finished when something is done to it."""
SCALE = f"kubectl -n {RUNS} scale statefulset/minio --replicas"
STOP = os.environ.get("REGATTA_STOP_STORE", f"{SCALE}=0")
START = os.environ.get("REGATTA_START_STORE", f"{SCALE}=1")


class Meddler(threading.Thread):
    """Does something to the first trial pod of a run that has been at work for some seconds."""

    def __init__(self, kubectl: Callable[..., Any], do: Callable[[str], object]) -> None:
        super().__init__()
        self.kubectl, self.do = kubectl, do
        self.pod, self.at = "", 0.0
        self.before = set(self._running())
        self.start()

    def _running(self) -> list[str]:
        chosen = ("-l", "regatta/stage=trial", "--field-selector", "status.phase=Running")
        pods = self.kubectl("-n", RUNS, "get", "pods", *chosen, "-o", "json")["items"]
        return [pod["metadata"]["name"] for pod in pods]

    def run(self) -> None:
        began = time.time()
        while time.time() < began + 300 and not self.pod:
            for pod in set(self._running()) - self.before:
                if self._trials(pod) >= TRIALS_BEFORE:
                    self.pod, self.at = pod, time.time()
                    self.do(pod)
                    return
            time.sleep(0.5)

    def _trials(self, pod: str) -> int:
        """Return how many trials the log of a pod tells of."""
        log: str = self.kubectl("-n", RUNS, "logs", pod, "-c", "main")
        return log.count(" INFO regatta.search.lane trial ")


def board(out: Path) -> list[dict[str, Any]]:
    trials: list[dict[str, Any]] = json.loads((out / "leaderboard.json").read_text())["trials"]
    return trials


def test_a_deleted_trial_pod_costs_its_unfinished_trials_only(
    submit: Callable[..., Ended], session: str, kubectl: Callable[..., Any], tmp_path: Path
) -> None:
    meddler = Meddler(
        kubectl, lambda pod: kubectl("-n", RUNS, "delete", "pod", pod, "--wait=false")
    )
    # A number of trials that keeps lanes busy for a while.
    lanes = ("--deploy", "none", "--workers", 2, "--set", "search.max_trials=16")
    ended = submit(f"{session}-deleted", *lanes, "--out", tmp_path / "out")
    meddler.join()
    assert meddler.pod
    assert ended.code == 0, ended.output + ended.error
    trials = board(tmp_path / "out")
    assert len(trials) >= 16
    # Each lane has trials that began before the pod was deleted, and some that began after.
    for lane in (0, 1):
        began = [trial["started_at"] for trial in trials if trial["lane"] == lane]
        assert min(began) < meddler.at < max(began), (lane, meddler.at, began)


def test_a_store_that_is_away_for_a_minute_does_not_fail_the_run(
    submit: Callable[..., Ended], session: str, kubectl: Callable[..., Any], tmp_path: Path
) -> None:
    away: list[float] = []

    def stop(pod: str) -> None:
        subprocess.run(STOP, shell=True, check=True)
        away.append(time.time())
        time.sleep(60)
        subprocess.run(START, shell=True, check=True, stdout=subprocess.DEVNULL)
        away.append(time.time())

    meddler = Meddler(kubectl, stop)
    lanes = ("--deploy", "none", "--workers", 2, "--set", "search.max_trials=16")
    ended = submit(f"{session}-away", *lanes, "--out", tmp_path / "out")
    meddler.join()
    assert away[1] - away[0] >= 60
    assert ended.code == 0, ended.output + ended.error
    assert len(board(tmp_path / "out")) >= 16


def test_a_trial_out_of_memory_is_a_line_of_the_leaderboard(
    submit: Callable[..., Ended], session: str, place: str, store: Store, tmp_path: Path
) -> None:
    path = tmp_path / "wide.csv"
    binary_table(60_000).to_csv(path, index=False)
    store.upload_file(path, Location.parse(f"{place}/tables/large.csv"))
    hungry = {"n_trees": 600, "min_rows": 1, "row_share": 1.0}
    recipes = json.dumps([{"learner": "random_forest", "params": hungry}, {"learner": "linear"}])
    ended = submit(
        f"{session}-hungry",
        *("--deploy", "none", "--out", tmp_path / "out", "--cores", 1),
        *("--argument", "pods_memory=640Mi"),
        # More than the pod has: only the kernel ends such a trial.
        *("--set", "search.memory_bytes=8000000000", "--set", f"search.recipes={recipes}"),
        source=f"{place}/tables/large.csv",
    )
    assert ended.code == 0, ended.output + ended.error
    statuses = {trial["recipe"]["learner"]: trial["status"] for trial in board(tmp_path / "out")}
    assert statuses["linear"] == "ok"
    assert statuses["random_forest"] in ("out_of_memory", "crashed"), statuses


def test_a_pod_that_no_node_can_hold_is_noticed(submit: Callable[..., Ended], session: str) -> None:
    began = time.monotonic()
    ended = submit(f"{session}-stuck", "--argument", "pods_memory=4000Gi", "--end-when-stuck")
    assert ended.code == 4, ended.output + ended.error
    assert time.monotonic() - began < 200
    assert "memory" in ended.error.lower()


def test_a_task_out_of_memory_is_told(submit: Callable[..., Ended], session: str) -> None:
    ended = submit(f"{session}-oom", "--argument", "pods_memory=40Mi")
    assert ended.code == 4, ended.output + ended.error
    assert "OOMKilled" in ended.error
