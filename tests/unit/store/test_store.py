"""The store against a real MinIO server: files, folders, conditions, and what fails."""

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from regatta.errors import StoreError, UsageError
from regatta.store import Location, Store, connect
from regatta.store.connect import _retries
from tests.object_store import ObjectStore, running

ROOT = Location("models")


@pytest.fixture
def store(object_store: ObjectStore) -> Store:
    return connect(object_store.environment, patience_seconds=0)


@pytest.fixture
def place(request: pytest.FixtureRequest) -> Location:
    return ROOT / request.node.name.replace("[", "-").replace("]", "")


def test_a_file_there_and_back(store: Store, place: Location, tmp_path: Path) -> None:
    # Above 5 MiB, `minio` sends it in parts.
    data = bytes(range(256)) * 24_000
    (tmp_path / "table.csv").write_bytes(data)
    store.upload_file(tmp_path / "table.csv", place / "ä table.csv")
    store.download_file(place / "ä table.csv", tmp_path / "new" / "copy.csv")
    assert (tmp_path / "new" / "copy.csv").read_bytes() == data
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["copy.csv"]


def test_a_folder_there_and_back(store: Store, place: Location, tmp_path: Path) -> None:
    files = {"a.json": b"{}", "models/m/w.npz": b"x" * 1000, "empty": b""}
    for name, data in files.items():
        (tmp_path / "from" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "from" / name).write_bytes(data)
    assert store.upload_folder(tmp_path / "from", place) == 3
    store.write(Location(place.bucket, f"{place.key}-2/other"), b"not in it")
    assert store.download_folder(place, tmp_path / "to") == 3
    found = {
        path.relative_to(tmp_path / "to").as_posix(): path.read_bytes()
        for path in (tmp_path / "to").rglob("*")
        if path.is_file()
    }
    assert found == files
    assert [entry.location.key for entry in store.list(place)] == sorted(
        f"{place.key}/{name}" for name in files
    )
    assert store.folders(place) == ("models",)


def test_exists(store: Store, place: Location) -> None:
    assert not store.exists(place)
    store.write(place / "x", b"1")
    assert store.exists(place / "x")
    assert store.exists(place)
    store.remove(place / "x")
    store.remove(place / "x")
    assert not store.exists(place)


def test_one_of_many_creates(store: Store, place: Location) -> None:
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda n: store.create(place, b"%d" % n), range(8)))
    assert sum(won) == 1
    there = store.read(place)
    assert there is not None
    assert there.data == b"%d" % won.index(True)


def test_a_creation_whose_answer_was_lost_is_recognised(store: Store, place: Location) -> None:
    assert store.create(place, b"mine")
    assert store.create(place, b"mine")
    assert not store.create(place, b"theirs")


def test_replace_is_compare_and_swap(store: Store, place: Location) -> None:
    assert store.read(place) is None
    assert store.replace(place, b"1", "")
    seen = store.read(place)
    assert seen is not None
    assert store.replace(place, b"2", seen.etag)
    assert not store.replace(place, b"3", seen.etag)
    assert not store.replace(place, b"3", "")
    store.remove(place)
    assert not store.replace(place, b"3", seen.etag)


