"""A run as Argo keeps it: one object, in which each pod of each task is a node.

Kubeflow Pipelines shows states only; this object is the one place that also holds why a pod is
not running, how often it was tried, and where the artifacts of its task lie.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

__all__ = ["CACHED", "Step", "Workflow"]

DONE = frozenset({"Succeeded", "Failed", "Error", "Skipped", "Omitted", "Daemoned"})
FAILED = frozenset({"Failed", "Error"})
CACHED = "Cached"
"""Regatta's word for a task whose pod was not made, because an earlier run had done the same."""
POD_NAME_LENGTH = 253
HASH_LENGTH = 10


@dataclass(frozen=True)
class Step:
    """One pod of a task.

    Attributes
    ----------
    id, pod : str
        Name of the node, and of its pod.
    task : str
        Name of the task in the pipeline, or of the loop.
    lane : int or None
        Number of the iteration; ``None`` outside a loop.
    attempt : int
        0 for the first try.
    driver : bool
        Whether the pod only prepares the task.
    phase : str
        Argo's word: ``Pending``, ``Running``, ``Succeeded``, ``Failed``, ``Error``, ….
    message : str
        Why it is pending or has failed; often empty.
    started_at, finished_at : float
        Seconds since the epoch; 0 where it has not.
    exit_code : int or None
        Exit code of the task's container.
    artifacts : dict
        Address of each output artifact by name.
    """

    id: str
    pod: str
    task: str
    lane: int | None = None
    attempt: int = 0
    driver: bool = False
    phase: str = ""
    message: str = ""
    started_at: float = 0.0
    finished_at: float = 0.0
    exit_code: int | None = None
    artifacts: dict[str, str] = field(default_factory=dict)

    @property
    def failed(self) -> bool:
        """Whether the pod ended badly."""
        return self.phase in FAILED

    @property
    def waiting(self) -> bool:
        """Whether the pod has not started to work."""
        return self.phase in ("Pending", "")

    @property
    def place(self) -> str:
        """The task, with its lane, as a person says it.

        Examples
        --------
        >>> Step("a", "a", "trial", lane=2).place
        'trial, lane 2'
        """
        return self.task if self.lane is None else f"{self.task}, lane {self.lane}"


@dataclass(frozen=True)
class Workflow:
    """A run as Argo keeps it.

    Attributes
    ----------
    name, namespace : str
        Its name and place in Kubernetes.
    phase, message : str
        State of the whole, and what Argo says of it.
    steps : tuple of Step
        Every pod, by the time it was made.
    tasks : dict
        Phase by task and lane, ``Cached`` where nothing had to run. A task in a loop has one entry
        a lane.
    ended : bool
        Whether somebody ended it: Kubeflow Pipelines does so by a deadline of no seconds.
    """

    name: str
    namespace: str
    phase: str
    message: str
    steps: tuple[Step, ...]
    tasks: dict[tuple[str, int | None], str]
    ended: bool = False

    @classmethod
    def read(cls, values: object) -> "Workflow":
        """Read the object; what is not there or of another shape is taken for empty.

        Parameters
        ----------
        values : object
            The object, parsed from JSON.
        """
        metadata, status = _mapping(values, "metadata"), _mapping(values, "status")
        name = _text(metadata, "name")
        steps: list[Step] = []
        tasks: dict[tuple[str, int | None], str] = {}
        for node in _mapping(status, "nodes").values():
            if not isinstance(node, Mapping):
                continue
            path = _path(name, node)
            if _text(node, "type") in ("Pod", "Skipped"):
                steps.append(_step(name, path, node))
            elif "system-container-executor" in _text(node, "templateName") and path:
                # Labels of a pod change the name of its template: metadata-0-1-system-….
                key = (_clean(path[-1]), _lane(path))
                # With a retry there is a node for the whole and one for each try.
                if key not in tasks or not path[-1].endswith(")"):
                    tasks[key] = _text(node, "phase")
        steps.sort(key=lambda step: (step.started_at, step.id))
        ran = {(step.task, step.lane) for step in steps if not step.driver}
        made = {(s.task, s.lane) for s in steps if not s.driver and s.phase != "Skipped"}
        tasks |= dict.fromkeys((ran - made) & tasks.keys(), CACHED)
        return cls(
            name=name,
            namespace=_text(metadata, "namespace"),
            phase=_text(status, "phase"),
            message=_text(status, "message"),
            steps=tuple(steps),
            tasks=tasks,
            ended=_mapping(values, "spec").get("activeDeadlineSeconds") == 0,
        )

    @property
    def done(self) -> bool:
        """Whether nothing more will happen."""
        return self.phase in DONE

    def lanes(self, task: str) -> dict[int, str]:
        """Return the phase of each lane of a task."""
        return {
            lane: phase
            for (name, lane), phase in self.tasks.items()
            if name == task and lane is not None
        }

    def failures(self) -> Iterator[Step]:
        """Yield the pods that failed and were not tried again with success, first one first."""
        rescued = {
            (step.task, step.lane, step.driver)
            for step in self.steps
            if step.phase in ("Succeeded", "Running", "Pending")
        }
        last: dict[tuple[str, int | None, bool], Step] = {}
        for step in self.steps:
            key = (step.task, step.lane, step.driver)
            if step.failed and key not in rescued:
                last[key] = step
        yield from sorted(last.values(), key=lambda step: (step.finished_at, step.started_at))

    def artifact(self, task: str, name: str) -> str:
        """Return the address of an output artifact of a task; empty if there is none."""
        found = [
            step.artifacts[name]
            for step in self.steps
            if step.task == task and name in step.artifacts
        ]
        return found[-1] if found else ""


