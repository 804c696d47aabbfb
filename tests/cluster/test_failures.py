"""Pods that die, and runs that hang, on a real cluster."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.cluster.conftest import RUNS, Ended


def test_a_deleted_trial_pod_does_not_fail_the_run(
    submit: Callable[..., Ended], session: str, kubectl: Callable[..., Any], tmp_path: Path
) -> None:
    name, deleted = f"{session}-deleted", []

    def delete() -> None:
        """Delete the first trial pod of the run that is at work."""
        began = time.time()
        while time.time() < began + 300 and not deleted:
            chosen = ("-l", "regatta/stage=trial", "--field-selector", "status.phase=Running")
            pods = kubectl("-n", RUNS, "get", "pods", *chosen, "-o", "json")["items"]
            for pod in pods[:1]:
                time.sleep(3)
                kubectl("-n", RUNS, "delete", "pod", pod["metadata"]["name"], "--wait=false")
                deleted.append(pod["metadata"]["name"])
            time.sleep(1)

    thread = threading.Thread(target=delete)
    thread.start()
    # A number of trials that keeps lanes busy for a while.
    ended = submit(
        name,
        "--deploy",
        "none",
        "--workers",
        2,
        "--set",
        "search.max_trials=12",
        "--out",
        tmp_path / "out",
    )
    thread.join()
    assert deleted
    assert ended.code == 0, ended.output + ended.error
    assert (tmp_path / "out" / "report.html").is_file()


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