@pytest.mark.parametrize(
    ("changes", "bucket", "message"),
    [
        ({}, "no-such-bucket", "bucket does not exist"),
        ({}, "models", "no such object"),
        ({"AWS_SECRET_ACCESS_KEY": "wrong"}, "models", "secret key is wrong"),
        ({"AWS_ACCESS_KEY_ID": "somebody"}, "models", "does not know the access key"),
        ({"AWS_SESSION_TOKEN": "old"}, "models", "session token"),
        ({"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, "models", "access is denied"),
    ],
)
def test_a_refusal_says_why(
    object_store: ObjectStore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, str],
    bucket: str,
    message: str,
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    store = connect({**object_store.environment, **changes}, patience_seconds=0)
    with pytest.raises(StoreError, match=message) as caught:
        store.download_file(Location(bucket, "no/such"), tmp_path / "x")
    assert caught.value.fix
    assert caught.value.exit_code == 4
    assert not (tmp_path / "x").exists()
    if message != "no such object":
        for call in (store.exists, store.read, lambda place: store.create(place, b"")):
            with pytest.raises(StoreError, match=message):
                call(Location(bucket, "no/such"))
        with pytest.raises(StoreError, match=message):
            store.check_bucket(bucket)


def test_an_empty_folder_is_an_error(store: Store, place: Location, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="holds no objects"):
        store.download_folder(place, tmp_path / "to")


def test_tls_to_a_store_without_it(object_store: ObjectStore) -> None:
    address = object_store.endpoint.replace("http://", "https://")
    store = connect({**object_store.environment, "AWS_ENDPOINT_URL": address}, patience_seconds=0)
    with pytest.raises(StoreError, match="TLS failed"):
        store.check_bucket("models")


def test_nobody_listens() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    store = connect({"S3_ENDPOINT": address, "S3_USE_HTTPS": "0"}, patience_seconds=0)
    with pytest.raises(StoreError, match="no connection"):
        store.check_bucket("models")


def test_unknown_host() -> None:
    store = connect({"AWS_ENDPOINT_URL": "http://no-such-host.invalid:9000"}, patience_seconds=0)
    with pytest.raises(StoreError, match="nobody knows the host"):
        store.check_bucket("models")


@pytest.fixture
def page() -> Iterator[str]:
    """Something that is no S3: it answers every request with a page."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(20)

        def answer() -> None:
            try:
                while True:
                    connection, _ = server.accept()
                    with connection:
                        connection.recv(65536)
                        body = b"<html>hello</html>"
                        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n"
                        connection.sendall(f"{head}Content-Type: text/html\r\n\r\n".encode() + body)
            except OSError:
                return

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)


def test_an_endpoint_that_is_no_store(page: str) -> None:
    store = connect({"AWS_ENDPOINT_URL": page}, patience_seconds=0)
    with pytest.raises(StoreError, match="not one of S3"):
        store.check_bucket("models")


def test_a_store_that_is_away_for_a_while_is_waited_for(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        server.make_bucket("models")
        store = connect(server.environment, patience_seconds=30)
        assert store.create(ROOT / "x", b"1")
        server.stop()
        later = threading.Timer(2, server.start, [False])
        later.start()
        began = time.monotonic()
        assert store.read(ROOT / "x") is not None
        assert time.monotonic() - began > 1.5
        later.join()


@pytest.mark.parametrize("seconds", [0, 5, 75])
def test_the_pauses_last_as_long_as_asked(seconds: float) -> None:
    retry, waited = _retries(seconds), 0.0
    for _ in range(retry.total):
        retry = retry.increment("GET", "/", error=OSError())
        waited += retry.get_backoff_time()
    assert seconds <= waited <= seconds + 10


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"AWS_ENDPOINT_URL": "http://host:port"}, "AWS_ENDPOINT_URL is 'http://host:port'"),
        ({"S3_ENDPOINT": "host:9000/path"}, "S3_ENDPOINT is"),
        ({"AWS_ENDPOINT_URL": "ftp://host"}, "AWS_ENDPOINT_URL is"),
        ({"AWS_ACCESS_KEY_ID": "x", "S3_ENDPOINT": "host"}, "without its other half"),
    ],
)
def test_a_bad_environment_is_refused(environment: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        connect(environment)


@pytest.mark.parametrize(
    ("environment", "endpoint"),
    [
        ({"S3_ENDPOINT": "minio:9000"}, "https://minio:9000"),
        ({"S3_ENDPOINT": "minio:9000", "S3_USE_HTTPS": "0"}, "http://minio:9000"),
        ({"AWS_ENDPOINT_URL": "http://minio:9000/", "S3_ENDPOINT": "x"}, "http://minio:9000"),
        (
            {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y", "AWS_REGION": "eu-west-1"},
            "https://s3.amazonaws.com",
        ),
    ],
)
def test_the_endpoint(environment: dict[str, str], endpoint: str) -> None:
    assert connect(environment).endpoint == endpoint
