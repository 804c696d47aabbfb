"""The accounts that MinIO is given, on a real server: what each may do, and what not."""

import subprocess
import sys
from pathlib import Path

import pytest
from minio import Minio, MinioAdmin
from minio.credentials import StaticProvider
from minio.error import MinioAdminException, S3Error

from regatta.errors import StoreError
from regatta.store import Location, Store, connect
from tests.manifests.conftest import MANIFESTS, documents
from tests.manifests.test_manifests import containers
from tests.object_store import ACCESS_KEY, SECRET_KEY, ObjectStore, object_store

__all__ = ["object_store"]

MINIO = MANIFESTS / "components" / "minio"


@pytest.fixture(scope="module")
def accounts(object_store: ObjectStore) -> dict[str, Store]:
    """Return connections of the accounts that the script has made, at its second time too."""
    (job,) = containers(documents((MINIO / "buckets.yaml").read_text()))
    environment = {
        "ENDPOINT": object_store.endpoint.removeprefix("http://"),
        "ROOT_KEY": ACCESS_KEY,
        "ROOT_SECRET": SECRET_KEY,
        "READER_KEY": "models-reader",
        "READER_SECRET": "models-reader-secret",
        "TASKS_KEY": "tasks",
        "TASKS_SECRET": "tasks-secret",
    }
    assert environment.keys() == {one["name"] for one in job["env"]}
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, MINIO / "buckets.py"],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    return {
        account: connect(
            {
                "AWS_ENDPOINT_URL": object_store.endpoint,
                "AWS_ACCESS_KEY_ID": environment[f"{account}_KEY"],
                "AWS_SECRET_ACCESS_KEY": environment[f"{account}_SECRET"],
            },
            patience_seconds=5,
        )
        for account in ("READER", "TASKS")
    }


def test_services_may_only_read_models(accounts: dict[str, Store]) -> None:
    reader = accounts["READER"]
    assert reader.read(Location("models", "none")) is None
    with pytest.raises(StoreError, match="access is denied"):
        reader.write(Location("models", "x"), b"1")
    for bucket in ("mlpipeline", "tables"):
        with pytest.raises(StoreError, match="access is denied"):
            list(reader.list(Location(bucket)))


@pytest.mark.parametrize("bucket", ["mlpipeline", "models", "tables"])
def test_tasks_do_their_work_in_its_buckets(
    accounts: dict[str, Store], bucket: str, tmp_path: Path
) -> None:
    tasks, folder = accounts["TASKS"], Location(bucket, "work")
    assert tasks.read(folder / "aliases.json") is None
    assert tasks.create(folder / "aliases.json", b"1")
    there = tasks.read(folder / "aliases.json")
    assert there is not None
    assert tasks.replace(folder / "aliases.json", b"2", there.etag)
    assert not tasks.replace(folder / "aliases.json", b"3", there.etag)
    large = tmp_path / "large.bin"
    large.write_bytes(bytes(6 << 20))  # in parts, from 5 MiB on
    tasks.upload_file(large, folder / "large.bin")
    assert tasks.download_folder(folder, tmp_path / "down") == 2
    for entry in list(tasks.list(folder)):
        tasks.remove(entry.location)
    assert not tasks.exists(folder)


def test_tasks_may_do_nothing_else(accounts: dict[str, Store], object_store: ObjectStore) -> None:
    object_store.make_bucket("others")
    tasks = accounts["TASKS"]
    with pytest.raises(StoreError, match="access is denied"):
        list(tasks.list(Location("others")))
    with pytest.raises(StoreError, match="access is denied"):
        tasks.write(Location("others", "x"), b"1")
    address = object_store.endpoint.removeprefix("http://")
    keys = StaticProvider("tasks", "tasks-secret")
    client = Minio(address, credentials=keys, secure=False, region="us-east-1")
    with pytest.raises(S3Error, match="AccessDenied"):
        client.make_bucket("more")
    with pytest.raises(S3Error, match="AccessDenied"):
        client.remove_bucket("models")
    admin = MinioAdmin(endpoint=address, credentials=keys, secure=False)
    for ask in (admin.user_list, admin.policy_list):
        with pytest.raises(MinioAdminException, match="AccessDenied"):
            ask()
