"""Doubles of Kubeflow Pipelines and Kubernetes: HTTP servers that answer what was recorded."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

RECORDED = Path(__file__).parent / "recorded"


def recorded(name: str) -> Any:
    """Return what a real server answered."""
    text = (RECORDED / name).read_text(encoding="utf-8")
    return json.loads(text) if name.endswith(".json") else text


class Double:
    """Answers by path; keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, dict[str, Any]]] = []
        self.bodies: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self.url = ""

    def answer(self, verb: str, path: str, query: dict[str, str], body: bytes) -> tuple[int, Any]:
        """Return status and body."""
        raise NotImplementedError

    @contextmanager
    def serving(self) -> Iterator["Double"]:
        """Serve on a free port of the loopback address."""
        double = self

        class Handler(BaseHTTPRequestHandler):
            def _any(self) -> None:
                split = urlsplit(self.path)
                query = {key: value[0] for key, value in parse_qs(split.query).items()}
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                path = unquote(split.path)
                double.asked.append((self.command, path, query))
                double.bodies.append(body)
                double.headers.append(dict(self.headers.items()))
                status, values = double.answer(self.command, path, query, body)
                is_text = isinstance(values, str)
                data = values.encode() if is_text else json.dumps(values).encode()
                self.send_response(status)
                self.send_header("Content-Type", "text/plain" if is_text else "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_DELETE = _any  # noqa: N815 - the names that http.server looks for

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


class PipelinesDouble(Double):
    """Kubeflow Pipelines 2.17 with one run, whose workflow changes from look to look."""

    def __init__(self, *workflows: Any, logs: dict[str, str] | None = None) -> None:
        super().__init__()
        self.workflows = list(workflows)
        self.logs = logs or {}
        self.versions: list[dict[str, Any]] = []
        self.pipelines: list[str] = []
        self.experiments: list[dict[str, Any]] = []
        self.recurring: list[dict[str, Any]] = []
        self.files: dict[str, str] = {}
        self.refusal: tuple[int, Any] | None = None
        self.ended = False

    def answer(self, verb: str, path: str, query: dict[str, str], body: bytes) -> tuple[int, Any]:
        if self.refusal:
            return self.refusal
        part = path.split("/")[3:]
        if path == "/apis/v2beta1/healthz":
            return 200, {"multi_user": False, "tag_name": "2.17.0"}
        if path == "/artifacts/get":
            found = self.files.get(query["key"])
            return (404, "no such file") if found is None else (200, found)
        if path.startswith("/apis/v2beta1/pipelines"):
            return self._pipelines(verb, part, query, body)
        if path == "/apis/v2beta1/experiments":
            if verb == "POST":
                name = json.loads(body)["display_name"]
                self.experiments.append({"experiment_id": "e1", "display_name": name})
                return 200, self.experiments[-1]
            return 200, {"experiments": self.experiments}
        if path.startswith("/apis/v2beta1/recurringruns"):
            return self._recurring(verb, part, query, body)
        if path == "/apis/v2beta1/runs":
            return 200, {"run_id": "r1"}
        if path.endswith(":terminate"):
            self.ended = True
            return 200, {}
        if path == "/apis/v1beta1/runs/r1":
            workflow = self.workflows.pop(0) if len(self.workflows) > 1 else self.workflows[0]
            return 200, {"run": {}, "pipeline_runtime": {"workflow_manifest": json.dumps(workflow)}}
        if path.endswith("/log"):
            # The real one says 200 before it finds out that there is no log.
            return 200, self.logs.get(part[3], '{"error_message":"no such pod"}')
        return 404, {"code": 5, "message": f"{path} not found"}

    def _pipelines(
        self, verb: str, part: list[str], query: dict[str, str], body: bytes
    ) -> tuple[int, Any]:
        if part[1:2] == ["names"]:
            there = part[2] in self.pipelines
            found = {"pipeline_id": "p1"}
            return (200, found) if there else (404, {"code": 5, "message": "not found"})
        if part[1:2] == ["upload_version"]:
            self.versions.append({"pipeline_version_id": "v1", "display_name": query["name"]})
            return 200, self.versions[-1]
        if part[2:3] == ["versions"]:
            return 200, {"pipeline_versions": self.versions}
        self.pipelines.append(json.loads(body)["display_name"])
        return 200, {"pipeline_id": "p1"}

    def _recurring(
        self, verb: str, part: list[str], query: dict[str, str], body: bytes
    ) -> tuple[int, Any]:
        if verb == "POST":
            made = as_recorded(json.loads(body), f"rr{len(self.recurring) + 1}")
            if isinstance(made, str):
                return 400, {"code": 3, "message": made}
            self.recurring.append(made)
            return 200, made
        if verb == "DELETE":
            found = [one for one in self.recurring if one["recurring_run_id"] == part[1]]
            for one in found:
                self.recurring.remove(one)
            return (200, {}) if found else (404, {"code": 5, "message": f"Job {part[1]} not found"})
        key = "experiment_id"
        listed = [one for one in self.recurring if one[key] == query.get(key, one[key])]
        # An empty list is left out of the answer.
        return 200, {"recurringRuns": listed, "total_size": len(listed)} if listed else {}


def as_recorded(body: dict[str, Any], identity: str) -> dict[str, Any] | str:
    """Return the answer to a body for a recurring run, or what the server says is wrong with it.

    Answer and refusals are as a server of 2.17 gave them: numbers of 64 bits come back as texts.
    """
    answer = recorded("recurring.json")
    trigger, most = body["trigger"], int(body["max_concurrency"])
    prefix = "Failed to create a recurring run due to conversion error: Invalid input error: "
    if len(trigger) > 1:
        return "proto: error parsing: oneof Trigger.trigger is already set"
    if not 1 <= most <= 10:
        return f"{prefix}Max concurrency of a recurring run must be at least 1 and at most 10."
    fields = trigger.get("cron_schedule", {"cron": "* * * * * *"})["cron"].split()
    if len(fields) not in (5, 6):
        return f"{prefix}Schedule cron is not a supported format: found {len(fields)}"
    if "periodic_schedule" in trigger:
        seconds = int(trigger["periodic_schedule"]["interval_second"])
        if seconds < 1:
            return f"{prefix}Found invalid period schedule interval {seconds}."
        trigger = {"periodic_schedule": {"interval_second": str(seconds)}}
    assert body.keys() < answer.keys(), "a field that the server does not know is an error"
    return {**answer, **body, "recurring_run_id": identity, "trigger": trigger} | {
        "max_concurrency": str(most)
    }


class KubernetesDouble(Double):
    """The API server of a cluster: objects by path, and rights."""

    def __init__(self, objects: dict[str, Any], denied: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.objects = objects
        self.denied = denied

    def answer(self, verb: str, path: str, query: dict[str, str], body: bytes) -> tuple[int, Any]:
        if "accessreviews" in path:
            wanted = json.loads(body)["spec"]["resourceAttributes"]
            allowed = f"{wanted['verb']} {wanted['resource']}" not in self.denied
            return 201, {"status": {"allowed": allowed}}
        if path in self.objects:
            return 200, self.objects[path]
        return 404, {"kind": "Status", "message": f"{path} not found", "code": 404}


def kubeconfig(folder: Path, url: str, namespace: str = "kubeflow") -> Path:
    """Write a kubeconfig that names a double."""
    values = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "double",
        "clusters": [{"name": "double", "cluster": {"server": url}}],
        "users": [{"name": "me", "user": {"token": "t"}}],
        "contexts": [
            {
                "name": "double",
                "context": {"cluster": "double", "user": "me", "namespace": namespace},
            }
        ],
    }
    path = folder / "kubeconfig"
    path.write_text(json.dumps(values), encoding="utf-8")
    return path
