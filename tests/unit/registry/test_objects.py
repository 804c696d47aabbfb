"""The registry in a real object store: the same behaviour, with conditions for locks."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from typer.testing import CliRunner

from regatta.artifacts import open_artifact, write_json, writing
from regatta.cli import app
from regatta.errors import ArtifactError, StoreError, UsageError
from regatta.registry import Registry, find, registry_root
from regatta.stages.champion import champion_of
from regatta.store import Location, Store, connect
from tests.object_store import ObjectStore


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    path = tmp_path / "run" / "bundle"
    with writing(path, "bundle") as folder:
        write_json(folder / "bundle.json", {"name": "churn"})
        (folder / "models").mkdir()
        (folder / "models" / "weights.npy").write_bytes(b"x" * 1000)
    return path


@pytest.fixture
def store(object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> Store:
    for name, value in object_store.environment.items():
        monkeypatch.setenv(name, value)
    return connect()


@pytest.fixture
def root(store: Store, request: pytest.FixtureRequest) -> str:
    place = Location("models", f"here/{request.node.name.partition('[')[0]}")
    for entry in store.list(place):
        store.remove(entry.location)
    return place.uri


@pytest.fixture
def registry(root: str) -> Registry:
    return Registry(root)


def test_a_version_there_and_back(registry: Registry, bundle: Path, root: str) -> None:
    version = registry.register(bundle, "churn", verdict="promote", metric="roc_auc", score=0.9)
    assert (version.number, version.aliases) == (1, ("champion",))
    assert version.place == f"{root}/models/churn/versions/1"
    assert version.uri == f"{version.place}/bundle"
    assert version.metadata["score"] == 0.9
    assert open_artifact(version.bundle, "bundle").file("models/weights.npy").read_bytes()
    assert json.loads((version.path / "version.json").read_text())["version"] == 1
    assert registry.names() == ["churn"]
    assert version.to_dict()["uri"] == version.uri


def test_aliases_follow_the_verdicts(registry: Registry, bundle: Path) -> None:
    for verdict in ("promote", "promote", "keep", "keep"):
        registry.register(bundle, "churn", verdict=verdict)
    assert registry.aliases("churn") == {"champion": 2, "challenger": 4, "previous": 1}
    registry.promote("churn", 4)
    assert registry.aliases("churn") == {"champion": 4, "previous": 2}
    assert registry.rollback("churn").number == 2
    assert registry.rollback("churn").number == 4
    assert [version.aliases for version in registry.versions("churn")] == [
        (),
        ("previous",),
        (),
        ("champion",),
    ]


def test_rollback_without_a_previous_champion(registry: Registry, bundle: Path) -> None:
    registry.register(bundle, "churn", verdict="promote")
    with pytest.raises(UsageError, match="no previous champion"):
        registry.rollback("churn")


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("chrun", "did you mean 'churn'"),
        ("churn@7", "no version 7"),
        ("churn@champoin", "did you mean 'champion'"),
        ("../churn", "no registered model"),
    ],
)
def test_unknown_references(registry: Registry, bundle: Path, reference: str, message: str) -> None:
    registry.register(bundle, "churn", verdict="promote")
    with pytest.raises(ArtifactError, match=message):
        registry.resolve(reference)


def test_registrations_at_once_get_numbers_of_their_own(root: str, bundle: Path) -> None:
    with ThreadPoolExecutor(6) as pool:
        made = pool.map(
            lambda _: Registry(root).register(bundle, "churn", verdict="promote").number, range(12)
        )
        assert sorted(made) == list(range(1, 13))
    aliases = Registry(root).aliases("churn")
    assert set(aliases) == {"champion", "previous"}
    assert len(Registry(root).versions("churn")) == 12


def test_a_broken_off_registration_is_no_version(
    registry: Registry, bundle: Path, store: Store, root: str
) -> None:
    store.create(Location.parse(f"{root}/models/churn/versions/1/claim.json"), b"theirs")
    assert registry.names() == []
    with pytest.raises(ArtifactError, match="no registered model"):
        registry.resolve("churn")
    assert registry.register(bundle, "churn", verdict="promote").number == 2
    assert [version.number for version in registry.versions("churn")] == [2]


def test_a_changed_download_is_fetched_again(registry: Registry, bundle: Path) -> None:
    version = registry.register(bundle, "churn", verdict="promote")
    (version.bundle / "models/weights.npy").write_bytes(b"y" * 1000)
    assert (version.bundle / "models/weights.npy").read_bytes() == b"x" * 1000


def test_a_changed_object_is_refused(
    registry: Registry, bundle: Path, store: Store, root: str
) -> None:
    version = registry.register(bundle, "churn", verdict="promote")
    store.write(Location.parse(f"{version.uri}/models/weights.npy"), b"y" * 1000)
    with pytest.raises(ArtifactError, match="was changed"):
        assert version.bundle
    store.write(Location.parse(f"{root}/models/churn/aliases.json"), b"[]")
    with pytest.raises(ArtifactError, match=r"aliases\.json"):
        registry.aliases("churn")
    store.write(Location.parse(f"{version.place}/version.json"), b"{")
    with pytest.raises(ArtifactError, match=r"version\.json"):
        registry.version("churn", 1)


def test_the_bucket_must_exist(store: Store, bundle: Path) -> None:
    with pytest.raises(StoreError, match="bucket does not exist"):
        Registry("s3://no-such-bucket/x").register(bundle, "churn", verdict="promote")
    with pytest.raises(StoreError, match="bucket does not exist"):
        champion_of("churn", "s3://no-such-bucket/x")


def test_downloads_need_a_folder(
    registry: Registry, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = registry.register(bundle, "churn", verdict="promote")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("REGATTA_HOME", str(tmp_path / "file"))
    with pytest.raises(UsageError, match="cannot be downloaded"):
        assert version.bundle


def test_the_champion_is_downloaded(registry: Registry, bundle: Path, root: str) -> None:
    assert champion_of("churn", root) == ""
    registry.register(bundle, "churn", verdict="promote")
    found = Path(champion_of("churn", root))
    assert open_artifact(found, "bundle")
    assert (found.parent / "version.json").is_file()


def test_find_and_root(registry: Registry, bundle: Path, root: str) -> None:
    registry.register(bundle, "churn", verdict="promote")
    found = find("churn@champion", registry_root(root))
    assert (found.name, found.version) == ("churn", "1")
    with pytest.raises(UsageError, match="scheme 'gs'"):
        registry_root("gs://bucket/x")


def test_the_command_line(registry: Registry, bundle: Path, root: str) -> None:
    for _ in range(2):
        registry.register(bundle, "churn", verdict="promote", task="binary")

    def invoke(*arguments: str) -> str:
        result = CliRunner().invoke(
            app, ["models", *arguments, "--registry", root], env={"COLUMNS": "200"}
        )
        assert result.exit_code == 0, (result.output, result.exception)
        return result.output

    assert invoke("list").splitlines()[1].split()[:2] == ["churn", "2"]
    assert f"in {root}/models/churn/versions" in invoke("show", "churn")
    assert "Version 1 is the champion" in invoke("rollback", "churn", "--no-deploy")
    assert "Version 2 is the champion" in invoke("promote", "churn", "2", "--no-deploy")
