"""Argo's object is read as a real cluster wrote it, and never trips over another shape."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regatta.cluster.workflow import Workflow
from tests.unit.cluster.doubles import recorded

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4)
    ),
    max_leaves=20,
)


def test_tasks_and_lanes_of_a_real_run() -> None:
    workflow = Workflow.read(recorded("said.json"))
    assert (workflow.phase, workflow.namespace, workflow.done) == ("Failed", "kubeflow", True)
    assert workflow.tasks == {
        ("ingest", None): "Cached",
        ("prepare", None): "Succeeded",
        ("trial", 0): "Succeeded",
        ("trial", 1): "Failed",
        ("conclude", None): "Succeeded",
    }
    assert workflow.lanes("trial") == {0: "Succeeded", 1: "Failed"}


def test_the_pod_of_a_failure_has_its_real_name() -> None:
    workflow = Workflow.read(recorded("memory.json"))
    failed = list(workflow.failures())
    assert [step.place for step in failed] == ["trial, lane 1"]
    assert failed[0].pod == recorded("memory-pods.json")["items"][0]["metadata"]["name"]


def test_artifacts_are_found_where_the_launcher_was_told_to_put_them() -> None:
    workflow = Workflow.read(recorded("finished.json"))
    place = workflow.artifact("conclude", "conclusion")
    assert place.startswith("minio://mlpipeline/v2/artifacts/regatta-rec/")
    assert place.endswith("/conclusion")
    # Taken from the cache: it was not told anything.
    assert workflow.artifact("ingest", "dataset") == ""


def test_drivers_are_told_from_tasks() -> None:
    workflow = Workflow.read(recorded("driver.json"))
    assert {step.driver for step in workflow.failures()} == {True}


def test_an_ended_run_is_told_from_a_failed_one() -> None:
    assert Workflow.read(recorded("ended.json")).ended
    assert not Workflow.read(recorded("said.json")).ended


@pytest.mark.parametrize(("last", "rescued"), [("Succeeded", True), ("Failed", False)])
def test_a_second_try_rescues_the_first(last: str, rescued: bool) -> None:
    path = "w.root.for-loop-1.iteration-iterations(2:2).iteration-item.trial"
    nodes = [
        {"id": "w-1", "name": f"{path}.executor(0)", "type": "Pod", "phase": "Failed"},
        {"id": "w-2", "name": f"{path}.executor(1)", "type": "Pod", "phase": last},
    ]
    values = {"metadata": {"name": "w"}, "status": {"nodes": {n["id"]: n for n in nodes}}}
    workflow = Workflow.read(values)
    assert [(step.lane, step.attempt) for step in workflow.steps] == [(2, 0), (2, 1)]
    assert [step.attempt for step in workflow.failures()] == ([] if rescued else [1])


def test_a_task_that_is_tried_again_is_at_work() -> None:
    names = {"trial": ("Retry", "Running"), "trial(0)": ("DAG", "Failed")}
    for order in (list(names), list(reversed(names))):
        nodes = {
            name: {
                "id": name,
                "name": f"w.root.{name}",
                "type": names[name][0],
                "phase": names[name][1],
                "templateName": "system-container-executor",
            }
            for name in order
        }
        values = {"metadata": {"name": "w"}, "status": {"nodes": nodes}}
        assert Workflow.read(values).tasks == {("trial", None): "Running"}


@given(json_values)
def test_any_json_is_read(values: Any) -> None:
    assert isinstance(Workflow.read(values), Workflow)


@given(st.dictionaries(st.text(max_size=8), json_values, max_size=4), st.text(max_size=60))
def test_any_node_is_read(node: dict[str, Any], name: str) -> None:
    node = {**node, "name": name, "type": "Pod"}
    values = {"metadata": {"name": "w"}, "status": {"nodes": {"a": node, "b": 3}}}
    assert len(Workflow.read(values).steps) == 1
