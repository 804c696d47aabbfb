"""Where Kubeflow Pipelines is, who asks, and in which namespace: as its own SDK takes them."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from regatta.errors import ClusterError, UsageError

if TYPE_CHECKING:
    import ssl

__all__ = ["Connection"]

CONTEXT = Path("~/.config/kfp/context.json")
TOKEN_FILE = "/var/run/secrets/kubeflow/pipelines/token"


@dataclass(frozen=True)
class Connection:
    """Address, identity and namespace.

    Attributes
    ----------
    host : str
        Address of the API, without a slash at its end.
    dashboard : str
        Address for links that people open.
    namespace : str
        Namespace of the runs; empty where one installation serves one namespace.
    headers : dict
        What identifies the caller; never shown.
    verify : bool or str
        Whether the server's certificate is checked, or the file to check it by.
    """

    host: str
    dashboard: str
    namespace: str = ""
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    verify: bool | str = True

    @classmethod
    def find(
        cls,
        host: str | None = None,
        token: str | None = None,
        namespace: str | None = None,
        environ: Mapping[str, str] = os.environ,
    ) -> "Connection":
        """Put together options, environment and the SDK's context file.

        Parameters
        ----------
        host : str, optional
            Address of Kubeflow Pipelines; ``None``: ``KF_PIPELINES_ENDPOINT``.
        token : str, optional
            Bearer token; ``None``: the file that ``KF_PIPELINES_SA_TOKEN_PATH`` names, or what
            ``KF_PIPELINES_IAP_OAUTH2_CLIENT_ID`` gives.
        namespace : str, optional
            ``None``: what ``kfp`` keeps in its context file.
        environ : mapping, optional
            The environment.

        Raises
        ------
        UsageError
            No host is named, or it is none.
        """
        address = _address(host or environ.get("KF_PIPELINES_ENDPOINT", ""))
        context = _context()
        headers: dict[str, str] = {}
        if found := token or _token(environ):
            headers["Authorization"] = f"Bearer {found}"
        if cookie := context.get("client_authentication_cookie"):
            headers["Cookie"] = str(cookie)
        name, value = (context.get(f"client_authentication_header_{k}") for k in ("name", "value"))
        if name and value:
            headers[str(name)] = str(value)
        certificates = environ.get("SSL_CERT_FILE") or environ.get("REQUESTS_CA_BUNDLE")
        return cls(
            host=address,
            dashboard=environ.get("KF_PIPELINES_UI_ENDPOINT", "").rstrip("/") or address,
            namespace=namespace if namespace is not None else str(context.get("namespace") or ""),
            headers=headers,
            verify=certificates or True,
        )

    @property
    def trust(self) -> "bool | ssl.SSLContext":
        """What the server's certificate is checked by."""
        if isinstance(self.verify, bool):
            return self.verify
        import ssl

        return ssl.create_default_context(cafile=self.verify)

    def link(self, run_id: str) -> str:
        """Return the address of a run in the dashboard."""
        return f"{self.dashboard}/#/runs/details/{run_id}"

    def schedule_link(self, identity: str) -> str:
        """Return the address of a recurring run in the dashboard."""
        return f"{self.dashboard}/#/recurringrun/details/{identity}"


def _address(host: str) -> str:
    """Return the address of the API."""
    text = host.strip().rstrip("/")
    if not text:
        raise UsageError(
            "no address of Kubeflow Pipelines is named",
            expected="--host URL, or KF_PIPELINES_ENDPOINT in the environment",
            fix="add --host, such as --host http://localhost:8888 after "
            "kubectl -n kubeflow port-forward svc/ml-pipeline 8888",
        )
    if "://" not in text:
        text = f"https://{text}"
    import httpx

    try:
        url = httpx.URL(text)
    except httpx.InvalidURL as err:
        raise _no_address(host, str(err)) from err
    if url.scheme not in ("http", "https") or not url.host:
        raise _no_address(host, f"scheme {url.scheme!r}, host {url.host!r}")
    return text.partition("#")[0].rstrip("/")


def _no_address(host: str, why: str) -> UsageError:
    """Return the error for a text that is no address."""
    return UsageError(
        f"--host {host!r} is no address ({why})",
        expected="something like http://ml-pipeline.kubeflow:8888",
        fix="correct it",
    )


def _token(environ: Mapping[str, str]) -> str:
    """Return the token that the environment gives; empty if it gives none."""
    path = environ.get("KF_PIPELINES_SA_TOKEN_PATH", "")
    for place in (path, TOKEN_FILE):
        if place and Path(place).is_file():
            return Path(place).read_text(encoding="utf-8").strip()
    if path:
        raise ClusterError(
            f"KF_PIPELINES_SA_TOKEN_PATH names {path!r}, which is not there",
            fix="mount the token there, or unset the variable",
        )
    client = environ.get("KF_PIPELINES_IAP_OAUTH2_CLIENT_ID")
    if not client:
        return ""
    from kfp.client import auth

    token, _ = auth.get_auth_token(
        client,
        environ.get("KF_PIPELINES_APP_OAUTH2_CLIENT_ID"),
        environ.get("KF_PIPELINES_APP_OAUTH2_CLIENT_SECRET"),
    )
    return str(token)


def _context() -> dict[str, Any]:
    """Return what ``kfp`` keeps between its calls; empty if there is nothing of use."""
    try:
        values = json.loads(CONTEXT.expanduser().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}
