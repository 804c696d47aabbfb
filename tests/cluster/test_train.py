"""From a table in the object store to a service, by the command line, on a real cluster."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from regatta import bundle
from regatta.registry import Registry
from regatta.serving.client import Client
from regatta.serving.proof import prove
from regatta.testing.tables import binary_table
from tests.cluster.conftest import NAMESPACE, RUNS, Ended, Trained, regatta


def test_a_run_is_submitted_followed_and_fetched(trained: Trained) -> None:
    assert trained.ended.code == 0, trained.ended.output + trained.ended.error
    assert "dashboard" in trained.ended.output
    assert f"{trained.name}@1, champion" in trained.ended.output
    assert {path.name for path in trained.out.iterdir()} >= {"report.html", "leaderboard.json"}
    trials = json.loads((trained.out / "leaderboard.json").read_text())["trials"]
    # Two lanes, each in a pod of its own.
    assert {trial["lane"] for trial in trials} == {0, 1}


def test_lanes_tell_each_other_and_begin_with_what_did_best(
    trained: Trained, session: str, submit: Callable[..., Ended], tmp_path: Path
) -> None:
    raced = ("--set", "search.max_trials=0", "--budget", "150s", "--workers", 2)
    ended = submit(f"{session}-told", *raced, "--out", tmp_path / "out")
    assert ended.code == 0, ended.output + ended.error
    board = json.loads((tmp_path / "out" / "leaderboard.json").read_text())
    assert all(lane["heard"] > 0 for lane in board["lanes"])
    # What the first run has found lies beside the registry.
    assert "ledger" in {trial["recipe"]["origin"] for trial in board["trials"]}


def test_every_pod_was_bounded_and_not_root(trained: Trained, kubectl: Callable[..., Any]) -> None:
    # The account of tasks is made by a Job of ours, too.
    chosen = ("-l", "app.kubernetes.io/part-of=regatta,regatta/stage", "-o", "json")
    pods = kubectl("-n", RUNS, "get", "pods", *chosen)["items"]
    assert {pod["metadata"]["labels"]["regatta/stage"] for pod in pods} >= {"trial", "release"}
    for pod in pods:
        main = next(one for one in pod["spec"]["containers"] if one["name"] == "main")
        assert main["securityContext"]["runAsNonRoot"] is True
        assert main["resources"]["limits"]["memory"]


def test_trials_run_where_they_were_told_to(trained: Trained, kubectl: Callable[..., Any]) -> None:
    run = trained.ended.output.partition("/runs/details/")[2].split()[0]
    chosen = ("-l", f"regatta/stage=trial,pipeline/runid={run}", "-o", "json")
    pods = kubectl("-n", RUNS, "get", "pods", *chosen)["items"]
    assert len(pods) >= 2
    for pod in pods:
        assert pod["spec"]["nodeSelector"] == {"kubernetes.io/os": "linux"}
        assert "dedicated" in [one.get("key") for one in pod["spec"]["tolerations"]]


def test_the_service_answers_as_the_bundle_over_both_protocols(
    trained: Trained, address: str, versions: Registry
) -> None:
    version = versions.resolve(trained.name)
    model = bundle.load(version.bundle)
    frame = binary_table(1_000).drop(columns="outcome").iloc[:40]
    rows = json.loads(frame.to_json(orient="records", date_format="iso"))
    described = json.loads((version.bundle / "bundle.json").read_text())
    expected = model.predict_array(frame).tolist()
    assert prove(Client(address, trained.name), "1", described, rows, expected) < 1e-6


def test_the_service_answers_as_the_bundle_over_grpc(
    trained: Trained, address: str, versions: Registry
) -> None:
    from regatta.serving.grpc_client import GrpcClient

    model = bundle.load(versions.resolve(trained.name).bundle)
    frame = binary_table(1_000).drop(columns="outcome").iloc[:40]
    rows = json.loads(frame.to_json(orient="records", date_format="iso"))
    # The first port of the pod is port 80 of its Service; this one keeps its number.
    with GrpcClient(f"{address.removeprefix('http://')}:8081", trained.name) as client:
        assert list(client.metadata().versions) == ["1"]
        answers = client.predict(rows)
    expected = model.predict(frame)
    assert [answer["prediction"] for answer in answers] == expected["prediction"].tolist()
    for name in model.classes:
        found = [answer["probabilities"][name] for answer in answers]
        assert found == pytest.approx(expected[f"proba_{name}"].tolist(), abs=1e-6)


def test_the_service_was_proven_before_it_was_released(trained: Trained) -> None:
    service = json.loads((trained.out / "service.json").read_text())
    assert service["max_abs_difference"] < 1e-6
    assert service["target"] == "kserve"


def test_no_candidate_is_left(trained: Trained, kubectl: Callable[..., Any]) -> None:
    found = kubectl("-n", NAMESPACE, "get", "inferenceservices", "-o", "json")["items"]
    names = {one["metadata"]["name"] for one in found}
    assert trained.name in names
    assert f"{trained.name}-candidate" not in names


def test_models_of_the_registry_are_listed(trained: Trained, place: str) -> None:
    ended = regatta("models", "list", "--registry", f"{place}/registry")
    assert ended.code == 0, ended.error
    assert trained.name in ended.output


def test_a_wrong_target_is_told(submit: Callable[..., Ended], session: str) -> None:
    ended = submit(f"{session}-wrong", target="outcom")
    assert ended.code == 2, ended.output + ended.error
    assert "did you mean 'outcome'" in ended.error
    assert "Traceback" not in ended.error


def test_a_missing_table_is_told(submit: Callable[..., Ended], session: str, place: str) -> None:
    ended = submit(f"{session}-none", source=f"{place}/tables/none.csv")
    assert ended.code == 4, ended.output + ended.error
    assert "none.csv" in ended.error
