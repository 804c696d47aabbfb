"""The compiled files are current, and the pipeline is what a cluster and its form ask for."""

import re
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from regatta.evaluation.metrics import METRICS
from regatta.runs import compile as compiled
from regatta.runs.workflows import activate
from regatta.settings import RunSettings
from regatta.stages.parameters import PARAMETERS

activate()
from pipelines.pods import DEFAULT_KEYS, STORE_KEYS  # noqa: E402

ROOT = Path(__file__).parents[2]
YAML = ROOT / "pipelines" / "train" / "pipeline.yaml"
PIPELINES = sorted(ROOT.glob("pipelines/*/pipeline.yaml"))
REQUIRED = {"data_source", "data_target"}
CALL_THE_STORE = ("fingerprint", "prepare", "trial", "evaluate", "release")


@pytest.fixture(scope="module")
def spec() -> dict[str, Any]:
    values: dict[str, Any] = next(yaml.safe_load_all(YAML.read_text()))
    return values


@pytest.fixture(scope="module")
def parameters(spec: dict[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = spec["root"]["inputDefinitions"]["parameters"]
    return values


def test_the_compiled_files_are_current() -> None:
    assert compiled.outdated() == []


def test_a_change_is_noticed_and_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "pipeline.yaml"
    monkeypatch.setattr(compiled, "render", lambda root=None: {path: "new\n"})
    path.write_text("old\n")
    assert compiled.outdated() == [path]
    assert compiled.write() == [path]
    assert compiled.outdated() == []


def test_compiled_files_are_ascii() -> None:
    for path in (*ROOT.glob("components/*/component.yaml"), *PIPELINES):
        assert path.read_text().isascii(), path


def test_only_source_and_target_must_be_given(parameters: dict[str, Any]) -> None:
    assert {name for name, value in parameters.items() if "defaultValue" not in value} == REQUIRED
    assert None not in [value.get("defaultValue", 0) for value in parameters.values()]


def test_defaults_are_those_of_the_settings(parameters: dict[str, Any]) -> None:
    settings = RunSettings()
    # A server that is started in a pod would end with it.
    assert parameters["release_target"]["defaultValue"] == "none"
    for name in set(PARAMETERS) - REQUIRED - {"release_target"}:
        value: Any = settings
        for key in PARAMETERS[name].split("."):
            value = getattr(value, key)
        assert parameters[name]["defaultValue"] == value, name


def test_parameters_are_settings_and_sort_as_they_are_written(parameters: dict[str, Any]) -> None:
    # What pods get is no setting of the run: the same run has other pods on another cluster.
    of_pods = {name for name in parameters if name.startswith("pods_")}
    assert set(parameters) - of_pods == {*PARAMETERS, "run_cached", "run_settings"}
    assert all(
        re.match("data_|release_|run_|search_|split_", name) for name in set(parameters) - of_pods
    )
    source = (YAML.parent / "pipeline.py").read_text()
    written = re.findall(
        r"^    (\w+): (?:str|int|float|bool|dict|list)", source.partition(") -> None:")[0], re.M
    )
    assert written == sorted(parameters)


@pytest.mark.parametrize("path", PIPELINES, ids=lambda path: path.parent.name)
def test_every_pod_is_bounded_and_keeps_to_least_privilege(path: Path) -> None:
    spec, platform = yaml.safe_load_all(path.read_text())
    pods = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    executors = spec["deploymentSpec"]["executors"]
    assert set(pods) == set(executors)
    for name, executor in executors.items():
        asked = executor["container"]["resources"]
        assert {"resourceMemoryLimit", "resourceMemoryRequest", "resourceCpuRequest"} <= set(asked)
        context = pods[name]["securityContext"]
        assert context == {"runAsGroup": "10001", "runAsNonRoot": True, "runAsUser": "10001"}
        assert int(pods[name]["activeDeadlineSeconds"]) > 0
        assert pods[name]["imagePullPolicy"] == "IfNotPresent"
        assert pods[name]["podMetadata"]["annotations"]["sidecar.istio.io/inject"] == "false"


def test_only_tasks_that_call_the_store_get_its_keys() -> None:
    _, platform = yaml.safe_load_all(YAML.read_text())
    pods = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    keys = {name: pod["secretAsEnv"] for name, pod in pods.items() if "secretAsEnv" in pod}
    assert set(keys) == {f"exec-{task}" for task in CALL_THE_STORE}
    for (secret,) in keys.values():
        # Inside the loop the parameter has the name that the compiler gives it there.
        named = secret["secretNameParameter"]["componentInputParameter"]
        assert named.removeprefix("pipelinechannel--") == "pods_secret"
        assert {one["envVar"] for one in secret["keyToEnv"]} == set(STORE_KEYS)
    for name in keys:
        (given,) = pods[name]["configMapAsEnv"]
        assert given["optional"]
        assert {one["envVar"] for one in given["keyToEnv"]} == set(DEFAULT_KEYS)
    # A variable that comes from a Secret and from a ConfigMap makes no pod.
    assert not set(DEFAULT_KEYS) & set(STORE_KEYS)


def test_choices_are_written_as_literals(parameters: dict[str, Any]) -> None:
    found = {name: value["literals"] for name, value in parameters.items() if "literals" in value}
    choices = {"data_task", "release_target", "search_metric", "search_strategy"}
    assert set(found) == {*choices, "run_cached"}
    assert found["run_cached"] == [True, False]
    assert found["search_metric"] == ["auto", *METRICS]
    task = RunSettings.model_fields["data"].annotation.model_fields["task"]  # type: ignore[union-attr]
    assert found["data_task"] == list(get_args(task.annotation))


def test_there_are_about_six_tasks(spec: dict[str, Any]) -> None:
    tasks = set(spec["root"]["dag"]["tasks"])
    assert tasks == {"fingerprint", "prepare", "for-loop-1", "ensemble", "evaluate", "release"}


def test_what_a_user_opens_is_outside_the_loop(spec: dict[str, Any]) -> None:
    loop = spec["components"]["comp-for-loop-1"]["dag"]["tasks"]
    assert set(loop) == {"trial"}
    outputs = spec["components"]["comp-trial"]["outputDefinitions"]["artifacts"]
    assert set(outputs) == {"trials"}


def test_it_stays_far_below_the_limits_of_kfp(spec: dict[str, Any]) -> None:
    # Argo keeps a workflow in one object of at most 1 MiB, status included.
    assert YAML.stat().st_size < 100_000
    commands = [
        part
        for executor in spec["deploymentSpec"]["executors"].values()
        for part in executor["container"]["command"]
    ]
    assert max(map(len, commands)) < 10_000


def test_the_compiled_pipeline_loads_with_its_literals() -> None:
    from kfp import components

    loaded = components.load_component_from_file(str(YAML))
    assert loaded.name == "train"


def test_monitoring_is_one_task_that_calls_the_store_and_is_never_cached() -> None:
    path = ROOT / "pipelines" / "monitor" / "pipeline.yaml"
    spec, platform = yaml.safe_load_all(path.read_text())
    (task,) = spec["root"]["dag"]["tasks"].values()
    assert not task["cachingOptions"].get("enableCache")
    (pod,) = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"].values()
    assert {one["envVar"] for one in pod["secretAsEnv"][0]["keyToEnv"]} == set(STORE_KEYS)
    assert {one["envVar"] for one in pod["configMapAsEnv"][0]["keyToEnv"]} == set(DEFAULT_KEYS)
    known = spec["root"]["inputDefinitions"]["parameters"]
    assert {name for name, value in known.items() if "defaultValue" not in value} == {"data_source"}
    outputs = spec["components"]["comp-monitor"]["outputDefinitions"]
    assert set(outputs["artifacts"]) == {"drift", "metrics", "report"}
    assert set(outputs["parameters"]) == {"verdict"}


def test_parameters_of_the_same_name_are_the_same(parameters: dict[str, Any]) -> None:
    path = ROOT / "pipelines" / "monitor" / "pipeline.yaml"
    spec = next(yaml.safe_load_all(path.read_text()))
    known = spec["root"]["inputDefinitions"]["parameters"]
    shared = set(known) & set(parameters) - {"data_source", "pods_memory"}
    assert shared == {"pods_cpu", "pods_secret", "release_registry", "run_name", "run_settings"}
    for name in shared:
        assert known[name]["defaultValue"] == parameters[name]["defaultValue"]