def _step(workflow: str, path: list[str], node: Mapping[str, Any]) -> Step:
    """Read one pod."""
    last = path[-1] if path else ""
    driver = _clean(last).endswith("-driver")
    task = _clean(last).removesuffix("-driver")
    if not driver and len(path) > 1:
        task = _clean(path[-2])
    elif task in ("iteration", "iteration-item"):
        task = next((_clean(part) for part in reversed(path) if part.startswith("for-loop")), task)
    attempt = re.search(r"\((\d+)\)$", last)
    exit_code = _text(_mapping(node, "outputs"), "exitCode")
    identity = _text(node, "id")
    return Step(
        id=identity,
        pod=_pod(workflow, _text(node, "templateName"), identity),
        task=task,
        lane=_lane(path),
        attempt=int(attempt.group(1)) if attempt else 0,
        driver=driver,
        phase=_text(node, "phase"),
        message=_text(node, "message"),
        started_at=_seconds(_text(node, "startedAt")),
        finished_at=_seconds(_text(node, "finishedAt")),
        exit_code=int(exit_code) if re.fullmatch(r"-?[0-9]{1,9}", exit_code) else None,
        artifacts={} if driver else _artifacts(node),
    )


def _path(workflow: str, node: Mapping[str, Any]) -> list[str]:
    """Return the names from the root to a node."""
    name = _text(node, "name").removeprefix(workflow).strip(".")
    return re.findall(r"(?:[^.()]|\([^)]*\)?|\))+", name)


def _clean(part: str) -> str:
    """Return a name without the numbers that Argo appends in brackets."""
    return re.sub(r"\([^)]*\)?$", "", part)


def _lane(path: list[str]) -> int | None:
    """Return the number of the innermost iteration that a node is in."""
    for part in reversed(path):
        if match := re.match(r"iteration-iterations\(([0-9]{1,9}):", part):
            return int(match.group(1))
    return None


def _pod(workflow: str, template: str, node: str) -> str:
    """Return the name of a node's pod: Argo puts the template before the node's number."""
    number = node.rpartition("-")[2]
    if not template or node == workflow:
        return node
    return f"{workflow}-{template}"[: POD_NAME_LENGTH - HASH_LENGTH - 1] + f"-{number}"


def _artifacts(node: Mapping[str, Any]) -> dict[str, str]:
    """Return the output artifacts that the launcher was told to make."""
    found: dict[str, str] = {}
    for patch in _parameters(node, "pod-spec-patch"):
        containers = _mapping({"patch": _parsed(patch)}, "patch").get("containers")
        for container in containers if isinstance(containers, list) else ():
            command = container.get("command") if isinstance(container, Mapping) else None
            if not isinstance(command, list) or "--executor_input" not in command[:-1]:
                continue
            given = _parsed(command[command.index("--executor_input") + 1])
            outputs = _mapping(_mapping(given, "outputs"), "artifacts")
            for name, artifact in outputs.items():
                if uri := _uri(artifact):
                    found[name] = uri
    return found


def _uri(artifact: object) -> str:
    """Return the address in the entry of one artifact."""
    entries = artifact.get("artifacts") if isinstance(artifact, Mapping) else None
    first = entries[0] if isinstance(entries, list) and entries else None
    return _text(first, "uri") if isinstance(first, Mapping) else ""


def _parameters(node: Mapping[str, Any], name: str) -> Iterator[str]:
    """Yield the values of a node's input parameter."""
    parameters = _mapping(node, "inputs").get("parameters")
    for parameter in parameters if isinstance(parameters, list) else ():
        if isinstance(parameter, Mapping) and parameter.get("name") == name:
            yield _text(parameter, "value")


def _parsed(text: object) -> object:
    """Parse JSON text; None for anything else."""
    try:
        return json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        return None


def _mapping(values: object, key: str) -> Mapping[str, Any]:
    """Return an inner object; empty if it is not there."""
    inner = values.get(key) if isinstance(values, Mapping) else None
    return inner if isinstance(inner, Mapping) else {}


def _text(values: Mapping[str, Any], key: str) -> str:
    """Return a text; empty if it is not there."""
    value = values.get(key)
    return value if isinstance(value, str) else ""


def _seconds(text: str) -> float:
    """Return a time as seconds since the epoch; 0 for anything else."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        return 0.0
