"""Handing finished trials over to a real object store, and what it may not be troubled by."""

import io
import json
import os
import signal
import socket
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from regatta.artifacts import open_artifact, read_json, write_json, writing
from regatta.artifacts.records import Recipe, TrialRecord, write_record
from regatta.errors import StoreError
from regatta.search.resuming import CLOCK, NOTES, note_clock
from regatta.stages import handover, plan
from regatta.stages.handover import Handover, handover_at
from regatta.store import Location, Store, connect
from tests.object_store import ObjectStore, object_store, running
from tests.unit.search.fakes import write_features

__all__ = ["object_store"]

KEYS = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
ENDPOINT = {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}


@pytest.mark.parametrize(
    ("uri", "environment", "said"),
    [
        ("/tmp/trials", {}, ""),
        ("", {**KEYS, **ENDPOINT}, ""),
        ("gs://bucket/trials", {**KEYS, **ENDPOINT}, "gs:// is no S3 store"),
        ("minio://bucket/trials", ENDPOINT, "there are no keys"),
        ("minio://bucket/trials", KEYS, "the address of the object store is not given"),
        ("s3://bucket/trials", {}, "there are no keys"),
        ("s3://bucket/trials", {"AWS_ACCESS_KEY_ID": "a"}, "without its other half"),
        ("s3://B/trials", KEYS, "names the bucket"),
    ],
)
def test_without_such_a_store_there_is_no_handover(uri: str, environment, said: str, caplog):
    caplog.set_level("INFO")
    assert handover_at(uri, environment) is None
    assert len(caplog.records) == bool(said)
    assert said in caplog.text


@pytest.mark.parametrize(
    "uri", ["minio://models/v2/x/trials", "s3://models/v2/x/trials/?region=us-east-1"]
)
def test_the_place_is_beside_the_artifact(uri: str):
    found = handover_at(uri, {**KEYS, **ENDPOINT})
    assert found is not None
    assert found.place == Location("models", "v2/x/trials-handed")


def make_trial(folder: Path, name: str, status: str = "ok") -> TrialRecord:
    """Write a trial with predictions, a model and an encoder."""
    record = TrialRecord(name, 0, int(name[3:6]), Recipe("line", {"alpha": 0.1}), 7, status)  # type: ignore[arg-type]
    if status != "ok":
        write_record(folder / name, record)
        return record
    encoder = folder / "encoders" / "tree" / "fold-0"
    encoder.mkdir(parents=True, exist_ok=True)
    (encoder / "encoder.json").write_text("{}")
    with writing(folder / name, "trial") as place:
        write_json(place / "trial.json", record.to_dict())
        write_json(place / "fits.json", {"encoders": ["tree/fold-0"]})
        (place / "oof.npy").write_bytes(b"\x00\x01" * 500)
        (place / "model" / "fold-0").mkdir(parents=True)
        (place / "model" / "fold-0" / "weights.npy").write_bytes(b"w" * 100)
    return record


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def new(path: Path) -> Path:
    path.mkdir()
    return path


@pytest.fixture
def there(object_store: ObjectStore, request: pytest.FixtureRequest) -> Iterator[Handover]:
    """Return a place of the test's own."""
    name = request.node.name.replace("[", "-").replace("]", "")
    found = handover_at(f"minio://models/{name}/trials", object_store.environment)
    assert found is not None
    yield found
    found.clear()


def again(one: Handover) -> Handover:
    """Return the same place as another pod sees it."""
    return Handover(one.store, one.place)


def keys(one: Handover) -> list[str]:
    start = len(one.place.key) + 1
    return [entry.location.key[start:] for entry in one.store.list(one.place)]


