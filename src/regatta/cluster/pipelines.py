"""The API of Kubeflow Pipelines, as far as a run needs it."""

import json
from typing import Any
from urllib.parse import quote

from regatta.cluster.connection import Connection
from regatta.cluster.reasons import explain
from regatta.cluster.workflow import Workflow
from regatta.errors import ClusterError, RegattaError, UsageError

__all__ = ["Pipelines", "PipelinesError"]

V2 = "/apis/v2beta1"
CONNECT_SECONDS = 10.0
READ_SECONDS = 60.0
PAGE = 100
LOG_BYTES = 400_000
DESCRIPTIONS = {
    "regatta-train": "From a table and a target column to a prediction service.",
    "regatta-monitor": "Served rows against those of training: drift, score, retrain or not.",
}


class PipelinesError(ClusterError):
    """Kubeflow Pipelines refused a request or did not answer.

    Attributes
    ----------
    status : int
        The HTTP status; 0 where there was no answer.
    """

    status = 0


class Pipelines:
    """A connection to Kubeflow Pipelines 2.17.

    Parameters
    ----------
    connection : Connection
        Where it is, and who asks.
    """

    def __init__(self, connection: Connection) -> None:
        import httpx

        self.connection = connection
        self._http = httpx.Client(
            base_url=connection.host,
            headers=connection.headers,
            verify=connection.trust,
            timeout=httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS),
        )

    def __enter__(self) -> "Pipelines":
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def health(self) -> dict[str, Any]:
        """Return what the server says of itself."""
        return self._json("GET", f"{V2}/healthz")

    def may_list(self) -> None:
        """Ask for one experiment, which needs a token and a right in the namespace.

        Raises
        ------
        ClusterError
            It is refused.
        """
        query = {"namespace": self.connection.namespace, "page_size": "1"}
        self._json("GET", f"{V2}/experiments", params=query)

    def pipeline(self, name: str) -> str:
        """Return the identity of the pipeline of a name, which is made if there is none."""
        query = {"namespace": self.connection.namespace}
        try:
            return str(
                self._json("GET", f"{V2}/pipelines/names/{quote(name)}", params=query)[
                    "pipeline_id"
                ]
            )
        except PipelinesError as err:
            if err.status != 404:
                raise
        body = {
            "display_name": name,
            "name": name,
            "namespace": self.connection.namespace,
            "description": DESCRIPTIONS.get(name, ""),
        }
        return str(self._json("POST", f"{V2}/pipelines", json=body)["pipeline_id"])

    def version(self, pipeline: str, name: str, content: bytes) -> tuple[str, bool]:
        """Return the version of a name, which is uploaded if there is none.

        Parameters
        ----------
        pipeline : str
            Identity of the pipeline.
        name : str
            Name of the version, which stands for its content.
        content : bytes
            The compiled pipeline.

        Returns
        -------
        str
            Identity of the version.
        bool
            Whether it was there.
        """
        for version in self._pages(f"{V2}/pipelines/{pipeline}/versions", "pipeline_versions"):
            if name in (version.get("name"), version.get("display_name")):
                return str(version["pipeline_version_id"]), True
        made = self._json(
            "POST",
            f"{V2}/pipelines/upload_version",
            params={"name": name, "pipelineid": pipeline},
            files={"uploadfile": ("pipeline.yaml", content, "application/x-yaml")},
        )
        return str(made["pipeline_version_id"]), False

    def experiment(self, name: str) -> str:
        """Return the identity of the experiment of a name, which is made if there is none."""
        query = {"namespace": self.connection.namespace}
        for found in self._pages(f"{V2}/experiments", "experiments", **query):
            if found.get("display_name") == name:
                return str(found["experiment_id"])
        body = {"display_name": name, "namespace": self.connection.namespace}
        return str(self._json("POST", f"{V2}/experiments", json=body)["experiment_id"])

    def start(
        self, name: str, experiment: str, pipeline: str, version: str, arguments: dict[str, Any]
    ) -> str:
        """Start a run, and return its identity.

        Raises
        ------
        UsageError
            The server refuses the arguments.
        """
        body = _body(name, experiment, pipeline, version, arguments)
        return str(self._accepted(f"{V2}/runs", body, "run")["run_id"])

    def schedule(
        self,
        name: str,
        experiment: str,
        pipeline: str,
        version: str,
        arguments: dict[str, Any],
        trigger: dict[str, Any],
    ) -> str:
        """Make a recurring run, and return its identity.

        Parameters
        ----------
        name : str
            Its name, which need not be the only one.
        experiment, pipeline, version : str
            Identities.
        arguments : dict
            Arguments of each run.
        trigger : dict
            When runs start: `regatta.cluster.schedule`.

        Raises
        ------
        UsageError
            The server refuses the trigger or the arguments.
        """
        body = {
            **_body(name, experiment, pipeline, version, arguments),
            "trigger": trigger,
            # A run that takes longer than the time between two is not overtaken, and what fell
            # due while the cluster was away is not made up for.
            "max_concurrency": 1,
            "no_catchup": True,
            "mode": "ENABLE",
        }
        made = self._accepted(f"{V2}/recurringruns", body, "recurring run")
        return str(made["recurring_run_id"])

    def schedules(self, name: str, experiment: str, pipeline: str) -> list[str]:
        """Return the recurring runs of a name, of one pipeline in one experiment.

        Parameters
        ----------
        name : str
            Name of the recurring run.
        experiment, pipeline : str
            Identities.
        """
        found = []
        path, query = f"{V2}/recurringruns", {"experiment_id": experiment}
        for one in self._pages(path, "recurringRuns", **query):
            reference = one.get("pipeline_version_reference") or {}
            if one.get("display_name") == name and reference.get("pipeline_id") == pipeline:
                found.append(str(one["recurring_run_id"]))
        return found

    def unschedule(self, identity: str) -> None:
        """Delete a recurring run; one that is gone already is no error."""
        try:
            self._json("DELETE", f"{V2}/recurringruns/{identity}")
        except PipelinesError as err:
            if err.status != 404:
                raise

    def state(self, run: str) -> str:
        """Return the state of a run, such as ``RUNNING``."""
        return str(self._json("GET", f"{V2}/runs/{run}").get("state", ""))

    def end(self, run: str) -> None:
        """End a run."""
        self._json("POST", f"{V2}/runs/{run}:terminate")

    def workflow(self, run: str) -> Workflow:
        """Return a run as Argo keeps it.

        The API of version 2 leaves out why a pod waits or has failed; version 1 has it all.
        """
        values = self._json("GET", f"/apis/v1beta1/runs/{run}")
        text = (values.get("pipeline_runtime") or {}).get("workflow_manifest") or "{}"
        try:
            return Workflow.read(json.loads(text))
        except ValueError:
            return Workflow.read({})

    def log(self, run: str, pod: str) -> str:
        """Return the log of a task's pod so far; empty if it cannot be had."""
        path = f"/apis/v1alpha1/runs/{run}/nodes/{pod}/log"
        try:
            text = str(self._ask("GET", path).text)
        except PipelinesError:
            return ""
        # The server finds out that there is none after it has said 200.
        return "" if '{"error_message":' in text[-LOG_BYTES:] else text[-LOG_BYTES:]

    def explain(self, run: str, workflow: Workflow) -> Any:
        """Return why a run failed or hangs; None if it does not."""
        failed = list(workflow.failures())[:1]
        return explain(workflow, {step.pod: self.log(run, step.pod) for step in failed})

    def _accepted(self, path: str, body: dict[str, Any], kind: str) -> dict[str, Any]:
        """Send what the user chose; a refusal of it is theirs to correct."""
        try:
            return self._json("POST", path, json=body)
        except PipelinesError as err:
            if err.status != 400:
                raise
            raise UsageError(
                f"Kubeflow Pipelines refuses the {kind}: {err.found}",
                fix="correct the option that it names",
            ) from err

    def _pages(self, path: str, key: str, **query: str) -> Any:
        """Yield the entries of a list, the newest first, page by page."""
        query = {**query, "page_size": str(PAGE), "sort_by": "created_at desc"}
        while True:
            page = self._json("GET", path, params=query)
            yield from page.get(key) or ()
            query["page_token"] = page.get("next_page_token") or ""
            if not query["page_token"]:
                return

    def _json(self, verb: str, path: str, **given: Any) -> dict[str, Any]:
        """Send one request, and return the values of the answer."""
        answer = self._ask(verb, path, **given)
        try:
            values = answer.json()
        except ValueError:
            values = None
        if not isinstance(values, dict):
            raise PipelinesError(
                f"{self.connection.host} answers, and not as Kubeflow Pipelines does",
                expected="JSON",
                fix="check --host; a sign-in page in between needs --token",
            )
        return values

    def _ask(self, verb: str, path: str, **given: Any) -> Any:
        """Send one request."""
        import httpx

        try:
            answer = self._http.request(verb, path, **given)
        except httpx.TimeoutException as err:
            raise self._silent("no answer in time", err) from err
        except (httpx.TransportError, httpx.InvalidURL, UnicodeError) as err:
            raise self._silent(str(err), err) from err
        if answer.is_success:
            return answer
        raise self._refused(answer)

    def _silent(self, why: str, err: Exception) -> RegattaError:
        """Return the error for no answer."""
        return PipelinesError(
            f"Kubeflow Pipelines cannot be reached at {self.connection.host} "
            f"({why or type(err).__name__})",
            fix="check --host; from outside the cluster: "
            "kubectl -n kubeflow port-forward svc/ml-pipeline 8888, --host http://localhost:8888",
        )

    def _refused(self, answer: Any) -> RegattaError:
        """Return the error for an answer that is none of success."""
        status = int(answer.status_code)
        where = self.connection.host
        said = _message(answer)
        known = {
            301: (f"{where} wants a sign-in", "give a token with --token"),
            302: (f"{where} wants a sign-in", "give a token with --token"),
            401: (
                f"{where} does not know the caller: the token is missing or has expired",
                "get a new one, and give it with --token",
            ),
            403: (
                f"the caller has no right in namespace {self.connection.namespace!r}: {said}",
                "ask for the right there, or name another one with --namespace",
            ),
        }
        found, fix = known.get(
            status, (f"Kubeflow Pipelines answers {status}: {said}", "regatta doctor --cluster")
        )
        error = PipelinesError(found, fix=fix)
        error.status = status
        return error


def _body(
    name: str, experiment: str, pipeline: str, version: str, arguments: dict[str, Any]
) -> dict[str, Any]:
    """Return what a run and a recurring run have in common."""
    return {
        "display_name": name,
        "experiment_id": experiment,
        "pipeline_version_reference": {"pipeline_id": pipeline, "pipeline_version_id": version},
        "runtime_config": {"parameters": arguments},
    }


def _message(answer: Any) -> str:
    """Return what the server says is wrong: its last sentence, which is the innermost."""
    try:
        values = answer.json()
        text = str(values.get("message") or values.get("error_message") or values)
    except (ValueError, AttributeError):
        text = answer.text
    line = " ".join(text.split())
    return line if len(line) < 400 else f"…{line[-400:]}"
