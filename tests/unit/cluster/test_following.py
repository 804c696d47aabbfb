"""What is told of a run while it goes on, and when it hangs."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regatta.cluster.following import STILL_SECONDS, STUCK_SECONDS, Best, Following, span
from regatta.cluster.workflow import Step, Workflow
from tests.unit.cluster.doubles import recorded

START = 1000.0


def seen(values: Any, *times: float) -> Following:
    following = Following(2, START)
    for time in times:
        following.take(Workflow.read(values), START + time)
    return following


def without_messages(name: str) -> Any:
    values = recorded(f"{name}.json")
    for node in values["status"]["nodes"].values():
        node.pop("message", None)
    return values


@pytest.mark.parametrize(("name", "code"), [("image", "ImagePull"), ("processor", "Unschedulable")])
def test_a_hang_is_noticed_in_less_than_two_minutes(name: str, code: str) -> None:
    following = seen(recorded(f"{name}.json"), 0, STUCK_SECONDS / 2)
    assert following.stuck(START + STUCK_SECONDS / 2) is None
    assert STUCK_SECONDS < 110
    reason = following.stuck(START + STUCK_SECONDS)
    assert reason
    assert (reason.code, reason.task) == (code, "trial")


def test_a_pod_that_waits_for_its_turn_is_no_hang() -> None:
    values = recorded("processor.json")
    waiting = [n for n in values["status"]["nodes"].values() if n.get("message")]
    waiting[0].update(phase="Running", message="")
    assert seen(values, 0).stuck(START + 10 * STUCK_SECONDS) is None


def test_silence_is_a_hang_too() -> None:
    following = seen(without_messages("image"), 0)
    assert following.stuck(START + STILL_SECONDS - 1) is None
    reason = following.stuck(START + STILL_SECONDS)
    assert reason
    assert reason.code == "Pending"
    assert "kubectl describe pod regatta-rec" in reason.fix


def test_kubernetes_warnings_say_more() -> None:
    following = seen(without_messages("image"), 0)
    asked: list[Step] = []

    def ask(step: Step) -> list[str]:
        asked.append(step)
        return ['FailedMount: MountVolume.SetUp failed: secret "regatta-store" not found']

    reason = following.stuck(START + STUCK_SECONDS, ask)
    assert reason
    assert reason.code == "SecretMissing"
    assert asked[0].task == "trial"


def test_a_run_that_nobody_begins_hangs() -> None:
    reason = seen({}, 0).stuck(START + STILL_SECONDS)
    assert reason
    assert "workflow-controller" in reason.fix


def test_a_run_at_its_end_does_not_hang() -> None:
    assert seen(recorded("finished.json"), 0).stuck(START + 10_000) is None


def test_each_step_is_told_once() -> None:
    before = recorded("finished.json")
    before["status"]["phase"] = "Running"
    for node in before["status"]["nodes"].values():
        if "for-loop" in node["name"]:
            node["phase"] = "Running"
    following = Following(2, START)
    first = following.take(Workflow.read(before), START)
    assert [line.split()[0] for line in sorted(first)] == ["conclude", "ingest", "prepare"]
    assert next(line for line in first if line.startswith("ingest")).split()[1] == "cached"
    assert following.lanes_done() == (0, 2)
    after = Workflow.read(recorded("finished.json"))
    assert sorted(line.split()[:3] for line in following.take(after, START)) == [
        ["trial", "0", "done"],
        ["trial", "1", "done"],
    ]
    assert following.take(after, START) == []
    assert following.lanes_done() == (2, 2)


def test_a_task_takes_from_its_driver_to_its_end() -> None:
    workflow = Workflow.read(recorded("finished.json"))
    assert 5 < span(workflow, "ingest") < 120
    assert span(workflow, "nothing") == 0.0


def test_the_best_score_is_that_of_the_best_lane() -> None:
    following = seen(copy.deepcopy(recorded("finished.json")), 0)
    lines = iter(
        [
            "INFO trial a-1 rmse=3 (best 3) 1.0 s 0.1 GB\nINFO trial a-2 rmse=2.5 (best 2.5) 1 s",
            "INFO trial b-1 rmse=2.75 (best 2.75) 1.0 s 0.1 GB",
        ]
    )
    assert following.learn(lambda _: next(lines))
    assert following.best == Best("rmse", 2.5)
    assert not following.learn(lambda _: "")


@given(st.text(max_size=200))
def test_any_log_is_read(text: str) -> None:
    Best.of(text)
    Best.of(f"trial x rmse={text} (best {text})")
