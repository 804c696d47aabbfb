"""A run on a cluster, followed to its end and judged."""

import time
from collections.abc import Callable

from regatta.cluster.following import Following
from regatta.cluster.kube import Kubernetes, KubernetesError
from regatta.cluster.pipelines import Pipelines, PipelinesError
from regatta.cluster.reasons import Reason
from regatta.cluster.workflow import Step, Workflow
from regatta.errors import ClusterError

__all__ = ["Watch", "seconds_of"]

POLL_SECONDS = 3.0
LOGS_SECONDS = 10.0
# So many looks in a row may go unanswered: a server that starts anew is back by then.
LOST_SECONDS = 90.0


class Watch:
    """Follows a run to its end.

    Parameters
    ----------
    pipelines : Pipelines
        Where the run is.
    run_id : str
        Its identity.
    following : Following
        What is seen.
    kubernetes : Kubernetes, optional
        Asked for what Kubeflow Pipelines does not know; ``None`` without a kubeconfig.
    """

    def __init__(
        self,
        pipelines: Pipelines,
        run_id: str,
        following: Following,
        kubernetes: Kubernetes | None = None,
    ) -> None:
        self.pipelines = pipelines
        self.run_id = run_id
        self.following = following
        self.kubernetes = kubernetes
        self.stuck: Reason | None = None
        self._looked_at = self._logs_at = time.monotonic()

    def look(self) -> list[str]:
        """Look once, and return a line for each step that is over since.

        Raises
        ------
        ClusterError
            Kubeflow Pipelines has not answered for long, or refuses.
        """
        now = time.monotonic()
        try:
            workflow = self.pipelines.workflow(self.run_id)
        except PipelinesError as err:
            lasting = 400 <= err.status < 500
            if lasting or now - self._looked_at > LOST_SECONDS:
                raise
            return []
        self._looked_at = now
        lines = self.following.take(workflow, now)
        self.stuck = self.following.stuck(now, self._warnings)
        return lines

    def better(self) -> bool:
        """Read the lanes' logs now and then; whether there is a better score."""
        now = time.monotonic()
        if now - self._logs_at < LOGS_SECONDS and not self.following.workflow.done:
            return False
        self._logs_at = now
        return self.following.learn(lambda pod: self.pipelines.log(self.run_id, pod))

    def judge(self) -> Reason | None:
        """Return why the run failed; None where it went well."""
        workflow = self.following.workflow
        if workflow.phase == "Succeeded":
            return None
        found: Reason | None = self.pipelines.explain(self.run_id, workflow)
        if found and found.code not in ("Unknown", "ExitCode", "Driver"):
            return found
        return self._ask_kubernetes(workflow) or found or _unknown(workflow)

    def _ask_kubernetes(self, workflow: Workflow) -> Reason | None:
        """Return what Kubernetes knows of a failed run."""
        if self.kubernetes is None or not workflow.name:
            return None
        try:
            reason: Reason | None = self.kubernetes.explain(workflow)
        except KubernetesError:
            return None
        return reason

    def _warnings(self, step: Step) -> list[str]:
        """Return what Kubernetes warns of for a pod."""
        if self.kubernetes is None:
            return []
        try:
            namespace = self.following.workflow.namespace or self.kubernetes.namespace
            return self.kubernetes.events(namespace, step.pod)
        except KubernetesError:
            return []

    def follow(
        self,
        tell: Callable[[list[str], bool], None],
        until: float,
        when_stuck: Callable[[Reason], bool],
    ) -> Reason | None:
        """Look until the run is over, and return why it failed; None if it went well.

        Parameters
        ----------
        tell : callable
            Gets lines to print, and whether there is a better score.
        until : float
            When to stop, in seconds of `time.monotonic`.
        when_stuck : callable
            Gets the reason of a hang, once each; returns whether to end the run.

        Raises
        ------
        ClusterError
            The time is over, and the run is not.
        """
        told: set[str] = set()
        while True:
            tell(self.look(), self.better())
            if self.following.workflow.done:
                return self.judge()
            reason = self.stuck
            if reason and f"{reason.code} {reason.place}" not in told:
                told.add(f"{reason.code} {reason.place}")
                if when_stuck(reason):
                    self.pipelines.end(self.run_id)
                    return reason
            if time.monotonic() > until:
                raise ClusterError(
                    "the time of --timeout is over, and the run goes on",
                    fix=f"see it at {self.pipelines.connection.link(self.run_id)}",
                )
            time.sleep(POLL_SECONDS)


def _unknown(workflow: Workflow) -> Reason:
    """Return a reason where nobody names one."""
    failed = [place for place, phase in workflow.tasks.items() if phase in ("Failed", "Error")]
    task, lane = failed[0] if failed else ("", None)
    fix = "look at the run in the dashboard"
    return Reason("Unknown", "the run failed, and nobody says why", fix, task=task, lane=lane)


def seconds_of(workflow: Workflow) -> float:
    """Return how long a run took, by its pods, in seconds."""
    started = [step.started_at for step in workflow.steps if step.started_at]
    ended = [step.finished_at for step in workflow.steps if step.finished_at]
    return round(max(ended) - min(started), 1) if started and ended else 0.0
