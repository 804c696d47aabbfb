"""The Kubernetes API, as far as a run needs it: plain values, and one clear error."""

import json
from typing import Any

from regatta.cluster.reasons import explain
from regatta.cluster.workflow import Workflow
from regatta.deployment.kube import api_client
from regatta.errors import ClusterError

__all__ = ["Kubernetes", "KubernetesError"]

WORKFLOWS = "/apis/argoproj.io/v1alpha1/namespaces/{namespace}/workflows"
TIMEOUT = (3.05, 10)
LOG_LINES = 200


class KubernetesError(ClusterError):
    """Kubernetes refused a request or did not answer.

    Attributes
    ----------
    status : int
        The HTTP status; 0 where there was no answer.
    """

    status = 0


class Kubernetes:
    """A connection to the API server.

    Parameters
    ----------
    client : kubernetes.client.ApiClient
        Knows address and credentials.
    namespace : str
        Namespace that the credentials' configuration names.
    """

    def __init__(self, client: Any, namespace: str = "default") -> None:
        self._client = client
        self.namespace = namespace

    @classmethod
    def connect(cls, context: str | None = None) -> "Kubernetes | None":
        """Connect as a pod does, else by the kubeconfig; None if there is neither.

        Parameters
        ----------
        context : str, optional
            Context of the kubeconfig; ``None`` for the current one.
        """
        client = api_client(context)
        return cls(client, _pod_namespace() or _active_namespace()) if client else None

    def get(self, path: str, **query: Any) -> Any:
        """Return what is at a path, as plain values.

        Raises
        ------
        KubernetesError
            It is not there, not allowed, or there is no answer.
        """
        return self._ask("GET", path, query)

    def post(self, path: str, body: Any) -> Any:
        """Send plain values, and return the answer.

        Raises
        ------
        KubernetesError
            It is not allowed, or there is no answer.
        """
        return self._ask("POST", path, {}, body)

    def workflow(self, namespace: str, name: str) -> Workflow:
        """Return a run's workflow."""
        return Workflow.read(self.get(f"{WORKFLOWS.format(namespace=namespace)}/{name}"))

    def workflow_of_run(self, namespace: str, run_id: str) -> Workflow | None:
        """Return the workflow of a run of Kubeflow Pipelines; None if it is gone."""
        found = self.get(
            WORKFLOWS.format(namespace=namespace), labelSelector=f"pipeline/runid={run_id}"
        )
        items = found.get("items") or []
        return Workflow.read(items[0]) if items else None

    def pods(self, namespace: str, workflow: str) -> list[dict[str, Any]]:
        """Return the pods of a workflow."""
        selector = f"workflows.argoproj.io/workflow={workflow}"
        found = self.get(f"/api/v1/namespaces/{namespace}/pods", labelSelector=selector)
        return list(found.get("items") or [])

    def log(self, namespace: str, pod: str) -> str:
        """Return the end of the log of a task's pod; empty if it cannot be had."""
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}/log"
        try:
            text = self._ask("GET", path, {"container": "main", "tailLines": LOG_LINES}, raw=True)
        except KubernetesError:
            return ""
        return str(text)

    def events(self, namespace: str, pod: str) -> list[str]:
        """Return what Kubernetes warns of for a pod, such as a volume that cannot be mounted."""
        found = self.get(
            f"/api/v1/namespaces/{namespace}/events", fieldSelector=f"involvedObject.name={pod}"
        )
        items = [item for item in found.get("items") or [] if item.get("type") == "Warning"]
        return [f"{item.get('reason', '')}: {item.get('message', '')}" for item in items]

    def explain(self, workflow: Workflow) -> Any:
        """Return why a run failed or hangs, from its pods and their logs; None if nothing did."""
        namespace = workflow.namespace or self.namespace
        pods = self.pods(namespace, workflow.name)
        logs = {step.pod: self.log(namespace, step.pod) for step in list(workflow.failures())[:1]}
        return explain(workflow, logs, pods)

    def _ask(
        self, verb: str, path: str, query: dict[str, Any], body: Any = None, *, raw: bool = False
    ) -> Any:
        """Send one request."""
        from kubernetes.client.exceptions import ApiException
        from urllib3.exceptions import HTTPError

        try:
            answer = self._client.call_api(
                path,
                verb,
                query_params=list(query.items()),
                header_params={"Accept": "application/json, */*"},
                body=body,
                auth_settings=["BearerToken"],
                _preload_content=False,
                _return_http_data_only=True,
                _request_timeout=TIMEOUT,
            )
            data = answer.data.decode("utf-8", "replace")
        except ApiException as err:
            raise _refused(verb, path, err) from err
        except (HTTPError, OSError) as err:
            raise KubernetesError(
                f"Kubernetes does not answer at {self._client.configuration.host} "
                f"({type(err).__name__})",
                fix="start the cluster, or point KUBECONFIG at one that runs",
            ) from err
        if raw:
            return data
        try:
            return json.loads(data)
        except ValueError as err:
            raise KubernetesError(
                f"{self._client.configuration.host} is no Kubernetes",
                expected="JSON",
                fix="point KUBECONFIG at a cluster",
            ) from err


def _refused(verb: str, path: str, err: Any) -> KubernetesError:
    """Return the error for an answer that is none of success."""
    try:
        message = str(json.loads(err.body).get("message", ""))
    except (ValueError, TypeError, AttributeError):
        message = str(err.reason)
    fixes = {
        401: "log in again: the token of the kubeconfig is no longer good",
        403: "ask for the right; manifests/ holds the roles that Regatta needs",
        404: "check namespace and name, and whether its project is installed",
    }
    error = KubernetesError(
        f"Kubernetes refused {verb} {path} ({err.status}: {message})",
        fix=fixes.get(int(err.status or 0), "regatta doctor --cluster looks at the cluster"),
    )
    error.status = int(err.status or 0)
    return error


def _pod_namespace() -> str:
    """Return the namespace of the pod that this process runs in."""
    try:
        path = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"
        with open(path, encoding="utf-8") as file:
            return file.read().strip()
    except OSError:
        return ""


def _active_namespace() -> str:
    """Return the namespace of the kubeconfig's current context."""
    from kubernetes import config

    try:
        _, active = config.list_kube_config_contexts()
    except (config.ConfigException, OSError):
        return "default"
    return str(active.get("context", {}).get("namespace") or "default")
