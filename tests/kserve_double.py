"""A double of the Kubernetes API at its HTTP edge, with as much of KServe as a deployment sees.

Objects have the shapes, and change in the order, that were recorded on KServe 0.20 in Standard
mode: Ready stays True on an update, `status.observedGeneration` is the Deployment's, a failed
update leaves the old pod serving. The same server answers as the models do, over V1 and V2.
"""

import importlib
import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

SOURCE = "internal.serving.kserve.io/storage-initializer-sourceuri"
SERVICES = r"/apis/serving.kserve.io/v1beta1/namespaces/([^/]+)/inferenceservices"
WAITING = {
    "pull": {"reason": "ErrImageNeverPull", "message": "image is not present"},
    "secret": {"reason": "CreateContainerConfigError", "message": 'secret "minio" not found'},
}
LOGS = {
    "denied": "botocore.exceptions.ClientError: (403) AccessDenied when calling GetObject",
    "absent": "RuntimeError: Failed to fetch model. No model found in s3://models/x.",
    "crash": "loading\nbundle.json has format 9; expected format 1 or older",
}


class Double:
    """The state of a cluster with one namespace.

    Attributes
    ----------
    faults : dict
        By URI: what goes wrong with the version there. ``late`` never becomes ready, ``differs``
        answers wrongly, ``silent`` does not answer; the others as their names say.
    seen : set
        Verb, group and resource of all requests.
    asked : list
        Version that answered each request for the model's own service.
    """

    def __init__(self, namespace: str = "regatta") -> None:
        self.namespace, self.url = namespace, ""
        self.services: dict[str, dict[str, Any]] = {}
        self.rollouts: dict[str, dict[str, Any]] = {}
        self.faults: dict[str, str] = {}
        self.refusals: dict[str, tuple[int, str]] = {}
        self.seen: set[tuple[str, str, str]] = set()
        self.history: list[str] = []
        self.rollout_seconds = 0.05
        self.installed = True
        self.uids = 0
        self.lock = threading.RLock()

    # What the API server does.

    def handle(self, method: str, path: str, query: str, body: Any) -> tuple[int, Any]:
        with self.lock:
            if model := re.fullmatch(r"/(v1|v2)/models/([^/:]+)(.*)", path):
                return self.answer(method, model[2], model[3], body)
            if service := re.fullmatch(SERVICES + r"(?:/([^/]+))?", path):
                verb = {"GET": "get", "POST": "create", "PATCH": "patch", "DELETE": "delete"}
                return self.service(verb[method], service[1], service[2] or "", body)
            if found := re.fullmatch(r"/apis/apps/v1/namespaces/[^/]+/deployments/(.+)", path):
                self.seen.add(("get", "apps", "deployments"))
                name = found[1].removesuffix("-predictor")
                return (200, self.deployment(name)) if name in self.rollouts else missing(name)
            if log := re.fullmatch(r"/api/v1/namespaces/[^/]+/pods/(.+)/log", path):
                self.seen.add(("get", "", "pods/log"))
                return 200, LOGS.get(log[1].rpartition(".")[2], "")
            if re.fullmatch(r"/api/v1/namespaces/[^/]+/pods", path):
                self.seen.add(("list", "", "pods"))
                return 200, {"items": self.pods(query.rpartition("%3D")[2])}
            return 404, {"message": f"unknown {path}"}

    def service(self, verb: str, namespace: str, name: str, body: Any) -> tuple[int, Any]:
        self.seen.add((verb, "serving.kserve.io", "inferenceservices"))
        if not self.installed:
            return 404, "404 page not found"
        if verb in self.refusals:
            status, message = self.refusals[verb]
            return status, {"kind": "Status", "message": message}
        name = name or body["metadata"]["name"]
        there = self.services.get(name)
        if verb == "get":
            return (200, self.shown(name)) if there else missing(name)
        if namespace != self.namespace:
            return 404, {"message": f'namespaces "{namespace}" not found'}
        if verb == "delete":
            if there is None:
                return missing(name)
            if body["preconditions"]["uid"] != there["metadata"]["uid"]:
                return 409, {"message": "the UID in the precondition does not match"}
            self.history.append(f"delete {name}")
            del self.services[name], self.rollouts[name]
            return 200, {"kind": "Status"}
        if verb == "create" and there:
            return 409, {"message": "already exists", "reason": "AlreadyExists"}
        wanted = body["metadata"].pop("resourceVersion", None)
        if there and wanted not in (None, there["metadata"]["resourceVersion"]):
            return 409, {"message": "the object has been modified"}
        self.store(name, body, there)
        return 200 if there else 201, self.shown(name)

    def store(self, name: str, body: Any, there: dict[str, Any] | None) -> None:
        self.uids += 1
        kept = there["metadata"] if there else {}
        created = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        metadata = {
            "uid": kept.get("uid", f"uid-{self.uids}"),
            "creationTimestamp": kept.get("creationTimestamp", created),
            "generation": kept.get("generation", 0) + 1,
            **body["metadata"],
            "resourceVersion": str(self.uids),
        }
        self.services[name] = {**body, "metadata": metadata}
        model = body["spec"]["predictor"]["model"]
        version = "".join(model.get("args", [""])).rpartition("=")[2]
        rollout = self.rollouts.setdefault(name, {"generation": 0, "uri": "", "served": ""})
        if rollout["uri"] != model["storageUri"]:
            self.history.append(f"{name} -> {model['storageUri']}")
            rollout["served"] = self.served(name)
            rollout["generation"] += 1
            rollout |= {"uri": model["storageUri"], "version": version, "at": time.monotonic()}

    # What KServe and its pods do.

    def fault(self, name: str) -> str:
        return self.faults.get(self.rollouts[name]["uri"], "")

    def is_done(self, name: str) -> bool:
        rollout = self.rollouts[name]
        serves = self.fault(name) in ("", "differs", "silent")
        return serves and time.monotonic() - rollout["at"] > self.rollout_seconds

    def served(self, name: str) -> str:
        """Return the version that answers."""
        rollout = self.rollouts[name]
        if "at" not in rollout:
            return ""
        return rollout["version"] if self.is_done(name) else rollout["served"]

    def shown(self, name: str) -> dict[str, Any]:
        """Return an InferenceService with its status."""
        failed = self.fault(name) in ("denied", "absent", "crash")
        status: dict[str, Any] = {
            "observedGeneration": 1,
            "modelStatus": {"transitionStatus": "InProgress"},
            "conditions": [{"type": "Ready", "status": "True" if self.served(name) else "False"}],
        }
        if self.fault(name) == "runtime":
            status["modelStatus"] = {
                "transitionStatus": "InvalidSpec",
                "lastFailureInfo": {
                    "reason": "NoSupportingRuntime",
                    "message": "No runtime found to support specified framework/version",
                },
            }
        elif failed:
            status["modelStatus"] = {
                "transitionStatus": "BlockedByFailedLoad",
                "states": {"activeModelState": "", "targetModelState": "FailedToLoad"},
                "lastFailureInfo": {"exitCode": 1, "reason": "ModelLoadFailed"},
            }
        elif self.is_done(name):
            status["modelStatus"] = {"transitionStatus": "UpToDate"}
        if self.served(name):
            status["address"] = {"url": self.url}
        return {**self.services[name], "status": status}

    def deployment(self, name: str) -> dict[str, Any]:
        rollout, done = self.rollouts[name], self.is_done(name)
        old = int(bool(rollout["served"]))
        conditions = []
        if self.fault(name) == "quota":
            message = 'pods "x" is forbidden: exceeded quota: regatta, requested: pods=1'
            conditions = [{"type": "ReplicaFailure", "status": "True", "message": message}]
        status = {"observedGeneration": rollout["generation"], "conditions": conditions}
        counts = (1, 1, 1) if done else (1 + old, 1, old)
        names = ("replicas", "updatedReplicas", "availableReplicas")
        return {
            "metadata": {"name": f"{name}-predictor", "generation": rollout["generation"]},
            "spec": {
                "replicas": 1,
                "template": {"metadata": {"annotations": {SOURCE: rollout["uri"]}}},
            },
            "status": {**status, **dict(zip(names, counts, strict=True))},
        }

    def pods(self, name: str) -> list[dict[str, Any]]:
        """Return the pod of the newest version."""
        fault, rollout = self.fault(name), self.rollouts[name]
        if fault == "quota":
            return []
        init: dict[str, Any] = {"name": "storage-initializer", "state": {}}
        main: dict[str, Any] = {"name": "kserve-container", "image": "serve:1", "state": {}}
        conditions = []
        ended = {"terminated": {"exitCode": 1, "reason": "Error"}}
        if fault in ("denied", "absent"):
            init["state"] = ended
        elif fault == "crash":
            main |= {"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": ended}
        elif fault == "memory":
            main["state"] = {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}
        elif fault in WAITING:
            main["state"] = {"waiting": WAITING[fault]}
        elif fault == "room":
            message = "0/1 nodes are available: 1 Insufficient cpu."
            conditions = [{"type": "PodScheduled", "reason": "Unschedulable", "message": message}]
        return [
            {
                "metadata": {"name": f"{name}.{fault}", "annotations": {SOURCE: rollout["uri"]}},
                "status": {
                    "phase": "Pending",
                    "conditions": conditions,
                    "initContainerStatuses": [init],
                    "containerStatuses": [main],
                },
            }
        ]

    # What the served model does.

    def answer(self, method: str, name: str, rest: str, body: Any) -> tuple[int, Any]:
        version = self.served(name) if name in self.rollouts else ""
        fault = self.fault(name) if version else ""
        if not version or fault == "silent":
            return 503, {"error": "no endpoints"}
        if method == "GET":
            inputs = [{"name": "x", "datatype": "FP64", "shape": [-1]}]
            return 200, {"name": name, "versions": [version], "inputs": inputs}
        factor = 3.0 if fault == "differs" else 2.0
        if rest == ":predict":
            values = [factor * row["x"] for row in body["instances"]]
            return 200, {"predictions": [{"prediction": value} for value in values]}
        data = [factor * value for value in body["inputs"][0]["data"]]
        return 200, {"outputs": [{"name": "prediction", "data": data}]}


