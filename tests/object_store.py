"""A real MinIO server for tests, as a process of its own."""

import os
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ACCESS_KEY, SECRET_KEY = "regatta-test", "regatta-test-secret"


class ObjectStore:
    """A MinIO server on the loopback address; it can be stopped and started again."""

    def __init__(self, binary: str, folder: Path) -> None:
        self.binary, self.folder = binary, folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.environment = {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        }
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, wait: bool = True) -> None:
        command = [self.binary, "server", "--quiet", "--address", f"127.0.0.1:{self.port}"]
        self.process = subprocess.Popen(
            [*command, str(self.folder / "data")],
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self.folder),
                "MINIO_ROOT_USER": ACCESS_KEY,
                "MINIO_ROOT_PASSWORD": SECRET_KEY,
                "MINIO_BROWSER": "off",
                "MINIO_UPDATE": "off",
            },
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 60
        while wait and not self._ready():
            assert self.process.poll() is None, "MinIO ended"
            assert time.monotonic() < deadline, "MinIO did not become ready"
            time.sleep(0.1)

    def stop(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def make_bucket(self, name: str) -> None:
        from minio import Minio

        Minio(
            f"127.0.0.1:{self.port}", access_key=ACCESS_KEY, secret_key=SECRET_KEY, secure=False
        ).make_bucket(name)

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.endpoint}/minio/health/cluster", timeout=2):
                return True
        except OSError:
            return False


@contextmanager
def running(folder: Path) -> Iterator[ObjectStore]:
    """Start the server that REGATTA_MINIO or PATH names; skip the tests without one."""
    binary = os.environ.get("REGATTA_MINIO") or shutil.which("minio")
    if not binary:
        pytest.skip("no MinIO server: set REGATTA_MINIO or put `minio` on PATH")
    server = ObjectStore(binary, folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def object_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    """A server of the module's own, with the bucket `models`."""
    with running(tmp_path_factory.mktemp("minio")) as server:
        server.make_bucket("models")
        yield server
