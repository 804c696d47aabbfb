"""Why a run on a cluster failed or hangs, as one record with what to do about it.

Kubernetes, Argo, Kubeflow Pipelines and the task itself each tell a part in words of their own;
here they become one `Reason`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from regatta import errors
from regatta.cluster.workflow import Step, Workflow
from regatta.errors import ClusterError, DefectError, RegattaError

__all__ = ["Reason", "explain", "explain_text", "said"]


LONGEST = 300

# Code, what the words of Kubernetes or Argo look like, what to do. The first match counts: the
# special ones come before "Error", which is in many.
CAUSES: tuple[tuple[str, str, str], ...] = (
    (
        "OOMKilled",
        r"OOMKilled",
        "give the task more memory (a larger size class), or lower --cores or the table's size",
    ),
    (
        "DeadlineExceeded",
        r"DeadlineExceeded|longer than the specified deadline|exceeded its deadline",
        "set a longer --budget, or see in its log in the dashboard why the task was slow",
    ),
    (
        "Quota",
        r"exceeded quota|forbidden: .*quota",
        "lower --workers, or ask for more quota: kubectl -n NAMESPACE describe quota",
    ),
    (
        "ImagePull",
        r"ErrImagePull|ImagePullBackOff|InvalidImageName|ErrImageNeverPull|RegistryUnavailable"
        r"|ImageInspectError|[Ff]ailed to pull image",
        "push the image to that registry or load it into the nodes (make images), and compile the "
        "pipeline with the registry's name: REGATTA_REGISTRY=… regatta compile",
    ),
    (
        "SecretMissing",
        r"(secret|configmap) \"[^\"]*\" not found|couldn't find key .* in Secret"
        r"|CreateContainerConfigError",
        "make the Secret in the run's namespace: kubectl apply -k manifests/…",
    ),
    (
        "Unschedulable",
        r"Unschedulable|nodes are available|didn't match Pod's node (affinity|selector)",
        "free or add a node that fits, lower --cores or --workers, or correct the node selector",
    ),
    (
        "Forbidden",
        r"forbidden|cannot (get|list|create|patch|watch) resource",
        "give the run's service account the right: kubectl apply -k manifests/…",
    ),
    (
        "PodDeleted",
        r"pod deleted|Evicted|[Pp]reempt|node (was |is )?(lost|shut)|NodeLost|TaintManager",
        "submit again; if it happens often, look at the nodes: kubectl describe nodes",
    ),
    (
        "Terminated",
        r"[Ss]topped with strategy|workflow shutdown",
        "somebody ended the run; submit it again if it should go on",
    ),
    (
        "StartError",
        r"StartError|RunContainerError|CreateContainerError|CrashLoopBackOff|ContainerCannotRun",
        "check the image: podman run --rm IMAGE python3 -c 'import regatta'",
    ),
)
HANGS = frozenset({"ImagePull", "SecretMissing", "Unschedulable", "Quota", "StartError"})
"""Codes of what does not pass by itself, so that a pod that waits for it waits for ever."""

SAID = re.compile(
    r"^(?P<found>\S.{0,2000}?)(?:; expected (?P<expected>.{1,1000}?))?"
    r"\. To fix: (?P<fix>.{1,1000})$"
)
EXCEPTION = re.compile(r"^(?P<name>[\w.]*(?:Error|Exception|Interrupt|Warning)): ?(?P<text>.*)$")
FATAL = re.compile(r"^F\d{4} [\d:.]+ +\d+ [\w./-]+:\d+\] (?P<text>.*)$")


@dataclass(frozen=True)
class Reason:
    """Why a run failed or hangs.

    Attributes
    ----------
    code : str
        ``said`` where the task itself says it, else a word such as ``OOMKilled``.
    task, pod : str
        Where it happened; empty where it is the whole run.
    lane : int or None
        Number of the lane.
    found, expected, fix : str
        What there was, what should have been, what to do.
    exit_code : int
        Exit code for the command line.
    detail : str
        The words of Kubernetes, Argo or the log that this was read from.
    """

    code: str
    found: str
    fix: str
    task: str = ""
    lane: int | None = None
    pod: str = ""
    expected: str = ""
    exit_code: int = ClusterError.exit_code
    detail: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)

    @property
    def place(self) -> str:
        """The task with its lane."""
        return self.task if self.lane is None else f"{self.task}, lane {self.lane}"

    def error(self) -> RegattaError:
        """Return the error to raise: of the class that has the exit code."""
        kind: type[RegattaError] = ClusterError
        if self.code == "said" or self.exit_code == DefectError.exit_code:
            kind = KINDS.get(self.exit_code, DefectError)
        where = f"task {self.place}: " if self.task else ""
        return kind(f"{where}{self.found}", expected=self.expected, fix=self.fix)


KINDS: dict[int, type[RegattaError]] = {
    1: errors.DefectError,
    2: errors.UsageError,
    3: errors.ArtifactError,
    4: errors.ClusterError,
}


def explain(
    workflow: Workflow,
    log: Mapping[str, str] | None = None,
    pods: Sequence[Mapping[str, Any]] = (),
) -> Reason | None:
    """Return why a run failed.

    Parameters
    ----------
    workflow : Workflow
        The run.
    log : mapping of str to str, optional
        End of the log by pod.
    pods : sequence of mapping, optional
        The pods of the run as Kubernetes lists them.

    Returns
    -------
    Reason or None
        None where nothing failed. Of several failures the first one counts.
    """
    if workflow.ended:
        return explain_text("workflow shutdown")
    logs = log or {}
    by_name = {str(_inner(pod, "metadata").get("name", "")): pod for pod in pods}
    for step in workflow.failures():
        told = _pod_words(by_name.get(step.pod))
        return _of_step(step, f"{step.message} {told}".strip(), logs.get(step.pod, ""))
    for step in workflow.steps:
        told = _pod_words(by_name.get(step.pod))
        if step.waiting and (reason := explain_text(f"{step.message} {told}", step)):
            return reason
    if workflow.phase in ("Failed", "Error"):
        text = workflow.message or "the run failed and no pod of it did"
        return explain_text(text) or Reason("Unknown", _short(text), fix=LOOK)
    return None


LOOK = "look at the run in the dashboard, or: kubectl get workflows,pods"


def explain_text(text: str, step: Step | None = None) -> Reason | None:
    """Return the reason behind the words of Kubernetes or Argo; None if they name none.

    Parameters
    ----------
    text : str
        A message of a node, a pod or an event.
    step : Step, optional
        What it was said of.

    Examples
    --------
    >>> explain_text("OOMKilled (exit code 137)").code
    'OOMKilled'
    >>> explain_text("PodInitializing") is None
    True
    """
    for code, pattern, fix in CAUSES:
        if re.search(pattern, text):
            return _reason(
                code,
                TITLES[code] + (_quoted(text) if code != "Terminated" else ""),
                fix,
                step,
                detail=text,
            )
    return None


TITLES = {
    "OOMKilled": "the pod used more memory than its limit",
    "DeadlineExceeded": "the pod took longer than its deadline",
    "Quota": "the namespace's quota has no room for the pod",
    "ImagePull": "the image cannot be pulled",
    "SecretMissing": "something that the pod's configuration names is not there",
    "Unschedulable": "no node has room for the pod",
    "Forbidden": "the service account lacks a right",
    "PodDeleted": "the pod was deleted or evicted",
    "Terminated": "the run was ended",
    "StartError": "the container cannot start",
}


def said(log: str) -> tuple[str, str, str] | None:
    r"""Return what a task of ours said last: found, expected, fix; None if it said nothing.

    Parameters
    ----------
    log : str
        Its log. The launcher writes some lines after the task's own.

    Examples
    --------
    >>> said("12:00 loading\nno column 'x'; expected 'a'. To fix: check --target\nsub-process")
    ("no column 'x'", "'a'", 'check --target')
    """
    for line in reversed(log.splitlines()):
        if match := SAID.match(line.strip()):
            return match["found"], match["expected"] or "", match["fix"]
    return None


def _of_step(step: Step, message: str, log: str) -> Reason:
    """Return why one pod failed."""
    spoken = said(log)
    by_system = explain_text(message, step)
    # What the system did to a task beats what the task said before it.
    if by_system and by_system.code in ("OOMKilled", "DeadlineExceeded", "PodDeleted", "ImagePull"):
        return by_system
    if spoken:
        found, expected, fix = spoken
        code = _exit_code(step, message, log)
        return _reason("said", found, fix, step, expected=expected, exit_code=code, detail=message)
    last = _last_words(log)
    if by_system:
        return by_system
    if step.driver:
        found = f"Kubeflow Pipelines could not prepare the task: {_short(last or message)}"
        return _reason("Driver", found, DRIVER_FIX, step, detail=last or message)
    found = f"the task ended without a reason{_quoted(last or message)}"
    fix = f"look at its log in the dashboard (pod {step.pod}), and report it"
    return _reason("ExitCode", found, fix, step, exit_code=1, detail=message)


DRIVER_FIX = (
    "check the installation of Kubeflow Pipelines: regatta doctor --cluster; if its metadata store "
    "was lost, empty its cache as well"
)


def _exit_code(step: Step, message: str, log: str) -> int:
    """Return the exit code of a task; the launcher itself always ends with 1, and says it."""
    told = re.findall(r"exit status (\d{1,3})", log) + re.findall(r"exit code (\d{1,3})", message)
    code = int(told[0]) if told else step.exit_code or 1
    return code if code in KINDS else 1


def _reason(code: str, found: str, fix: str, step: Step | None, **more: Any) -> Reason:
    """Return a reason at the place of a step."""
    more["detail"] = _short(more.get("detail", ""))
    if step is None:
        return Reason(code, _short(found), fix, **more)
    return Reason(code, _short(found), fix, task=step.task, lane=step.lane, pod=step.pod, **more)


def _last_words(log: str) -> str:
    """Return the last line that names an exception or is fatal; empty if there is none."""
    for line in reversed(log.splitlines()):
        text = line.strip()
        if match := FATAL.match(text):
            # A driver names all that it was given before it comes to the point.
            return match["text"].rpartition(" failed: ")[2]
        if EXCEPTION.match(text):
            return text
    return ""


def _pod_words(pod: Mapping[str, Any] | None) -> str:
    """Return what Kubernetes says of a pod: its own reason, its containers', its conditions'."""
    if not isinstance(pod, Mapping):
        return ""
    status = _inner(pod, "status")
    words = [status.get("reason"), status.get("message")]
    for kind in ("initContainerStatuses", "containerStatuses"):
        for container in status.get(kind) or ():
            for state in _inner(container, "state").values():
                if isinstance(state, Mapping) and state.get("reason") not in PLAIN:
                    words += [state.get("reason"), state.get("message")]
    for condition in status.get("conditions") or ():
        if isinstance(condition, Mapping) and condition.get("reason") == "Unschedulable":
            words += ["Unschedulable:", condition.get("message")]
    return " ".join(str(word).strip() for word in words if word)


PLAIN = frozenset({"Completed", "PodInitializing", "ContainerCreating", "Error", None})


def _inner(values: Any, key: str) -> Mapping[str, Any]:
    """Return an inner object; empty if it is not there."""
    inner = values.get(key) if isinstance(values, Mapping) else None
    return inner if isinstance(inner, Mapping) else {}


def _quoted(text: str) -> str:
    """Return words in brackets, where there are any."""
    return f" ({_short(text)})" if text.strip() else ""


def _short(text: str) -> str:
    """Return one line of bearable length."""
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"