def missing(name: str) -> tuple[int, Any]:
    details = {"name": name, "group": "serving.kserve.io", "kind": "inferenceservices"}
    return 404, {"kind": "Status", "message": f'"{name}" not found', "details": details}


@contextmanager
def serving(double: Double) -> Iterator[Double]:
    """Serve a double on the loopback address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1

        def respond(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            path, _, query = self.path.partition("?")
            status, values = double.handle(self.command, path, query, body)
            data = values if isinstance(values, str) else json.dumps(values)
            self.send_response(status)
            self.send_header("Content-Length", str(len(data.encode())))
            self.end_headers()
            self.wfile.write(data.encode())

        do_GET = do_POST = do_PATCH = do_DELETE = respond  # noqa: N815 - so the server calls it

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    double.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield double
    finally:
        server.shutdown()
        server.server_close()


def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let deployments look more often than a real cluster needs it."""
    for module, name, seconds in (
        ("waiting", "PAUSE_SECONDS", 0.02),
        ("waiting", "BETWEEN_SECONDS", 0.01),
        ("waiting", "ANSWER_SECONDS", 0.5),
        ("release", "PAUSE_SECONDS", 0.05),
        ("kube", "PAUSES", (0.01,)),
    ):
        # `regatta.deployment.release` is a function too, which a dotted name would find first.
        found = importlib.import_module(f"regatta.deployment.{module}")
        monkeypatch.setattr(found, name, seconds)
