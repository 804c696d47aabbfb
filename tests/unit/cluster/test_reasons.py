"""Why a run failed: from what a real cluster said, and from any text at all."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regatta import errors
from regatta.cluster.reasons import Reason, explain, explain_text, said
from regatta.cluster.workflow import Step, Workflow
from tests.unit.cluster.doubles import recorded


def reason_of(name: str, log: str = "", pods: Any = ()) -> Reason:
    workflow = Workflow.read(recorded(f"{name}.json"))
    found = explain(workflow, {step.pod: log for step in workflow.failures()}, pods)
    assert found
    return found


def test_what_the_task_said_is_the_reason_with_its_exit_code() -> None:
    reason = reason_of("said", recorded("said.log"))
    assert (reason.code, reason.place, reason.exit_code) == ("said", "trial, lane 1", 2)
    assert reason.found == "column 'churn' is not in the table"
    assert (reason.expected, reason.fix) == ("one of 'a', 'b'", "check --target")
    error = reason.error()
    assert isinstance(error, errors.UsageError)
    assert str(error).startswith("task trial, lane 1: column 'churn'")


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("memory", "OOMKilled"),
        ("image", "ImagePull"),
        ("processor", "Unschedulable"),
        ("ended", "Terminated"),
    ],
)
def test_what_a_real_cluster_did(name: str, code: str) -> None:
    reason = reason_of(name)
    assert (reason.code, reason.exit_code) == (code, 4)
    assert reason.fix
    assert reason.error().exit_code == 4


@pytest.mark.parametrize(("name", "code"), [("image", "ImagePull"), ("processor", "Unschedulable")])
def test_pods_tell_what_the_workflow_leaves_out(name: str, code: str) -> None:
    values = recorded(f"{name}.json")
    for node in values["status"]["nodes"].values():
        node.pop("message", None)
    pods = recorded(f"{name}-pods.json")["items"]
    reason = explain(Workflow.read(values), pods=pods)
    assert reason
    assert reason.code == code


def test_a_driver_says_it_in_its_fatal_line() -> None:
    reason = reason_of("driver", recorded("driver.log"))
    assert reason.code == "Driver"
    assert reason.found.endswith("type mismatch: expect NUMBER_INTEGER, got string")


def test_a_traceback_without_a_word_of_ours_is_a_defect() -> None:
    reason = reason_of("said", "Traceback\nValueError: boom\nF1121 x\n")
    assert (reason.code, reason.exit_code) == ("ExitCode", 1)
    assert "ValueError: boom" in reason.found
    assert isinstance(reason.error(), errors.DefectError)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('pods "x" is forbidden: exceeded quota: regatta, requested: pods=1', "Quota"),
        ('CreateContainerConfigError: secret "regatta-store" not found', "SecretMissing"),
        ('FailedMount: references non-existent secret; secret "a" not found', "SecretMissing"),
        ("Pod was active on the node longer than the specified deadline", "DeadlineExceeded"),
        ("pod deleted", "PodDeleted"),
        ("The node was low on resource: memory. Evicted", "PodDeleted"),
        ("Unschedulable: 0/3 nodes are available: 3 Insufficient cpu.", "Unschedulable"),
        ("workflows.argoproj.io is forbidden: User cannot get resource", "Forbidden"),
    ],
)
def test_words_of_kubernetes(text: str, code: str) -> None:
    reason = explain_text(text, Step("a", "a", "trial", lane=0))
    assert reason
    assert (reason.code, reason.lane) == (code, 0)


def test_a_run_that_went_well_has_no_reason() -> None:
    assert explain(Workflow.read(recorded("finished.json"))) is None


@given(
    st.text(st.characters(codec="ascii", exclude_categories=["C"]), min_size=1, max_size=80),
    st.sampled_from(["", "one of a, b"]),
)
def test_every_error_of_ours_is_read_back(found: str, expected: str) -> None:
    found = found.strip() or "x"
    if any(mark in found for mark in ("; expected ", ". To fix: ")):
        return
    line = str(errors.DataError(found, expected=expected, fix="look"))
    assert said(f"12:00 INFO reading\n{line}\nF1 exit status 2\n") == (found, expected, "look")


@given(st.text(max_size=300))
def test_any_text_is_read(text: str) -> None:
    said(text)
    explain_text(text)
