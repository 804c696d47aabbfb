"""The directory registry: numbers, aliases, and what a reader may see meanwhile."""

import json
import multiprocessing
import os
from pathlib import Path

import pytest

from regatta.artifacts import open_artifact, write_json, writing
from regatta.errors import ArtifactError, UsageError
from regatta.registry import Registry, find, home, registry_root
from regatta.store import Location


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    path = tmp_path / "run" / "bundle"
    with writing(path, "bundle") as folder:
        write_json(folder / "bundle.json", {"name": "churn"})
        (folder / "models").mkdir()
        (folder / "models" / "weights.npy").write_bytes(b"x" * 1000)
    return path


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "registry")


def test_first_version_is_champion(registry: Registry, bundle: Path) -> None:
    version = registry.register(bundle, "churn", verdict="promote", metric="roc_auc", score=0.9)
    assert (version.number, version.aliases) == (1, ("champion",))
    assert version.metadata["score"] == 0.9
    open_artifact(version.bundle, "bundle")


def test_files_are_hard_links_of_the_same_file_system(registry: Registry, bundle: Path) -> None:
    version = registry.register(bundle, "churn", verdict="promote")
    assert (version.bundle / "models/weights.npy").samefile(bundle / "models/weights.npy")


def test_aliases_follow_the_verdicts(registry: Registry, bundle: Path) -> None:
    for verdict in ("promote", "promote", "keep", "keep"):
        registry.register(bundle, "churn", verdict=verdict)
    assert registry.aliases("churn") == {"champion": 2, "challenger": 4, "previous": 1}
    registry.promote("churn", 4)
    assert registry.aliases("churn") == {"champion": 4, "previous": 2}
    registry.promote("churn", 4)
    assert registry.aliases("churn") == {"champion": 4, "previous": 2}


def test_rollback_twice_is_where_it_was(registry: Registry, bundle: Path) -> None:
    for _ in range(2):
        registry.register(bundle, "churn", verdict="promote")
    assert registry.rollback("churn").number == 1
    assert registry.aliases("churn") == {"champion": 1, "previous": 2}
    assert registry.rollback("churn").number == 2


def test_what_is_put_back_leaves_alone_what_others_have_changed(
    registry: Registry, bundle: Path
) -> None:
    for _ in range(2):
        registry.register(bundle, "churn", verdict="promote")
    before = registry.aliases("churn")
    registry.rollback("churn")
    registry.register(bundle, "churn", verdict="keep")
    assert registry.restore("churn", before, champion=1)
    assert registry.aliases("churn") == {"champion": 2, "previous": 1, "challenger": 3}
    registry.rollback("churn")
    registry.promote("churn", 3)
    moved = registry.aliases("churn")
    assert not registry.restore("churn", before, champion=1)
    assert registry.aliases("churn") == moved


def test_rollback_without_a_previous_champion(registry: Registry, bundle: Path) -> None:
    registry.register(bundle, "churn", verdict="promote")
    with pytest.raises(UsageError, match="no previous champion"):
        registry.rollback("churn")


@pytest.mark.parametrize(
    ("reference", "number"),
    [("churn", 2), ("churn@1", 1), ("churn@champion", 2), ("churn@previous", 1)],
)
def test_resolve(registry: Registry, bundle: Path, reference: str, number: int) -> None:
    for _ in range(2):
        registry.register(bundle, "churn", verdict="promote")
    assert registry.resolve(reference).number == number


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("chrun", "did you mean 'churn'"),
        ("churn@7", "no version 7"),
        ("churn@champoin", "did you mean 'champion'"),
        ("churn@challenger", "no 'challenger'"),
        ("churn@", "no ''"),
        ("churn@²", "no '²'"),
        ("../churn", "no registered model"),
        ("", "no registered model"),
    ],
)
def test_unknown_references(registry: Registry, bundle: Path, reference: str, message: str) -> None:
    registry.register(bundle, "churn", verdict="promote")
    with pytest.raises(ArtifactError, match=message) as caught:
        registry.resolve(reference)
    assert caught.value.exit_code == 3


def test_empty_registry_says_how_to_fill_it(registry: Registry) -> None:
    assert registry.names() == []
    with pytest.raises(ArtifactError, match="regatta run"):
        registry.resolve("churn")


