"""The images, built and run: each component where it belongs, and the server.

The components run as in a pod: their compiled command, artifacts under ``/minio``, a user without
rights, a file system that cannot be written to, no network.
"""

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from regatta import bundle
from regatta.testing.tables import binary_table
from tests.images.conftest import ROOT, Containers

pytestmark = [pytest.mark.images, pytest.mark.slow]

INSTALLERS = "pip pip3 apt apt-get dpkg perl gcc cc make su mount uv conda"
SERVE_BYTES = 500e6
# What asks the server is Python too: the image has no other client.
ASK = """
import json, sys, urllib.request
path, body = sys.argv[1], sys.argv[2].encode() or None
request = urllib.request.Request(f"http://127.0.0.1:8080{path}", body)
request.add_header("Content-Type", "application/json")
print(urllib.request.urlopen(request, timeout=30).read().decode())
"""


class Pod:
    """Runs components on a folder that stands for the object store."""

    def __init__(self, containers: Containers, store: Path) -> None:
        self.containers = containers
        self.store = store

    def task(
        self, verb: str, parameters: dict[str, Any], inputs: dict[str, list[str]]
    ) -> dict[str, Any]:
        """Run a component; return what it wrote for the pipeline to read."""
        found = next(yaml.safe_load_all((ROOT / f"components/{verb}/component.yaml").read_text()))
        container = found["deploymentSpec"]["executors"][f"exec-{verb}"]["container"]
        component = found["components"][f"comp-{verb}"]
        defaults = {
            name: definition["defaultValue"]
            for name, definition in component["inputDefinitions"].get("parameters", {}).items()
            if "defaultValue" in definition
        }
        outputs = component.get("outputDefinitions", {})
        execution = {
            "inputs": {
                "parameterValues": {**defaults, **parameters},
                "artifacts": {
                    name: {"artifacts": [artifact(uri) for uri in uris]}
                    for name, uris in inputs.items()
                },
            },
            "outputs": {
                "parameters": {
                    name: {"outputFile": f"/minio/b/{verb}/{name}.txt"}
                    for name in outputs.get("parameters", {})
                },
                "artifacts": {
                    name: {
                        "artifacts": [
                            artifact(f"minio://b/{verb}/{name}", one["artifactType"]["schemaTitle"])
                        ]
                    }
                    for name, one in outputs.get("artifacts", {}).items()
                },
                "outputFile": f"/minio/b/{verb}/executor_output.json",
            },
        }
        command = [*container["command"], *container["args"]]
        command[command.index("{{$}}")] = json.dumps(execution)
        image = container["image"].rpartition("-")[2].partition(":")[0]
        self.containers.run(
            image, *command[1:], flags=("-v", f"{self.store}:/minio", "--entrypoint", command[0])
        )
        written = self.store / "b" / verb / "executor_output.json"
        return dict(json.loads(written.read_text(encoding="utf-8")))


def artifact(uri: str, title: str = "system.Artifact") -> dict[str, Any]:
    """Return what a pipeline says of an artifact."""
    kind = {"schemaTitle": title, "schemaVersion": "0.0.1"}
    return {"name": uri.rpartition("/")[2], "uri": uri, "type": kind, "metadata": {}}


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return binary_table(400)


