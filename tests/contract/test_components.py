"""Every component is a thin shim whose interface is the committed YAML."""

import ast
import importlib
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.images import IMAGES, image

ROOT = Path(__file__).parents[2]
VERBS = sorted(path.parent.name for path in ROOT.glob("components/*/component.py"))
COMPOSITES = {"prepare", "release"}
MOST_STATEMENTS = 8
LONGEST_OUTPUT = 17


def function(verb: str) -> ast.FunctionDef:
    tree = ast.parse((ROOT / f"components/{verb}/component.py").read_text())
    return next(node for node in tree.body if isinstance(node, ast.FunctionDef))


def compiled(verb: str) -> dict[str, Any]:
    values: dict[str, Any] = yaml.safe_load(
        (ROOT / f"components/{verb}/component.yaml").read_text()
    )
    return values


def test_every_verb_has_an_image_and_the_other_way_round() -> None:
    assert set(VERBS) == set(IMAGES)


@pytest.mark.parametrize("verb", VERBS)
def test_the_folder_has_what_it_needs(verb: str) -> None:
    folder = ROOT / "components" / verb
    assert {"component.py", "component.yaml", "README.md"} <= {
        path.name for path in folder.iterdir()
    }
    assert function(verb).name == verb


@pytest.mark.parametrize("verb", VERBS)
def test_the_body_is_short(verb: str) -> None:
    body = function(verb).body[1:]
    statements = [node for top in body for node in ast.walk(top) if isinstance(node, ast.stmt)]
    assert len(statements) <= MOST_STATEMENTS


@pytest.mark.parametrize("verb", VERBS)
def test_only_what_kfp_needs_is_imported_at_the_top(verb: str) -> None:
    text = (ROOT / f"components/{verb}/component.py").read_text()
    modules = {node.module for node in ast.parse(text).body if isinstance(node, ast.ImportFrom)}
    # kfp reads annotations as they are: postponed ones would be texts to it.
    assert modules <= {"kfp", "typing", "components.images"}
    assert "packages_to_install" not in text


@pytest.mark.parametrize("verb", VERBS)
def test_each_input_and_output_is_described(verb: str) -> None:
    spec = compiled(verb)["root"]
    for definitions in (spec.get("inputDefinitions", {}), spec.get("outputDefinitions", {})):
        for kind in ("artifacts", "parameters"):
            for name, value in definitions.get(kind, {}).items():
                assert value.get("description"), f"{verb}: {name}"


@pytest.mark.parametrize("verb", VERBS)
def test_outputs_have_names_that_the_dashboard_shows_whole(verb: str) -> None:
    outputs = compiled(verb)["root"]["outputDefinitions"]
    assert outputs
    assert all(len(name) <= LONGEST_OUTPUT for name in outputs.get("artifacts", {}))


@pytest.mark.parametrize("verb", sorted(set(VERBS) - COMPOSITES))
def test_it_wraps_the_stage_of_its_name(verb: str) -> None:
    assert callable(importlib.import_module(f"regatta.stages.{verb}").run)


def test_the_readme_wires_every_single_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipeline is checked against the compiled interfaces as it is defined."""
    monkeypatch.chdir(ROOT)
    text = (ROOT / "components/README.md").read_text(encoding="utf-8")
    names: dict[str, Any] = {}
    exec(text.partition("```python\n")[2].partition("```")[0], names)
    used = names["stages"].pipeline_spec.deployment_spec["executors"]
    # One looks before the run, the other long after it.
    single = set(VERBS) - COMPOSITES - {"fingerprint", "monitor"}
    assert {name.removeprefix("exec-") for name in used} == single


def settings() -> dict[str, str]:
    """Return what a site says in images.env."""
    lines = (ROOT / "images" / "images.env").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def named(name: str) -> str:
    """Return the full name of an image as images.env has it."""
    digest = settings().get(f"REGATTA_DIGEST_{name}")
    end = f"@{digest}" if digest else f":{settings()['REGATTA_TAG']}"
    return f"{settings()['REGATTA_REGISTRY']}/regatta-python-{name}{end}"


@pytest.fixture
def nothing_else_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave images.env the only place that names images."""
    names = [name for name in os.environ if name.startswith("REGATTA_DIGEST_")]
    for name in [*names, "REGATTA_REGISTRY", "REGATTA_TAG"]:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("nothing_else_is_said")
def test_image_names_follow_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    # The local runner warns about images whose name does not say Python.
    assert image("trial") == named("train")
    monkeypatch.setenv("REGATTA_REGISTRY", "ghcr.io/me")
    monkeypatch.setenv("REGATTA_TAG", "dev")
    assert image("trial") == "ghcr.io/me/regatta-python-train:dev"


def test_the_tag_is_the_version() -> None:
    from regatta import __version__

    assert settings()["REGATTA_TAG"] == __version__
