"""Everything that can go wrong with a store, as one error that says what to do."""

import contextlib
import re
from collections.abc import Iterator
from typing import Any

from regatta.errors import StoreError

__all__ = ["failures", "refused"]

_KEYS = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
_REASONS: dict[str, tuple[str, str, str]] = {
    "NoSuchBucket": (
        "the bucket does not exist",
        "a bucket that was made before",
        "make the bucket, or correct the URI or the endpoint",
    ),
    "NoSuchKey": ("there is no such object", "an object of that key", "check the key"),
    "PreconditionFailed": (
        "the object has changed since it was looked at",
        "the content that was there before",
        "run again, when nobody writes it",
    ),
    "AccessDenied": (
        "access is denied",
        "keys that may read and write there",
        f"check the name of the bucket, {_KEYS}, and the policy of their user",
    ),
    "InvalidAccessKeyId": (
        "the store does not know the access key",
        "a key of this store",
        "check AWS_ACCESS_KEY_ID and the endpoint",
    ),
    "SignatureDoesNotMatch": (
        "the secret key is wrong",
        "the secret that belongs to the access key",
        f"check AWS_SECRET_ACCESS_KEY: {_KEYS} are a pair",
    ),
    "ExpiredToken": (
        "the session token has expired",
        "a token that is valid",
        "get a new one and set AWS_SESSION_TOKEN",
    ),
    "InvalidTokenId": (
        "the session token is not valid",
        "a token of this store",
        "get a new one, or unset AWS_SESSION_TOKEN",
    ),
    "RequestTimeTooSkewed": (
        "the clocks differ",
        "a clock that is right to a few minutes",
        "set the clock of this machine or of the store",
    ),
    "AuthorizationHeaderMalformed": (
        "the region is another",
        "the region of the bucket",
        "set AWS_REGION",
    ),
    "PermanentRedirect": (
        "the bucket is in another region",
        "the region of the bucket",
        "set AWS_REGION",
    ),
    "XMinioStorageFull": ("the store is full", "free space", "make room in the store"),
    "QuotaExceeded": ("the quota of the bucket is used up", "free space", "raise the quota"),
}
_REASONS["ExpiredTokenException"] = _REASONS["ExpiredToken"]
_REASONS["InvalidToken"] = _REASONS["InvalidTokenId"]
_REASONS["XMinioAdminBucketQuotaExceeded"] = _REASONS["QuotaExceeded"]


@contextlib.contextmanager
def failures(what: str, endpoint: str) -> Iterator[None]:
    """Turn what `minio` and `urllib3` raise into `StoreError`.

    Parameters
    ----------
    what : str
        What is done, as in ``reading s3://models/x``.
    endpoint : str
        Address of the store.
    """
    from xml.etree.ElementTree import ParseError

    from minio.error import InvalidResponseError, MinioException, S3Error
    from urllib3.exceptions import HTTPError

    try:
        yield
    except S3Error as err:
        raise _refused(what, endpoint, str(err.code), str(err.message or "")) from err
    except (InvalidResponseError, ParseError) as err:
        raise _unlike_s3(what, endpoint, str(err)) from err
    except MinioException as err:
        raise _busy(what, endpoint, str(err)) from err
    except HTTPError as err:
        raise _silent(what, endpoint, err) from err
    except ValueError as err:
        if str(err).startswith("XML element"):
            raise _unlike_s3(what, endpoint, str(err)) from err
        # minio's own checks of names and credentials.
        raise StoreError(
            f"{what} failed: {err}",
            expected="names and keys that S3 allows",
            fix="check the URI and the keys",
        ) from err


def refused(what: str, endpoint: str, status: int, body: bytes) -> StoreError:
    """Return the error for an answer that was not read by `minio`."""
    text = body[:4000].decode("utf-8", "replace")
    code = re.search(r"<Code>([^<]+)</Code>", text)
    if code:
        message = re.search(r"<Message>([^<]+)</Message>", text)
        return _refused(what, endpoint, code[1], message[1] if message else "")
    if status >= 500:
        return _busy(what, endpoint, f"status {status}")
    return _unlike_s3(what, endpoint, f"status {status}: {text[:200]}")


def _refused(what: str, endpoint: str, code: str, message: str) -> StoreError:
    if code in ("SlowDown", "ServiceUnavailable", "InternalError", "XMinioServerNotInitialized"):
        return _busy(what, endpoint, message or code)
    found, expected, fix = _REASONS.get(
        code, (f"{code}: {message}", "an answer without an error", "see the log of the store")
    )
    return StoreError(f"{what} at {endpoint} failed: {found}", expected=expected, fix=fix)


def _busy(what: str, endpoint: str, message: str) -> StoreError:
    return StoreError(
        f"{what} at {endpoint} failed: the store cannot serve now ({message})",
        expected="a store that is up",
        fix="see the log of the store, and try again",
    )


def _unlike_s3(what: str, endpoint: str, message: str) -> StoreError:
    return StoreError(
        f"{what} at {endpoint} failed: the answer is not one of S3 ({message[:300]})",
        expected="the S3 API, which for MinIO is not the port of its console",
        fix="check AWS_ENDPOINT_URL",
    )


def _silent(what: str, endpoint: str, err: Any) -> StoreError:
    from urllib3.exceptions import NameResolutionError, NewConnectionError, SSLError, TimeoutError

    reason = getattr(err, "reason", None) or err
    if isinstance(reason, SSLError):
        found, fix = (
            f"TLS failed ({reason})",
            "use http:// in AWS_ENDPOINT_URL for a store without TLS, "
            "or name its certificate in AWS_CA_BUNDLE",
        )
    elif isinstance(reason, NameResolutionError):
        found, fix = "nobody knows the host", "correct AWS_ENDPOINT_URL"
    elif isinstance(reason, TimeoutError) and not isinstance(reason, NewConnectionError):
        found, fix = (
            "no answer in time",
            "check AWS_ENDPOINT_URL, the network policies and the store",
        )
    else:
        found, fix = (
            f"no connection ({type(reason).__name__})",
            "start the store, or correct AWS_ENDPOINT_URL and the network policies",
        )
    return StoreError(
        f"{what} at {endpoint} failed: {found}", expected="a store that answers", fix=fix
    )