@pytest.mark.parametrize("name", ["Churn", "a/b", "..", "", "-a", "x" * 51])
def test_names_are_dns_labels(registry: Registry, bundle: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot be the name"):
        registry.register(bundle, name, verdict="promote")
    assert not registry.root.exists()


def test_a_changed_bundle_is_not_registered(registry: Registry, bundle: Path) -> None:
    (bundle / "models/weights.npy").write_bytes(b"y" * 1000)
    with pytest.raises(ArtifactError, match="was changed"):
        registry.register(bundle, "churn", verdict="promote")
    assert registry.names() == []


def test_unwritable_registry(tmp_path: Path, bundle: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be written"):
        Registry(tmp_path / "file").register(bundle, "churn", verdict="promote")


def test_a_failed_copy_leaves_nothing(
    registry: Registry, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(source: str, target: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("regatta.registry.directory._link_or_copy", full)
    with pytest.raises(OSError, match="No space"):
        registry.register(bundle, "churn", verdict="promote")
    assert list((registry.root / "models/churn/versions").iterdir()) == []
    assert registry.names() == []


def test_damaged_files_are_named(registry: Registry, bundle: Path) -> None:
    version = registry.register(bundle, "churn", verdict="promote")
    (version.path / "version.json").write_text("{")
    with pytest.raises(ArtifactError, match=r"version\.json"):
        registry.version("churn", 1)
    (registry.root / "models/churn/aliases.json").write_text("[]")
    with pytest.raises(ArtifactError, match=r"aliases\.json"):
        registry.aliases("churn")


def _register(root: Path, bundle: Path, count: int, numbers: "multiprocessing.Queue[int]") -> None:
    for _ in range(count):
        numbers.put(Registry(root).register(bundle, "churn", verdict="promote").number)


def test_registrations_at_once_get_numbers_of_their_own(registry: Registry, bundle: Path) -> None:
    context = multiprocessing.get_context("fork")
    numbers = context.Queue()
    workers = [
        context.Process(target=_register, args=(registry.root, bundle, 5, numbers))
        for _ in range(4)
    ]
    for worker in workers:
        worker.start()
    while any(worker.is_alive() for worker in workers):
        # What a reader sees meanwhile is whole: every version that is there can be read.
        for name in registry.names():
            registry.versions(name)
    for worker in workers:
        worker.join()
    assert sorted(numbers.get() for _ in range(20)) == list(range(1, 21))
    assert registry.resolve("churn").number == 20
    assert registry.aliases("churn")["previous"] == 19


def test_find_takes_folders_and_names(registry: Registry, bundle: Path) -> None:
    registry.register(bundle, "churn", verdict="promote")
    assert find(str(bundle), registry.root).bundle == bundle
    assert find(str(bundle.parent), registry.root).bundle == bundle
    found = find("churn@1", registry.root)
    assert (found.name, found.version) == ("churn", "1")
    assert find(str(found.bundle.parent), registry.root).bundle == found.bundle


@pytest.mark.parametrize(
    ("model", "message"),
    [("./nothing", "does not exist"), (".", "holds no bundle"), ("chrun", "did you mean 'churn'")],
)
def test_find_says_what_is_wrong(
    registry: Registry,
    bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    model: str,
    message: str,
) -> None:
    registry.register(bundle, "churn", verdict="promote")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ArtifactError, match=message):
        find(model, registry.root)


def test_root_by_option_environment_and_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGATTA_HOME", str(tmp_path))
    assert registry_root() == tmp_path / "registry"
    assert registry_root("/elsewhere") == Path("/elsewhere")
    monkeypatch.setenv("REGATTA_MODELS", "s3://models/regatta")
    assert registry_root() == registry_root("") == Location("models", "regatta")
    assert registry_root("/elsewhere") == Path("/elsewhere")
    monkeypatch.setenv("REGATTA_MODELS", str(tmp_path / "shared"))
    assert registry_root() == tmp_path / "shared"
    monkeypatch.setenv("REGATTA_MODELS", "")
    assert registry_root() == tmp_path / "registry"
    monkeypatch.delenv("REGATTA_HOME")
    assert home() == Path(os.path.expanduser("~/.regatta"))


def test_version_json_is_what_was_said(registry: Registry, bundle: Path) -> None:
    version = registry.register(bundle, "churn", verdict="keep", task="binary")
    values = json.loads((version.path / "version.json").read_text())
    assert (values["name"], values["version"], values["metadata"]["task"]) == (
        "churn",
        1,
        "binary",
    )
