"""Versions come and go under load, on a real cluster."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from regatta.errors import ServiceError
from regatta.registry import Registry
from regatta.serving.client import Client
from regatta.store import Location, Store
from regatta.testing.tables import binary_table
from tests.cluster.conftest import NAMESPACE, Ended, Trained, regatta
from tests.toy_bundle import build


@pytest.fixture(scope="module")
def row() -> dict[str, Any]:
    frame = binary_table(10).drop(columns="outcome").iloc[:1]
    rows: list[dict[str, Any]] = json.loads(frame.to_json(orient="records", date_format="iso"))
    return rows[0]


@pytest.fixture(scope="module")
def second(trained: Trained, versions: Registry, tmp_path_factory: pytest.TempPathFactory) -> int:
    """Another version of the model, which is not champion."""
    path = tmp_path_factory.mktemp("second") / "bundle"
    build(path, "binary", learners=("linear",), seed=5)
    return versions.register(path, trained.name, verdict="keep", task="binary").number


@contextmanager
def load(client: Client, row: dict[str, Any]) -> Iterator[dict[str, int]]:
    """Ask all the time, from two threads; count the answers by what came of them."""
    counts: dict[str, int] = {"ok": 0}
    failures: dict[str, int] = {}
    ended = threading.Event()

    def ask() -> None:
        while not ended.is_set():
            try:
                client.predict_v1([row])
                counts["ok"] += 1
            except ServiceError as err:
                failures[str(err)] = failures.get(str(err), 0) + 1
            time.sleep(0.02)

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        yield counts
    finally:
        ended.set()
        for thread in threads:
            thread.join()
        counts |= failures


def served(client: Client) -> list[str]:
    found: list[str] = client.metadata()["versions"]
    return found


def is_ready(pod: dict[str, Any]) -> bool:
    conditions = pod["status"].get("conditions", ())
    ready = any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
    return ready and "deletionTimestamp" not in pod["metadata"]


def move(verb: str, trained: Trained, place: str, *options: object) -> Ended:
    where = ("--registry", f"{place}/registry", "--namespace", NAMESPACE)
    return regatta("models", verb, trained.name, *options, *where)


def test_an_update_under_load_fails_no_request(
    trained: Trained, place: str, address: str, second: int, row: dict[str, Any]
) -> None:
    client = Client(address, trained.name)
    assert served(client) == ["1"]
    with load(client, row) as counts:
        ended = move("promote", trained, place, second)
        time.sleep(2)
    assert ended.code == 0, ended.error
    assert served(client) == [str(second)]
    assert list(counts) == ["ok"], counts
    assert counts["ok"] > 50


def test_a_rollback_is_one_command(
    trained: Trained, place: str, address: str, second: int, versions: Registry
) -> None:
    assert versions.aliases(trained.name)["champion"] == second
    ended = move("rollback", trained, place)
    assert ended.code == 0, ended.error
    assert served(Client(address, trained.name)) == ["1"]
    assert versions.aliases(trained.name)["champion"] == 1


def test_a_version_that_does_not_load_gets_no_traffic(
    trained: Trained,
    place: str,
    address: str,
    versions: Registry,
    store: Store,
    row: dict[str, Any],
    tmp_path: Path,
    kubectl: Callable[..., Any],
) -> None:
    build(tmp_path / "bundle", "binary", learners=("linear",), seed=6)
    added = versions.register(tmp_path / "bundle", trained.name, verdict="keep", task="binary")
    damaged = Location.parse(f"{added.uri}/bundle.json")
    store.write(damaged, b"{")
    client = Client(address, trained.name)
    with load(client, row) as counts:
        ended = move("promote", trained, place, added.number)
    assert ended.code == 4, ended.output + ended.error
    assert "Traceback" not in ended.error.partition("log")[0]
    assert list(counts) == ["ok"], counts
    assert served(client) == ["1"]
    assert versions.aliases(trained.name)["champion"] == 1
    # It is deleted before the command ends; its pods have half a minute to go.
    gone = ("--for=delete", "--timeout=60s")
    kubectl("-n", NAMESPACE, "wait", "inferenceservice", f"{trained.name}-candidate", *gone)


def test_two_deployments_at_once_agree(
    trained: Trained, place: str, address: str, second: int, versions: Registry
) -> None:
    where = ["--registry", f"{place}/registry", "--namespace", NAMESPACE]
    command = [sys.executable, "-m", "regatta.cli", "models", "promote", trained.name]
    both = [
        subprocess.Popen([*command, str(number), *where], stderr=subprocess.PIPE, text=True)
        for number in (second, 1)
    ]
    errors = [process.communicate(timeout=600)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], errors
    champion = versions.aliases(trained.name)["champion"]
    assert served(Client(address, trained.name)) == [str(champion)]


def test_a_killed_server_comes_back(
    trained: Trained, address: str, row: dict[str, Any], kubectl: Callable[..., Any]
) -> None:
    chosen = ("-l", f"serving.kserve.io/inferenceservice={trained.name}")
    before = next(
        pod
        for pod in kubectl("-n", NAMESPACE, "get", "pods", *chosen, "-o", "json")["items"]
        if "deletionTimestamp" not in pod["metadata"]
    )
    killed = ("--grace-period=0", "--force", "--wait=true")
    kubectl("-n", NAMESPACE, "delete", "pod", before["metadata"]["name"], *killed)
    # The Deployment calls itself complete until it has noticed, and a server that was killed by
    # force answers as long as it lasts: only a pod that came after it and is ready says enough.
    deadline = time.monotonic() + 120
    while True:
        pods = kubectl("-n", NAMESPACE, "get", "pods", *chosen, "-o", "json")["items"]
        after = [pod for pod in pods if pod["metadata"]["name"] != before["metadata"]["name"]]
        if any(is_ready(pod) for pod in after):
            break
        assert time.monotonic() < deadline, pods
        time.sleep(0.5)
    client = Client(address, trained.name)
    deadline = time.monotonic() + 30
    while True:
        # A request right at Ready can still be refused for a moment.
        try:
            answered = client.predict_v1([row])
            break
        except ServiceError:
            assert time.monotonic() < deadline
            time.sleep(0.5)
    assert answered[0]["prediction"] in ("yes", "no")
