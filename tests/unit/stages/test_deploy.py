"""Deploy where no process is started; the others are in tests/server."""

import json
from pathlib import Path
from typing import Any

import pytest

from regatta.artifacts import write_json, writing
from regatta.errors import ArtifactError, UsageError
from regatta.registry import Registry
from regatta.serving.sockets import bind
from regatta.settings import RunSettings
from regatta.stages import deploy


def run(tmp_path: Path, regatta_home: Path, **chosen: Any) -> dict[str, Any]:
    registry = Registry(regatta_home / "registry")
    with writing(tmp_path / "bundle", "bundle") as place:
        write_json(place / "bundle.json", {})
    version = registry.register(tmp_path / "bundle", "toy", verdict="promote")
    with writing(tmp_path / "version", "version") as place:
        values = {"name": "toy", "version": version.number, "registry": str(registry.root)}
        write_json(place / "version.json", values)
    with writing(tmp_path / "evaluation", "evaluation") as place:
        write_json(place / "samples.json", {"rows": [], "predictions": []})
    settings = RunSettings.from_values({"name": "toy", "deploy": chosen}).to_json()
    paths = [str(tmp_path / name) for name in ("version", "evaluation")]
    return deploy.run(*paths, settings, str(tmp_path / "service"))


def test_target_none_starts_nothing(tmp_path: Path, regatta_home: Path) -> None:
    assert run(tmp_path, regatta_home, target="none") == {"target": "none"}
    values = json.loads((tmp_path / "service/service.json").read_text())
    assert values == {"target": "none", "url": None}
    assert not (regatta_home / "services").exists()


def test_a_port_of_somebody_else_is_refused(tmp_path: Path, regatta_home: Path) -> None:
    with bind("127.0.0.1", 0) as taken:
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=rf"port {port} of 127\.0\.0\.1 is taken"):
            run(tmp_path, regatta_home, port=port)
    assert not (tmp_path / "service").exists()


def test_a_version_of_another_kind_is_refused(tmp_path: Path) -> None:
    with writing(tmp_path / "version", "bundle"):
        pass
    with pytest.raises(ArtifactError, match="is a bundle artifact"):
        deploy.run(str(tmp_path / "version"), "", "{}", str(tmp_path / "service"))
