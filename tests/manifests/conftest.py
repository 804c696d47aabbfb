"""Rendered manifests, and the schemas of Kubernetes and KServe."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent.parent
MANIFESTS = ROOT / "manifests"
OVERLAYS = sorted(path.name for path in (MANIFESTS / "overlays").iterdir())
Object = dict[str, Any]


def documents(text: str) -> list[Object]:
    return [found for found in yaml.safe_load_all(text) if found]


def rendered(overlay: str) -> list[Object]:
    """Return the objects of an overlay, or skip where nothing renders."""
    command = renderer()
    if command is None:
        pytest.skip("no kubectl and no kustomize on the PATH or in KUBECTL")
    folder = MANIFESTS / "overlays" / overlay
    done = subprocess.run([*command, folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return documents(done.stdout)


@cache
def renderer() -> tuple[str, ...] | None:
    """Return the command that renders a folder."""
    for name in (os.environ.get("KUBECTL", ""), "kubectl"):
        if found := shutil.which(name):
            return (found, "kustomize")
    found = shutil.which("kustomize")
    return (found, "build") if found else None


@pytest.fixture(scope="session", params=OVERLAYS)
def overlay(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def objects(overlay: str) -> list[Object]:
    return rendered(overlay)


@pytest.fixture(scope="session")
def check_kubernetes() -> Callable[[Object], None]:
    """Return a function that checks an object against the schemas of Kubernetes."""
    validator = pytest.importorskip(
        "kubernetes_validate", reason="needs pip install -e '.[manifests]' (110 MB)"
    )

    def check(found: Object) -> None:
        validator.validate(found, "1.31", strict=True)

    return check


@pytest.fixture(scope="session")
def check_kserve() -> Callable[[Object], None]:
    """Return a function that checks an object against the schemas of KServe."""
    jsonschema = pytest.importorskip(
        "jsonschema", reason="needs pip install -e '.[manifests]' (110 MB)"
    )
    given = os.environ.get("REGATTA_KSERVE_SCHEMAS", "")
    beside = ROOT.parent / "shared" / "schemas"
    folder = Path(given) if given else next(iter(sorted(beside.glob("kserve-*"))), beside)
    files = sorted(folder.glob("*.json"))
    if not files:
        pytest.skip("REGATTA_KSERVE_SCHEMAS names no folder with KServe's schemas")
    schemas = [json.loads(path.read_text(encoding="utf-8")) for path in files]

    def check(found: Object) -> None:
        group, _, version = found["apiVersion"].partition("/")
        schema = next(
            one["versions"][version]
            for one in schemas
            if (one["group"], one["kind"]) == (group, found["kind"])
        )
        jsonschema.validate(found, strict(schema))

    return check


def strict(schema: Any) -> Any:
    """Make the schema of a custom resource refuse unknown fields, as a cluster does."""
    if isinstance(schema, list):
        return [strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"]}
    made = {key: strict(value) for key, value in schema.items() if key != "format"}
    open_ended = schema.get("x-kubernetes-preserve-unknown-fields")
    if isinstance(schema.get("properties"), dict) and not open_ended:
        made.setdefault("additionalProperties", False)
        if "apiVersion" in schema["properties"]:
            made["properties"]["metadata"] = {"type": "object"}
    return made
