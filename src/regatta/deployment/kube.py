"""All that a deployment asks of Kubernetes: seven requests, each with the right that it needs."""

import json
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from regatta.deployment.answers import refused
from regatta.errors import DeployError

__all__ = ["REQUESTS", "Cluster", "Request", "api_client"]

Object = dict[str, Any]

MANAGER = "regatta"
TIMEOUT_SECONDS = 30.0
PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0, 15.0)
LOG_LINES = 30


@dataclass(frozen=True)
class Request:
    """A kind of request.

    Attributes
    ----------
    verb, group, resource : str
        As a Role names them.
    method, path : str
        As HTTP has them.
    """

    verb: str
    group: str
    resource: str
    method: str
    path: str


_SERVICES = "/apis/serving.kserve.io/v1beta1/namespaces/{namespace}/inferenceservices"
_KSERVE = ("serving.kserve.io", "inferenceservices")
REQUESTS = {
    "get": Request("get", *_KSERVE, "GET", f"{_SERVICES}/{{name}}"),
    "create": Request("create", *_KSERVE, "POST", _SERVICES),
    "apply": Request("patch", *_KSERVE, "PATCH", f"{_SERVICES}/{{name}}"),
    "delete": Request("delete", *_KSERVE, "DELETE", f"{_SERVICES}/{{name}}"),
    "deployment": Request(
        "get",
        "apps",
        "deployments",
        "GET",
        "/apis/apps/v1/namespaces/{namespace}/deployments/{name}",
    ),
    "pods": Request("list", "", "pods", "GET", "/api/v1/namespaces/{namespace}/pods"),
    "log": Request("get", "", "pods/log", "GET", "/api/v1/namespaces/{namespace}/pods/{name}/log"),
}
"""Every request that is ever sent. What a Role must allow is exactly this, and ``create`` for the
first server-side apply of a name."""


def api_client(context: str | None = None) -> Any:
    """Connect as a pod does, else by the kubeconfig.

    Parameters
    ----------
    context : str, optional
        Context of the kubeconfig; its current one by default.

    Returns
    -------
    kubernetes.client.ApiClient or None
        None: there is neither.
    """
    from kubernetes import client, config

    settings = client.Configuration()
    try:
        config.load_incluster_config(client_configuration=settings)
    except config.ConfigException:
        try:
            config.load_kube_config(client_configuration=settings, context=context)
        except (config.ConfigException, OSError):
            return None
    # Without this a dead address takes minutes to be noticed.
    settings.retries = False
    return client.ApiClient(settings)


