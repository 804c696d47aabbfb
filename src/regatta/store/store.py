"""One connection to an object store."""

import contextlib
import io
import os
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from regatta.errors import StoreError
from regatta.store.failures import failures, refused
from regatta.store.location import Location

__all__ = ["Content", "Entry", "Store"]

THREADS = 8
CHUNK_BYTES = 1 << 20
ATTEMPTS = 4

Result = TypeVar("Result")


@dataclass(frozen=True)
class Entry:
    """An object of a list.

    Attributes
    ----------
    location : Location
        Where it lies.
    bytes : int
        Its size.
    etag : str
        Its tag, which changes with its content; without quotes.
    modified : float
        When it was written, in seconds since the epoch; 0 if the store does not say.
    """

    location: Location
    bytes: int
    etag: str
    modified: float


@dataclass(frozen=True)
class Content:
    """A small object that was read.

    Attributes
    ----------
    data : bytes
        All of it.
    etag : str
        Its tag, for `Store.replace`.
    """

    data: bytes
    etag: str


class Store:
    """Files and folders in an object store; made by `connect`.

    Every failure is a `StoreError`.

    Parameters
    ----------
    client : minio.Minio
        The client.
    http : urllib3.PoolManager
        What it sends with.
    endpoint : str
        Its address, for messages.
    """

    def __init__(self, client: Any, http: Any, endpoint: str) -> None:
        self._client, self._http, self.endpoint = client, http, endpoint

    def look(self, location: Location) -> Entry:
        """Return size and tag of an object, without its content.

        Parameters
        ----------
        location : Location
            The object.

        Raises
        ------
        StoreError
            There is no such object, or the store refuses or does not answer.
        """
        with failures(f"reading {location}", self.endpoint):
            found = self._client.stat_object(location.bucket, location.key)
        return _entry(location, found)

    def download_file(self, location: Location, path: str | Path, *, etag: str = "") -> None:
        """Copy an object to a file, which appears whole or not at all.

        Parameters
        ----------
        location : Location
            The object.
        path : str or Path
            The file; its folder is made.
        etag : str, default ""
            The tag that it must still have; empty for any.

        Raises
        ------
        StoreError
            There is no such object, it has changed, or the store refuses or does not answer.
        """
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name[:40]}-", dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                self._again(lambda: self._fetch(location, file, etag))
            os.chmod(temporary, 0o644)
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise

    def download_folder(self, location: Location, folder: str | Path) -> int:
        """Copy all objects below a key into a folder.

        Parameters
        ----------
        location : Location
            The key they have in common.
        folder : str or Path
            Where they go; it is made.

        Returns
        -------
        int
            Number of files.

        Raises
        ------
        StoreError
            There are none, or the store refuses or does not answer.
        """
        entries = list(self.list(location))
        if not entries:
            raise StoreError(
                f"{location} holds no objects at {self.endpoint}",
                expected="objects whose keys begin so",
                fix="check the URI and the endpoint",
            )
        start = len(location.key) + 1 if location.key else 0

        def fetch(entry: Entry) -> None:
            self.download_file(entry.location, Path(folder) / entry.location.key[start:])

        _each(fetch, entries)
        return len(entries)

    def upload_file(self, path: str | Path, location: Location) -> None:
        """Copy a file to an object, which is replaced if it is there."""
        with failures(f"writing {location}", self.endpoint):
            self._client.fput_object(location.bucket, location.key, str(path))

    def upload_folder(self, folder: str | Path, location: Location) -> int:
        """Copy all files of a folder and of the folders in it.

        Parameters
        ----------
        folder : str or Path
            The folder.
        location : Location
            The key that goes before their relative paths.

        Returns
        -------
        int
            Number of files.
        """
        folder = Path(folder)
        files = [path for path in sorted(folder.rglob("*")) if path.is_file()]

        def send(path: Path) -> None:
            self.upload_file(path, location / path.relative_to(folder).as_posix())

        _each(send, files)
        return len(files)

    def list(self, location: Location) -> Iterator[Entry]:
        """Yield all objects below a key, in the order of their keys."""
        with failures(f"listing {location}", self.endpoint):
            prefix = f"{location.key}/" if location.key else ""
            for item in self._client.list_objects(location.bucket, prefix, recursive=True):
                if not item.object_name.endswith("/"):
                    place = Location.parse(f"s3://{location.bucket}/{item.object_name}")
                    yield _entry(place, item)

    def folders(self, location: Location) -> tuple[str, ...]:
        """Return the names of what goes on directly below a key, as a folder lists folders."""
        with failures(f"listing {location}", self.endpoint):
            prefix = f"{location.key}/" if location.key else ""
            items = self._client.list_objects(location.bucket, prefix)
            names = [item.object_name for item in items]
        below = [name for name in names if name.endswith("/") and name != prefix]
        return tuple(name[len(prefix) : -1] for name in below)

    def exists(self, location: Location) -> bool:
        """Return whether there is such an object, or any below this key.

        Raises
        ------
        StoreError
            The bucket does not exist, or the store refuses or does not answer.
        """
        if location.key and self.read(location, most_bytes=1) is not None:
            return True
        return next(self.list(location), None) is not None

    def read(self, location: Location, *, most_bytes: int = 0) -> Content | None:
        """Return a small object, or None where there is none.

        Parameters
        ----------
        location : Location
            The object.
        most_bytes : int, default 0
            Read no more than this; 0: all of it.
        """
        from minio.error import S3Error

        def fetch() -> Content | None:
            try:
                answer = self._client.get_object(location.bucket, location.key)
            except S3Error as err:
                if err.code == "NoSuchKey":
                    return None
                raise
            with contextlib.closing(answer):
                data = answer.read(most_bytes) if most_bytes else answer.read()
                return Content(data, answer.headers.get("ETag", "").strip('"'))

        with failures(f"reading {location}", self.endpoint):
            return self._again(fetch)

    def create(self, location: Location, data: bytes) -> bool:
        """Write a small object unless there is one of that key, atomically.

        Returns
        -------
        bool
            False: there is one already, with other content.
        """
        if self._put(location, data, {"If-None-Match": "*"}):
            return True
        # The first of two tries may have come through without its answer.
        there = self.read(location)
        return there is not None and there.data == data

    def replace(self, location: Location, data: bytes, etag: str) -> bool:
        """Write a small object if it is still what was read, atomically.

        Parameters
        ----------
        location : Location
            The object.
        data : bytes
            New content. Content that nobody else writes lets a lost answer be recognised.
        etag : str
            Tag of what was read; empty: there was none.

        Returns
        -------
        bool
            False: somebody else wrote it meanwhile.
        """
        if not etag:
            return self.create(location, data)
        if self._put(location, data, {"If-Match": f'"{etag}"'}):
            return True
        there = self.read(location)
        return there is not None and there.data == data

    def write(self, location: Location, data: bytes) -> None:
        """Write a small object, which is replaced if it is there."""
        with failures(f"writing {location}", self.endpoint):
            self._client.put_object(location.bucket, location.key, io.BytesIO(data), len(data))

    def remove(self, location: Location) -> None:
        """Remove an object, if it is there."""
        with failures(f"removing {location}", self.endpoint):
            self._client.remove_object(location.bucket, location.key)

    def check_bucket(self, bucket: str) -> None:
        """Raise `StoreError` unless the store answers, the keys are good and the bucket exists."""
        next(self.list(Location(bucket)), None)

    def _put(self, location: Location, data: bytes, condition: dict[str, str]) -> bool:
        """Write on a condition; return whether it held.

        `minio` has no way to send the header, but signs an address that takes it.
        """
        what = f"writing {location}"
        with failures(what, self.endpoint):
            for _ in range(ATTEMPTS):
                url = self._client.get_presigned_url(
                    "PUT", location.bucket, location.key, expires=timedelta(minutes=15)
                )
                answer = self._http.urlopen("PUT", url, body=data, headers=dict(condition))
                # 409: two such writes met, and this one shall be sent again.
                if answer.status != 409:
                    break
        if answer.status in (200, 204):
            return True
        # If-Match of an object that is gone: 404 with its key, not with its bucket.
        if answer.status == 412 or (answer.status == 404 and b"NoSuchKey" in answer.data):
            return False
        raise refused(what, self.endpoint, answer.status, answer.data)

    def _fetch(self, location: Location, file: Any, etag: str) -> None:
        """Write an object to an open file, from its beginning."""
        file.seek(0)
        file.truncate()
        condition = {"If-Match": f'"{etag}"'} if etag else None
        with failures(f"reading {location}", self.endpoint):
            answer = self._client.get_object(
                location.bucket, location.key, request_headers=condition
            )
            with contextlib.closing(answer):
                for chunk in answer.stream(CHUNK_BYTES):
                    file.write(chunk)
                answer.release_conn()

    def _again(self, read: Callable[[], Result]) -> Result:
        """Read again when a connection breaks in the middle, which no retry of urllib3 covers."""
        from urllib3.exceptions import ProtocolError, ReadTimeoutError

        for attempt in range(ATTEMPTS):
            try:
                return read()
            except (StoreError, ProtocolError, ReadTimeoutError) as err:
                cause = err.__cause__ if isinstance(err, StoreError) else err
                if attempt == ATTEMPTS - 1 or not isinstance(
                    cause, ProtocolError | ReadTimeoutError
                ):
                    raise
        raise AssertionError("unreachable")


def _each(work: Callable[[Any], None], items: "list[Any]") -> None:
    """Do the work for all items, several at a time; the first error ends it."""
    with ThreadPoolExecutor(THREADS) as pool:
        futures = [pool.submit(work, item) for item in items]
        try:
            for future in futures:
                future.result()
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _entry(location: Location, found: Any) -> Entry:
    """Return what the client says of an object."""
    modified = found.last_modified.timestamp() if found.last_modified else 0.0
    return Entry(location, int(found.size or 0), str(found.etag), modified)
