"""The compiled pipeline ``monitor`` on the local runner of Kubeflow Pipelines."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from regatta.registry import Registry
from tests.local.test_pipeline import EXECUTE_YAML
from tests.unit.stages.test_evaluate import make

pytestmark = pytest.mark.slow

YAML = Path(__file__).parents[2] / "pipelines" / "monitor" / "pipeline.yaml"


def test_the_compiled_pipeline_compares_and_decides(tmp_path: Path) -> None:
    inputs = make(tmp_path / "run", "binary", learners=("linear",))
    inputs.run()
    Registry(tmp_path / "models").register(inputs.folder / "model", "toy", verdict="promote")
    served = inputs.table.drop(columns="outcome")
    served.assign(age=served["age"] + 40).to_csv(tmp_path / "served.csv", index=False)
    arguments = {
        "data_source": str(tmp_path / "served.csv"),
        "release_registry": str(tmp_path / "models"),
        "run_name": "toy",
        "run_settings": json.dumps({"monitor": {"importance": 0.05}}),
        "run_version": "1",
    }
    root = tmp_path / "root"
    command = [sys.executable, "-c", EXECUTE_YAML, json.dumps(arguments)]
    done = subprocess.run(
        [*command, str(root), str(tmp_path / "scratch"), str(YAML)],
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (metadata,) = root.glob("*/monitor/drift/artifact.json")
    drift = json.loads((metadata.parent / "drift.json").read_text())
    assert drift["verdict"]["decision"] == "retrain"
    (report,) = root.glob("*/monitor/report")
    assert report.read_text(encoding="utf-8").startswith("<!doctype html>")
    (output,) = root.glob("*/monitor/executor_output.json")
    said = json.loads(output.read_text())
    assert said["parameterValues"] == {"verdict": "retrain"}
    assert said["artifacts"]["metrics"]["artifacts"][0]["metadata"]["drifted_columns"] == 1