@pytest.fixture(scope="module")
def store(
    containers: Containers, table: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Return the object store after a whole run of the train pipeline's components."""
    store = tmp_path_factory.mktemp("minio")
    (store / "b").mkdir()
    for folder in (store, store / "b"):
        folder.chmod(0o777)
    table.to_csv(store / "b" / "table.csv", index=False)
    pod = Pod(containers, store)

    def at(task: str, *names: str) -> dict[str, list[str]]:
        return {name: [f"minio://b/{task}/{name}"] for name in names}

    source = {"data_source": "/minio/b/table.csv"}
    pod.task("ingest", source, {})
    pod.task("fingerprint", source, {})
    settings = '{"search": {"max_trials": 2, "learners": ["lightgbm", "extra_trees"]}}'
    target = {"data_target": "outcome", "run_settings": settings, "search_budget_seconds": 60.0}
    pod.task("prepare", {**source, **target}, {})
    pod.task("trial", {"lane": 0, "run_started_at": 0.0}, at("prepare", "features", "plan"))
    known = {**at("trial", "trials"), **at("prepare", "features", "plan")}
    pod.task("ensemble", {}, known)
    known = {
        **at("prepare", "dataset", "schema", "splits", "plan"),
        **at("ensemble", "bundle", "leaderboard"),
    }
    pod.task("evaluate", {}, known)
    known = {**at("ensemble", "bundle"), **at("evaluate", "evaluation")}
    pod.task("release", {"release_registry": "/minio/b/registry", "run_name": "toy"}, known)
    return store


@pytest.fixture(scope="module")
def server(containers: Containers, store: Path) -> Iterator[list[str]]:
    """Yield the command that asks a running server from inside its container."""
    flags = ("--detach", "-v", f"{store / 'b' / 'ensemble' / 'bundle'}:/mnt/models:ro")
    name = containers.run("serve", "--model_name=toy", flags=flags).strip()
    tool = containers.tool
    try:
        ask = [tool, "exec", name, "python", "-c", ASK]
        wait(ask)
        yield ask
    finally:
        subprocess.run([tool, "stop", "--time", "30", name], check=False, capture_output=True)


def wait(ask: list[str], seconds: float = 60) -> None:
    """Wait until the model is ready."""
    began = time.monotonic()
    while True:
        asked = [*ask, "/v2/models/toy/ready", ""]
        done = subprocess.run(asked, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return
        assert time.monotonic() - began < seconds, done.stderr
        time.sleep(0.5)


def answer(ask: list[str], path: str, body: dict[str, Any]) -> dict[str, Any]:
    asked = [*ask, path, json.dumps(body)]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize("image", ["base", "data", "ops", "serve", "train"])
class TestEveryImage:
    def test_installs_nothing_and_is_nobody(self, containers: Containers, image: str) -> None:
        script = (
            f"id -u; for name in {INSTALLERS}; do command -v $name; done;"
            "touch /x /opt/regatta/x 2>/dev/null && echo written; touch /tmp/x && echo temporary"
        )
        said = containers.run(image, "-c", script, flags=("--entrypoint", "sh")).split()
        assert said == ["10001", "temporary"]

    def test_its_bill_of_materials_is_true(self, containers: Containers, image: str) -> None:
        script = (ROOT / "images" / "sbom.py").read_text(encoding="utf-8")
        said = containers.run(image, "-c", script, image, flags=("--entrypoint", "python"))
        names = {component["name"] for component in json.loads(said)["components"]}
        lock = (ROOT / "images" / image / "requirements.txt").read_text(encoding="utf-8")
        locked = {line.partition("==")[0] for line in lock.splitlines() if "==" in line}
        assert locked | {"python"} <= names
        assert not names & {"pip", "apt", "dpkg"}


def test_the_server_is_small(containers: Containers) -> None:
    script = (ROOT / "images" / "size.py").read_text(encoding="utf-8")
    said = containers.run("serve", "-c", script, "serve", flags=("--entrypoint", "python"))
    assert float(said.split()[0]) * 1e6 < SERVE_BYTES


def test_the_server_has_no_search(containers: Containers) -> None:
    script = "import importlib.util as u; print(*(u.find_spec(n) for n in ('optuna', 'kfp')))"
    assert containers.run("serve", "-c", script, flags=("--entrypoint", "python")) == "None None\n"


def test_components_make_a_version(store: Path) -> None:
    service = json.loads((store / "b" / "release" / "executor_output.json").read_text())
    assert service["artifacts"]["version"]["artifacts"][0]["metadata"]["name"] == "toy"
    assert (store / "b" / "registry").is_dir()
    assert (store / "b" / "evaluate" / "report").is_file()


class TestServer:
    def test_v1_equals_the_bundle(
        self, server: list[str], store: Path, table: pd.DataFrame
    ) -> None:
        loaded = bundle.load(store / "b" / "ensemble" / "bundle")
        rows = table.head(5)[[column.name for column in loaded.signature]]
        body = {"instances": json.loads(rows.to_json(orient="records", date_format="iso"))}
        said = answer(server, "/v1/models/toy:predict", body)["predictions"]
        got = [[row["probabilities"][name] for name in loaded.classes] for row in said]
        np.testing.assert_allclose(got, loaded.predict_array(rows), atol=1e-9)

    def test_v2_equals_the_bundle(
        self, server: list[str], store: Path, table: pd.DataFrame
    ) -> None:
        loaded = bundle.load(store / "b" / "ensemble" / "bundle")
        rows = table.head(5)[[column.name for column in loaded.signature]]
        described = subprocess.run(
            [*server, "/v2/models/toy", ""], capture_output=True, text=True, check=True
        )
        kinds = {one["name"]: one["datatype"] for one in json.loads(described.stdout)["inputs"]}
        values = json.loads(rows.to_json(orient="columns", date_format="iso"))
        tensors = [
            {"name": name, "shape": [5], "datatype": kinds[name], "data": list(column.values())}
            for name, column in values.items()
        ]
        outputs = answer(server, "/v2/models/toy/infer", {"inputs": tensors})["outputs"]
        found = {output["name"]: output["data"] for output in outputs}
        got = np.array([found[f"proba_{name}"] for name in loaded.classes]).T
        np.testing.assert_allclose(got, loaded.predict_array(rows), atol=1e-9)