def test_what_is_finished_comes_to_another_pod(there: Handover, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(Handover, "poll_seconds", 0.05)
    first, second = new(tmp_path / "first"), new(tmp_path / "second")
    with there.attended(first):
        note_clock(first, 5.0, 10.0)
        make_trial(first, "00-000-line")
        write_json(first / NOTES / "00-001-line.json", make_trial(first, "00-001-line").to_dict())
        make_trial(first, "00-002-line", "crashed")
        (first / ".00-003-line.x").mkdir()
        (first / ".00-003-line.x" / "trial.json").write_text("{}")
        deadline = time.time() + 10
        while len(keys(there)) < 6:
            assert time.time() < deadline
            time.sleep(0.05)
    assert keys(there) == [
        f"{NOTES}/00-001-line.json", f"{NOTES}/{CLOCK}", "00-000-line.tar", "00-001-line.tar",
        "00-002-line.tar", "encoders/tree/fold-0.tar",
    ]  # fmt: skip
    other = again(there)
    other.fetch(second)
    expected = {name: data for name, data in files(first).items() if "00-003" not in name}
    assert files(second) == expected
    for name in ("00-000-line", "00-001-line", "00-002-line"):
        open_artifact(second / name, "trial")
    # Nothing is sent twice, and the clock stays that of the first try.
    before = {entry.location.key: entry.etag for entry in there.store.list(there.place)}
    note_clock(second, 6.0, 10.0)
    other.look(second)
    later = again(there)
    later.look(second)
    after = {entry.location.key: entry.etag for entry in there.store.list(there.place)}
    clock = f"{there.place.key}/{NOTES}/{CLOCK}"
    assert after[clock] == before[clock]
    there.clear()
    assert keys(there) == []


def test_after_half_a_fetch_nothing_is_handed_over(there: Handover, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(Handover, "poll_seconds", 0.05)
    first, second = new(tmp_path / "first"), new(tmp_path / "second")
    make_trial(first, "00-000-line")
    there.look(first)
    before = {entry.location.key: entry.etag for entry in there.store.list(there.place)}

    def away(*_: object, **__: object) -> None:
        raise StoreError("the store is away", fix="wait")

    other = again(there)
    monkeypatch.setattr(other.store, "download_file", away)
    with other.attended(second):
        # Other bytes under the name of the encoder that the first trial was fitted behind.
        make_trial(second, "00-001-line")
        (second / "encoders" / "tree" / "fold-0" / "encoder.json").write_text("[]")
        time.sleep(0.3)
    after = {entry.location.key: entry.etag for entry in there.store.list(there.place)}
    assert after == before


def packed(*members: tarfile.TarInfo) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for member in members:
            archive.addfile(member, io.BytesIO(b"x" * member.size))
    return buffer.getvalue()


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    found = tarfile.TarInfo(name)
    found.type, found.linkname = kind, link
    found.size = 1 if kind == tarfile.REGTYPE else 0
    return found


HOSTILE = {
    "above": packed(member("../../evil")),
    "deep": packed(member("a/../../evil")),
    "absolute": packed(member("/tmp/regatta-evil")),
    "link": packed(member("trial.json", tarfile.SYMTYPE, "/etc/passwd")),
    "hard": packed(member("trial.json", tarfile.LNKTYPE, "../../evil")),
    "device": packed(member("trial.json", tarfile.CHRTYPE)),
    "pipe": packed(member("trial.json", tarfile.FIFOTYPE)),
    "cut": packed(member("trial.json"))[:700],
    "none": b"no tar at all",
    "empty": b"",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_tars_are_not_unpacked(kind: str, tmp_path: Path):
    (tmp_path / "object").write_bytes(HOSTILE[kind])
    place = tmp_path / "deep" / "er"
    place.mkdir(parents=True)
    try:
        handover._unpacked(tmp_path / "object", place / "folder")
    except tarfile.TarError:
        pass
    else:
        assert kind == "cut"
    assert not list(tmp_path.rglob("*evil*"))
    assert not Path("/tmp/regatta-evil").exists()
    assert not [path for path in (place / "folder").rglob("*") if path.is_symlink()]


def test_damaged_objects_are_left_out(there: Handover, tmp_path: Path, caplog):
    first, second = new(tmp_path / "first"), new(tmp_path / "second")
    make_trial(first, "00-000-line")
    make_trial(first, "00-001-line")
    (first / "00-001-line" / "oof.npy").write_bytes(b"changed")
    there.look(first)
    store, place = there.store, there.place
    for number, data in enumerate(HOSTILE.values()):
        store.write(place / f"00-1{number:02d}-line.tar", data)
    good = store.read(place / "00-000-line.tar")
    assert good is not None
    bad = {
        "00-200-line.tar": good.data,
        f"{NOTES}/00-201-line.json": b"{",
        f"{NOTES}/00-202-line.json": b'{"id": "../../evil"}',
        f"{NOTES}/{CLOCK}": b'{"began": "soon"}',
        "other/thing.json": b"{}",
        "encoders/tree/fold-0/encoder.json": b"{}",
        "a b.tar": good.data,
    }
    for name, data in bad.items():
        store.write(place / name, data)
    again(there).fetch(second)
    assert sorted(path.name for path in second.iterdir()) == ["00-000-line", "encoders"]
    assert caplog.text.count("is damaged and is left out") == len(HOSTILE) + 5


def test_a_trial_without_its_encoder_is_left_out(there: Handover, tmp_path: Path):
    first, second = new(tmp_path / "first"), new(tmp_path / "second")
    make_trial(first, "00-000-line")
    there.look(first)
    there.store.remove(there.place / "encoders/tree/fold-0.tar")
    again(there).fetch(second)
    assert not list(second.iterdir())


def test_a_store_that_was_away_gets_it_later(tmp_path: Path, caplog):
    with running(new(tmp_path / "minio")) as server:
        server.make_bucket("models")
        one = handover_at("s3://models/trials", server.environment)
        assert one is not None
        folder = new(tmp_path / "lane")
        make_trial(folder, "00-000-line")
        one.look(folder)
        server.stop()
        make_trial(folder, "00-001-line")
        for _ in range(3):
            one.look(folder)
        one.fetch(folder)
        assert [record.name for record in caplog.records] == ["regatta.stages.handover"]
        server.start()
        one.look(folder)
        names = ["00-000-line.tar", "00-001-line.tar", "encoders/tree/fold-0.tar"]
        assert keys(one) == names
        server.stop()
        began = time.time()
        one.clear()
        assert time.time() - began < 6
        server.start()


def test_a_store_that_refuses_delays_nobody(object_store: ObjectStore, tmp_path: Path, caplog):
    wrong = {**object_store.environment, "AWS_SECRET_ACCESS_KEY": "wrong-wrong"}
    one = handover_at("minio://models/refused", wrong)
    assert one is not None
    began = time.time()
    with one.attended(tmp_path):
        one.look(tmp_path)
    one.clear()
    assert time.time() - began < 3
    assert caplog.text.count("the secret key is wrong") == 1


def test_a_store_that_hangs_delays_nobody_for_long(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(Handover, "poll_seconds", 0.05)
    monkeypatch.setattr(handover, "ANSWER_SECONDS", 0.5)
    monkeypatch.setattr(Handover, "remove_seconds", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        one = handover_at("s3://models/trials", {**KEYS, "AWS_ENDPOINT_URL": address})
        assert one is not None
        began = time.time()
        with one.attended(tmp_path):
            make_trial(tmp_path, "00-000-line")
            time.sleep(0.2)
        one.clear()
        # Once for the first list, and as long as the removal may take.
        assert time.time() - began < 3
        time.sleep(1.5)


STAGE = """
import sys
from regatta.stages import trial
features, plan, trials, place = sys.argv[1:]
print(trial.run(features, plan, 0, 0.0, trials, place))
"""


def handed(store: Store, place: Location) -> list[str]:
    """Return the ids of the trials that are in the store."""
    names = [entry.location.key.removeprefix(f"{place.key}/") for entry in store.list(place)]
    return [
        name.removesuffix(".tar") for name in names if name.endswith(".tar") and "/" not in name
    ]


@pytest.mark.slow
def test_a_pod_that_dies_costs_its_unfinished_trials(object_store: ObjectStore, tmp_path: Path):
    features = str(write_features(tmp_path / "features", n_rows=200))
    search = {"cores": 1, "max_trials": 6, "learners": ["linear", "lightgbm"]}
    settings = {"search": search, "budget": {"seconds": 600}}
    plan.run(features, json.dumps(settings), str(tmp_path / "plan"))
    store = connect(object_store.environment)
    uri = "minio://models/run-1/trial/trials"
    place = Location("models", "run-1/trial/trials-handed")

    def pod(name: str) -> "subprocess.Popen[bytes]":
        """Start the stage with a disk of its own."""
        arguments = [features, str(tmp_path / "plan"), str(new(tmp_path / name) / "trials"), uri]
        return subprocess.Popen(
            [sys.executable, "-c", STAGE, *arguments],
            env={**os.environ, **object_store.environment},
            start_new_session=True,
        )

    first = pod("first")
    deadline = time.time() + 60
    while len(handed(store, place)) < 2:
        assert time.time() < deadline
        time.sleep(0.05)
    descendants = psutil.Process(first.pid).children(recursive=True)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    psutil.wait_procs(descendants, timeout=5)
    kept = handed(store, place)
    later = time.time()
    assert pod("second").wait(timeout=100) == 0
    artifact = open_artifact(tmp_path / "second" / "trials", "trials")
    lane = read_json(artifact.file("lane.json"))
    assert "lost" not in lane
    ids = [name for name in lane["trials"] if "retry" not in name]
    assert sorted(name[:3] for name in ids) == [f"{number:03d}" for number in range(6)]
    starts = {
        name: read_json(open_artifact(artifact.path / name, "trial").file("trial.json"))
        for name in lane["trials"]
    }
    assert all(starts[name]["status"] == "ok" for name in kept)
    assert {name for name in starts if starts[name]["started_at"] < later} >= set(kept)
    # What had begun and was not handed over has crashed; all else began in the second pod.
    assert sum(record["started_at"] < later for record in starts.values()) <= len(kept) + 2
    for name in kept:
        for encoder in read_json(artifact.path / name / "fits.json")["encoders"]:
            assert (artifact.path / "encoders" / encoder).is_dir()
    assert list(store.list(place)) == []