class Cluster:
    """The API of one cluster, in one namespace.

    Parameters
    ----------
    client : kubernetes.client.ApiClient
        Knows address and credentials.
    namespace : str
        Where services are.
    """

    def __init__(self, client: Any, namespace: str) -> None:
        self._client, self.namespace = client, namespace

    @classmethod
    def find(cls, namespace: str, context: str | None = None) -> "Cluster | None":
        """Connect as a pod does, else by the kubeconfig; None if there is neither.

        Parameters
        ----------
        namespace : str
            Where services are.
        context : str, optional
            Context of the kubeconfig; its current one by default.
        """
        found = api_client(context)
        return cls(found, namespace) if found else None

    @classmethod
    def connect(cls, namespace: str, context: str | None = None) -> "Cluster":
        """Connect as `find` does.

        Raises
        ------
        DeployError
            There is neither a service account nor a kubeconfig.
        """
        found = cls.find(namespace, context)
        if found is None:
            raise DeployError(
                "there is no connection to a cluster",
                expected="a pod with a service account, or a kubeconfig",
                fix="set KUBECONFIG, or choose another deploy.target",
            )
        return found

    def get(self, name: str) -> Object | None:
        """Return an InferenceService, or None."""
        return self._found(self._ask("get", name))

    def create(self, body: Object) -> Object | None:
        """Create an InferenceService; None: there is one of that name."""
        status, answer = self._ask("create", "", body, {"fieldManager": MANAGER})
        return None if status == 409 else self._checked("create", status, answer)

    def apply(self, body: Object) -> Object | None:
        """Create or change an InferenceService by server-side apply.

        Returns
        -------
        dict or None
            None: ``metadata.resourceVersion`` is in the body and is not the newest.
        """
        query = {"fieldManager": MANAGER, "force": "true"}
        status, answer = self._ask("apply", body["metadata"]["name"], body, query)
        return None if status == 409 else self._checked("apply", status, answer)

    def delete(self, name: str, uid: str) -> None:
        """Delete an InferenceService, if it is still the one of that uid."""
        body = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            # The name is free when its Deployment is gone as well.
            "propagationPolicy": "Foreground",
            "preconditions": {"uid": uid},
        }
        status, answer = self._ask("delete", name, body)
        if status not in (404, 409):
            self._checked("delete", status, answer)

    def deployment(self, name: str) -> Object | None:
        """Return the Deployment that KServe made for an InferenceService, or None."""
        return self._found(self._ask("deployment", f"{name}-predictor"), "deployment")

    def pods(self, name: str) -> list[Object]:
        """Return the pods of an InferenceService."""
        query = {"labelSelector": f"serving.kserve.io/inferenceservice={name}"}
        status, answer = self._ask("pods", "", None, query)
        return list(self._checked("pods", status, answer).get("items") or [])

    def log(self, pod: str, container: str, *, previous: bool = False) -> str:
        """Return the last lines of a container's log; empty if they cannot be had."""
        query = {"container": container, "tailLines": str(LOG_LINES)}
        if previous:
            query["previous"] = "true"
        status, answer = self._ask("log", pod, None, query)
        return answer.decode("utf-8", "replace") if status == 200 else ""

    def _found(self, answered: tuple[int, bytes], request: str = "get") -> Object | None:
        """Return an object that may be missing; a missing kind of object is an error."""
        status, answer = answered
        if status == 404 and b'"details"' in answer and b'"kind"' in answer:
            return None
        return self._checked(request, status, answer)

    def _checked(self, request: str, status: int, answer: bytes) -> Object:
        if status not in (200, 201, 202):
            raise refused(REQUESTS[request], self.namespace, status, answer)
        return dict(json.loads(answer))

    def _ask(
        self, request: str, name: str, body: Object | None = None, query: Object | None = None
    ) -> tuple[int, bytes]:
        """Send a request; again when the API server is away, busy, or its webhooks are."""
        wanted = REQUESTS[request]
        for pause in (*PAUSES, None):
            try:
                status, answer = self._send(wanted, name, body, query)
            except DeployError:
                if pause is None:
                    raise
            else:
                busy = status == 429 or status >= 500
                if pause is None or not busy:
                    return status, answer
            time.sleep(pause)
        raise AssertionError("unreachable")

    def _send(
        self, wanted: Request, name: str, body: Object | None, query: Object | None
    ) -> tuple[int, bytes]:
        from urllib3.exceptions import HTTPError

        place = wanted.path.format(namespace=self.namespace, name=name)
        text = f"?{urlencode(query)}" if query else ""
        kind = "apply-patch+yaml" if wanted.method == "PATCH" else "json"
        headers = {"Accept": "application/json, */*", "Content-Type": f"application/{kind}"}
        # Reads a token of the pod again when it is renewed.
        self._client.update_params_for_auth(headers, [], ["BearerToken"])
        url = f"{self._client.configuration.host}{place}{text}"
        try:
            answer = self._client.rest_client.pool_manager.request(
                wanted.method,
                url,
                body=json.dumps(body) if body is not None else None,
                headers=headers,
                timeout=TIMEOUT_SECONDS,
                retries=False,
            )
        except (HTTPError, OSError) as err:
            raise DeployError(
                f"Kubernetes does not answer at {self._client.configuration.host} "
                f"({type(err).__name__}: {err})",
                expected="a cluster that can be reached",
                fix="check KUBECONFIG, the network and the cluster",
            ) from err
        return answer.status, answer.data
