import shutil
from pathlib import Path

import pytest

import regatta
from regatta.errors import ArtifactError
from regatta.runs.workflows import locate

ROOT = Path(__file__).parents[3]


def test_a_checkout_uses_its_own() -> None:
    assert locate() == ROOT


def test_an_installed_package_has_copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "lib" / "regatta"
    package.mkdir(parents=True)
    monkeypatch.setattr(regatta, "__file__", str(package / "__init__.py"))
    with pytest.raises(ArtifactError, match="install regatta again"):
        locate()
    shutil.copytree(ROOT / "pipelines", package / "workflows" / "pipelines")
    assert locate() == package / "workflows"
