"""Register: the verdict decides the alias."""

import json
from pathlib import Path

import pytest

from regatta.artifacts import open_artifact, write_json, writing
from regatta.errors import ArtifactError
from regatta.registry import Registry
from regatta.settings import RunSettings
from regatta.stages import register
from regatta.stages.champion import champion_of

LOCK = {"seed": 0, "columns": "ef", "limits": {"no": 5, "yes": 6}}


def write_inputs(folder: Path, decision: str = "promote") -> tuple[str, str]:
    with writing(folder / "bundle", "bundle") as place:
        values = {
            "task": "binary",
            "target": "churn",
            "metric": "roc_auc",
            "score": 0.91,
            "members": [{}],
            "fingerprint": "ab",
        }
        write_json(place / "bundle.json", values)
    with writing(folder / "evaluation", "evaluation") as place:
        measured = {
            "metric": {"score": 0.9},
            "locked": {"sha256": "cd", "lock": LOCK, "n_rows": 3},
            "verdict": decision,
            "comparison": {"decision": decision, "reason": "There was no champion."},
        }
        write_json(place / "evaluation.json", measured)
    return str(folder / "bundle"), str(folder / "evaluation")


@pytest.mark.parametrize(("decision", "alias"), [("promote", "champion"), ("keep", "challenger")])
def test_the_verdict_decides_the_alias(
    tmp_path: Path, regatta_home: Path, decision: str, alias: str
) -> None:
    bundle, evaluation = write_inputs(tmp_path, decision)
    settings = RunSettings(name="churn").to_json()
    numbers = register.run(bundle, evaluation, settings, str(tmp_path / "version"))
    assert numbers == {"name": "churn", "version": 1, "verdict": decision}
    version = open_artifact(tmp_path / "version", "version")
    values = json.loads(version.file("version.json").read_text())
    assert values["aliases"] == [alias]
    assert Path(values["path"]) == regatta_home / "registry/models/churn/versions/1"
    registered = Registry(values["registry"]).version("churn", 1)
    assert registered.metadata["score"] == 0.91
    assert registered.metadata["locked_score"] == 0.9
    assert registered.metadata["locked"] == {"sha256": "cd", "lock": LOCK}


def test_a_registry_of_the_users_choice(tmp_path: Path) -> None:
    bundle, evaluation = write_inputs(tmp_path)
    chosen = {"name": "churn", "deploy": {"registry": str(tmp_path / "mine")}}
    settings = RunSettings.from_values(chosen).to_json()
    register.run(bundle, evaluation, settings, str(tmp_path / "version"))
    assert Registry(tmp_path / "mine").names() == ["churn"]


def test_damaged_inputs_register_nothing(tmp_path: Path, regatta_home: Path) -> None:
    bundle, evaluation = write_inputs(tmp_path)
    (Path(bundle) / "bundle.json").write_text("{}")
    with pytest.raises(ArtifactError, match="was changed"):
        register.run(bundle, evaluation, "{}", str(tmp_path / "version"))
    assert not (tmp_path / "version").exists()
    assert Registry(regatta_home / "registry").names() == []


def test_the_champion_is_found_by_name(tmp_path: Path) -> None:
    root = str(tmp_path / "mine")
    assert champion_of("churn", root) == ""
    bundle, evaluation = write_inputs(tmp_path)
    chosen = {"name": "churn", "deploy": {"registry": root}}
    settings = RunSettings.from_values(chosen).to_json()
    register.run(bundle, evaluation, settings, str(tmp_path / "version"))
    assert champion_of("churn", root) == str(Registry(root).version("churn", 1).bundle)
    assert champion_of("other", root) == ""


@pytest.mark.parametrize("decision", ["promote", "keep"])
def test_a_task_that_is_tried_again_registers_once(tmp_path: Path, decision: str) -> None:
    bundle, evaluation = write_inputs(tmp_path, decision)
    root = tmp_path / "mine"
    settings = RunSettings.from_values({"name": "churn", "deploy": {"registry": str(root)}})
    first = register.run(bundle, evaluation, settings.to_json(), str(tmp_path / "first"))
    again = register.run(bundle, evaluation, settings.to_json(), str(tmp_path / "again"))
    assert first == again
    assert [one.number for one in Registry(root).versions("churn")] == [1]
