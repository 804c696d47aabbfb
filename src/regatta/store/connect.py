"""The connection that the environment describes, with the variables that S3 tools share."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from regatta.errors import UsageError
from regatta.store.store import Store

__all__ = ["PATIENCE_SECONDS", "connect", "has_endpoint", "has_keys"]

PATIENCE_SECONDS = 75.0
"""A store may restart: so long its silence is waited out."""

CONNECT_SECONDS = 10.0
READ_SECONDS = 60.0
AWS = "s3.amazonaws.com"
ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "S3_ENDPOINT")
ROLES = (
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)


def connect(
    environment: Mapping[str, str] | None = None,
    *,
    patience_seconds: float = PATIENCE_SECONDS,
    answer_seconds: float = READ_SECONDS,
) -> Store:
    """Connect to the object store that the environment names; nothing is sent yet.

    Parameters
    ----------
    environment : mapping, optional
        Variables; those of the process by default. ``AWS_ENDPOINT_URL_S3``, ``AWS_ENDPOINT_URL``
        or ``S3_ENDPOINT``: address of the store, with or without ``http://``; without one it is
        that of AWS. ``S3_USE_HTTPS`` (0 or 1, default 1) where the address does not say it,
        ``S3_VERIFY_SSL`` (0 or 1, default 1), ``AWS_CA_BUNDLE`` or ``SSL_CERT_FILE``: file of
        certificates. ``AWS_ACCESS_KEY_ID``, ``AWS_SECRET_ACCESS_KEY``, ``AWS_SESSION_TOKEN``,
        ``AWS_REGION`` or ``AWS_DEFAULT_REGION``. Without keys: web identity (IRSA), container
        credentials, the AWS credentials file, the instance's role at AWS; else anonymous.
    patience_seconds : float, default 75
        How long a store that does not answer, or answers that it cannot serve now, is asked again;
        0: not at all.
    answer_seconds : float, default 60
        How long one request may wait for the store to say anything.

    Returns
    -------
    Store
        The connection.

    Raises
    ------
    UsageError
        The address is none, or one key is set and the other is not.
    """
    import minio
    import urllib3

    env = os.environ if environment is None else environment
    host, secure = _endpoint(env)
    verify = _flag(env, "S3_VERIFY_SSL")
    bundle = env.get("AWS_CA_BUNDLE") or env.get("SSL_CERT_FILE")
    if not bundle:
        import certifi

        bundle = certifi.where()
    http = urllib3.PoolManager(
        timeout=urllib3.Timeout(connect=min(CONNECT_SECONDS, answer_seconds), read=answer_seconds),
        maxsize=16,
        retries=_retries(patience_seconds),
        cert_reqs="CERT_REQUIRED" if verify else "CERT_NONE",
        ca_certs=bundle,
    )
    region = env.get("AWS_REGION") or env.get("AWS_DEFAULT_REGION") or None
    client = minio.Minio(
        host,
        secure=secure,
        # Asking a store for the region of a bucket needs one more right.
        region=region or (None if host == AWS else "us-east-1"),
        http_client=http,
        credentials=_credentials(env, host),
    )
    return Store(client, http, f"{'https' if secure else 'http'}://{host}")


def has_endpoint(env: Mapping[str, str]) -> bool:
    """Return whether the environment gives the address of a store."""
    return any(env.get(name) for name in ENDPOINTS)


def has_keys(env: Mapping[str, str]) -> bool:
    """Return whether the environment gives keys; the role of a machine at AWS is not asked for."""
    named = any(env.get(name) for name in ("AWS_ACCESS_KEY_ID", *ROLES))
    return named or _credentials_file(env).is_file()


def _credentials_file(env: Mapping[str, str]) -> Path:
    """Return where the AWS tools keep keys."""
    return Path(env.get("AWS_SHARED_CREDENTIALS_FILE") or "~/.aws/credentials").expanduser()


def _endpoint(env: Mapping[str, str]) -> tuple[str, bool]:
    """Return host and port of the store, and whether it speaks TLS."""
    variable = next((name for name in ENDPOINTS if env.get(name)), "")
    if not variable:
        return AWS, True
    text = env[variable].strip()
    secure = _flag(env, "S3_USE_HTTPS")
    url = text if "://" in text else f"{'https' if secure else 'http'}://{text}"
    try:
        parts = urlsplit(url)
        is_valid = parts.scheme in ("http", "https") and bool(parts.hostname)
        is_valid = is_valid and parts.path in ("", "/") and not parts.query and "@" not in url
        # An invalid port raises when it is looked at.
        is_valid = is_valid and parts.port != 0
    except ValueError:
        is_valid = False
    if not is_valid:
        raise UsageError(
            f"{variable} is {text!r}",
            expected="an address like https://minio.example.com:9000",
            fix=f"correct {variable}",
        )
    return parts.netloc, parts.scheme == "https"


def _flag(env: Mapping[str, str], name: str) -> bool:
    return env.get(name, "").strip().lower() not in ("0", "false", "no")


def _retries(patience_seconds: float) -> Any:
    """Return retries whose pauses (0, 1, 2, 4, 8, 10, 10 ... seconds) last so long."""
    import urllib3

    total, waited = int(patience_seconds > 0), 0.0
    while waited < patience_seconds:
        waited += min(10.0, 0.5 * 2**total)
        total += 1
    return urllib3.Retry(
        total=total,
        backoff_factor=0.5,
        backoff_max=10,
        status_forcelist=(500, 502, 503, 504),
        # Nothing here is more than a put of the same content again.
        allowed_methods=None,
        raise_on_status=False,
        # MinIO asks for two minutes when it has only just started.
        respect_retry_after_header=False,
    )


def _credentials(env: Mapping[str, str], host: str) -> Any:
    """Return where the keys come from; None is anonymous."""
    from minio import credentials

    key, secret = env.get("AWS_ACCESS_KEY_ID", ""), env.get("AWS_SECRET_ACCESS_KEY", "")
    if bool(key) != bool(secret):
        found = "AWS_ACCESS_KEY_ID" if key else "AWS_SECRET_ACCESS_KEY"
        raise UsageError(
            f"{found} is set without its other half",
            expected="AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
            fix="set both, or neither",
        )
    if key:
        return credentials.StaticProvider(key, secret, env.get("AWS_SESSION_TOKEN") or None)
    if any(env.get(name) for name in ROLES):
        return credentials.IamAwsProvider()
    if _credentials_file(env).is_file():
        return credentials.AWSConfigProvider(profile=env.get("AWS_PROFILE") or None)
    if host != AWS or env.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true":
        return None
    return _instance_role()


def _instance_role() -> Any:
    """Return the role of the machine at AWS, if this is one."""
    import urllib3
    from minio import credentials
    from minio.error import MinioException

    client = urllib3.PoolManager(timeout=1.0, retries=False)
    provider = credentials.IamAwsProvider(http_client=client)
    try:
        provider.retrieve()
    except (urllib3.exceptions.HTTPError, MinioException, ValueError, KeyError):
        return None
    return provider
