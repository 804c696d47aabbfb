"""Where something lies in an object store: ``s3://bucket/key``."""

import re
from dataclasses import dataclass

from regatta.errors import UsageError

__all__ = ["Location", "is_location"]

_SCHEME = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*)://")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_KEY_BYTES = 1024


def is_location(text: object) -> bool:
    """Return whether a text names a place in a store rather than on this machine.

    Examples
    --------
    >>> is_location("s3://models/churn"), is_location("data/churn.csv")
    (True, False)
    """
    return bool(_SCHEME.match(str(text)))


@dataclass(frozen=True)
class Location:
    """An object, or all objects whose keys begin with this key and a slash.

    Attributes
    ----------
    bucket : str
        Name of the bucket.
    key : str, default ""
        Key without slashes around it; empty for the whole bucket.
    """

    bucket: str
    key: str = ""

    @classmethod
    def parse(cls, uri: str) -> "Location":
        """Read a URI.

        Parameters
        ----------
        uri : str
            ``s3://bucket`` or ``s3://bucket/key``. Nothing is percent-decoded. A slash at the end
            is left out.

        Raises
        ------
        UsageError
            Another scheme, a name that no bucket can have, or a key with an empty part, ``.`` or
            ``..``: such a key would leave the folder that it is downloaded into.

        Examples
        --------
        >>> Location.parse("s3://models/churn/versions/1/")
        Location(bucket='models', key='churn/versions/1')
        """
        found = _SCHEME.match(uri)
        if not found or found[1].lower() != "s3":
            scheme = f"has the scheme {found[1]!r}" if found else "has no scheme"
            raise _refused(uri, scheme)
        bucket, _, key = uri[found.end() :].partition("/")
        if not _BUCKET.fullmatch(bucket) or ".." in bucket:
            raise _refused(uri, f"names the bucket {bucket!r}")
        key = key.removesuffix("/")
        if key and any(part in ("", ".", "..") for part in key.split("/")):
            raise _refused(uri, "has an empty part, '.' or '..' in its key")
        if _CONTROL.search(key):
            raise _refused(uri, "has a control character in its key")
        try:
            size = len(key.encode())
        except UnicodeEncodeError as err:
            raise _refused(uri, "is no UTF-8") from err
        if size > _KEY_BYTES:
            raise _refused(uri, f"has a key of {size} bytes")
        return cls(bucket, key)

    @property
    def uri(self) -> str:
        """The text that `parse` reads."""
        return f"s3://{self.bucket}/{self.key}" if self.key else f"s3://{self.bucket}"

    @property
    def name(self) -> str:
        """Last part of the key, or the bucket."""
        return self.key.rpartition("/")[2] or self.bucket

    def __truediv__(self, part: str) -> "Location":
        return Location.parse(f"{self.uri}/{part}")

    def __str__(self) -> str:
        return self.uri


def _refused(uri: str, what: str) -> UsageError:
    return UsageError(
        f"{uri[:200]!r} {what}",
        expected="a place in an object store like s3://bucket/folder/file, the bucket of 3 to 63 "
        "lower-case letters, digits, dots and hyphens, the key of at most 1024 bytes",
        fix="correct the URI",
    )
