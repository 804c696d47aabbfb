"""A real cluster: KUBECONFIG, Kubeflow Pipelines at REGATTA_KFP_HOST, keys of the store in AWS_*.

Services are asked at their addresses inside the cluster, so the tests run where those can be
reached: on a node, or in a pod. REGATTA_TEST_BUCKET names a bucket that may be written
(``models``); all that is made has the name of the session in it, and is removed at the end.
REGATTA_STOP_STORE and REGATTA_START_STORE are commands that do so, where MinIO is no StatefulSet
of our manifests.
"""

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from regatta.cluster.connection import Connection
from regatta.cluster.pipelines import Pipelines
from regatta.registry import Objects, Registry
from regatta.store import Location, Store, connect
from regatta.testing.tables import binary_table

NEEDED = ("KUBECONFIG", "REGATTA_KFP_HOST", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
NAMESPACE = "regatta"
TOLERATIONS = '[{"key": "dedicated", "operator": "Exists", "effect": "NoSchedule"}]'
RUNS = os.environ.get("REGATTA_KFP_NAMESPACE", "kubeflow")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    missing = [name for name in NEEDED if not os.environ.get(name)]
    for item in items:
        if Path(item.path).parent == Path(__file__).parent:
            item.add_marker(pytest.mark.cluster)
            if missing:
                item.add_marker(pytest.mark.skip(reason=f"no cluster: {', '.join(missing)}"))


@dataclass(frozen=True)
class Ended:
    """A command that has ended."""

    code: int
    output: str
    error: str
    seconds: float


def regatta(*arguments: object, timeout: float = 600) -> Ended:
    """Run a command of Regatta as a user does."""
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "regatta.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        env={**os.environ, "COLUMNS": "200"},
    )
    return Ended(done.returncode, done.stdout, done.stderr, time.perf_counter() - began)


def state_of(run: str, most_seconds: float = 420.0) -> str:
    """Wait for the end of a run of Kubeflow Pipelines, and return how it ended."""
    ends = time.monotonic() + most_seconds
    with Pipelines(Connection.find(os.environ["REGATTA_KFP_HOST"], None, RUNS)) as pipelines:
        while (state := pipelines.state(run)) in ("", "PENDING", "RUNNING"):
            assert time.monotonic() < ends, "the run did not end"
            time.sleep(3)
    return state


@pytest.fixture(scope="session")
def session() -> str:
    """A name that no other session has."""
    return f"t{uuid.uuid4().hex[:6]}"


@pytest.fixture(scope="session")
def store() -> Store:
    return connect()


@pytest.fixture(scope="session")
def place(session: str, store: Store) -> Iterator[str]:
    """Where registry and tables of this session lie."""
    bucket = os.environ.get("REGATTA_TEST_BUCKET", "models")
    yield f"s3://{bucket}/{session}"
    for entry in list(store.list(Location(bucket, session))):
        store.remove(entry.location)


@pytest.fixture(scope="session")
def versions(place: str, store: Store) -> Registry:
    """The registry of this session."""
    location = Location.parse(f"{place}/registry")
    return Registry(location, Objects(location, store))


@pytest.fixture(scope="session")
def table(place: str, store: Store, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A table in the store."""
    path = tmp_path_factory.mktemp("table") / "toy.csv"
    binary_table(1_000).to_csv(path, index=False)
    store.upload_file(path, Location.parse(f"{place}/tables/toy.csv"))
    return f"{place}/tables/toy.csv"


@pytest.fixture(scope="session")
def submit(place: str, table: str) -> Callable[..., Ended]:
    """Submit a run of few trials and wait for it."""

    def go(name: str, *options: object, target: str = "outcome", source: str = table) -> Ended:
        return regatta(
            *("submit", "train", "--host", os.environ["REGATTA_KFP_HOST"], "--namespace", RUNS),
            *("--source", source, "--target", target, "--name", name, "--budget", "10m"),
            *("--registry", f"{place}/registry", "--set", "search.max_trials=2"),
            *("--argument", "pods_cpu=100m", "--argument", "pods_memory=1Gi", *options),
        )

    return go


@pytest.fixture(scope="session")
def kubectl() -> Callable[..., Any]:
    """Ask Kubernetes; JSON is read."""
    program = os.environ.get("KUBECTL", "kubectl")

    def ask(*arguments: str) -> Any:
        done = subprocess.run(
            [program, *arguments], capture_output=True, text=True, check=False, timeout=120
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if "json" in arguments else done.stdout

    return ask


@dataclass(frozen=True)
class Trained:
    """A model that was trained and deployed by the pipeline."""

    name: str
    out: Path
    ended: Ended


@pytest.fixture(scope="session")
def trained(
    session: str,
    submit: Callable[..., Ended],
    kubectl: Callable[..., Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Trained]:
    out = tmp_path_factory.mktemp("run") / "out"
    placed = ("--argument", 'pods_node_selector={"kubernetes.io/os": "linux"}')
    tolerant = ("--argument", f"pods_tolerations={TOLERATIONS}")
    deployed = ("--deploy", "kserve", "--workers", 2, "--out", out)
    ended = submit(session, *deployed, *placed, *tolerant)
    yield Trained(session, out, ended)
    services = ("delete", "inferenceservice", session, f"{session}-candidate")
    kubectl("-n", NAMESPACE, *services, "--ignore-not-found", "--wait=false")


@pytest.fixture
def address(trained: Trained, kubectl: Callable[..., Any]) -> str:
    """Where the service of the trained model answers, by number: names need the cluster's DNS."""
    service = kubectl("-n", NAMESPACE, "get", "svc", f"{trained.name}-predictor", "-o", "json")
    return f"http://{service['spec']['clusterIP']}"
