"""The service of this machine follows the champion: `regatta models promote` and `rollback`."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from regatta.cli import app
from regatta.deployment import serve_here
from regatta.errors import ArtifactError
from regatta.registry import Registry
from regatta.serving import services
from regatta.serving.client import Client
from tests import toy_bundle
from tests.server.asking import Rows


@pytest.fixture(scope="module")
def other_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle that answers otherwise than `bundle_path`."""
    path = tmp_path_factory.mktemp("bundles") / "other"
    toy_bundle.build(path, "binary", learners=("linear",), seed=1)
    return path


def models(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["models", *arguments], env={"COLUMNS": "200"})


@pytest.mark.slow
def test_the_running_service_answers_with_the_champion(
    registry: Registry,
    stopping: Path,
    bundle_path: Path,
    other_path: Path,
    rows: Rows,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # What a folder of the user's holds is nobody's module.
    (tmp_path / "numpy.py").write_text("raise SystemExit('shadowed')")
    monkeypatch.chdir(tmp_path)
    registry.register(bundle_path, "toy", verdict="promote")
    old, _ = serve_here(registry.register(other_path, "toy", verdict="promote"))
    before = Client(old.url, "toy").predict_v1(rows[:1])

    result = models("rollback", "toy")
    assert result.exit_code == 0, result.exception
    new = services.get(stopping, "toy")
    assert result.output == (f"Version 1 is the champion of toy.\nIt is served at {new.url}.\n")
    assert (new.version, new.alive(), old.alive()) == ("1", True, False)
    client = Client(new.url, "toy")
    assert client.metadata()["versions"] == ["1"]
    assert client.predict_v1(rows[:1]) != before
    assert Path(f"/proc/{new.pid}/cwd").readlink() == Path("/")

    # Who is asked not to follow says what is served on, and the command that it names moves it.
    result = models("promote", "toy", "2", "--no-deploy")
    line, command = result.output.splitlines()[1].split(" To let it follow: ")
    assert line == f"The service at {new.url} keeps its version, 1."
    assert services.get(stopping, "toy") == new
    result = CliRunner().invoke(app, [*command.split()[1:], "--json"])
    moved = services.get(stopping, "toy")
    assert json.loads(result.output)["service"] == {"url": moved.url, "version": 2}
    assert (moved.version, new.alive()) == ("2", False)
    # It serves the champion already.
    assert models("promote", "toy", "2").output.splitlines()[1] == f"It is served at {moved.url}."
    assert services.get(stopping, "toy") == moved

    # A service of another registry is somebody else's.
    elsewhere = Registry(tmp_path / "elsewhere")
    elsewhere.register(bundle_path, "toy", verdict="promote")
    result = models("promote", "toy", "1", "--registry", str(elsewhere.root))
    assert result.output.splitlines()[1] == (
        f"The service at {moved.url} is of another registry and keeps its version."
    )
    assert services.get(stopping, "toy") == moved

    # A version that cannot be served: neither service nor aliases move.
    version = registry.version("toy", 1)
    file = next(version.bundle.glob("models/*/fold-0/*"))
    content = file.read_bytes()
    file.unlink()  # a link to the file of the other tests
    file.write_bytes(content + b" ")
    result = models("rollback", "toy")
    assert isinstance(result.exception, ArtifactError)
    assert "was changed after it was written" in str(result.exception)
    assert "The aliases are as they were" in result.exception.__notes__[0]
    assert registry.aliases("toy") == {"champion": 2, "previous": 1}
    assert services.get(stopping, "toy") == moved
    assert moved.alive()
    assert Client(moved.url, "toy").predict_v1(rows[:1]) == before
