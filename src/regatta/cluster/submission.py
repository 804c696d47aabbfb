"""A run on a cluster: uploaded, started, followed to its end, and judged."""

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from regatta import __version__
from regatta.cluster import compiled
from regatta.cluster.following import Following
from regatta.cluster.kube import Kubernetes, KubernetesError
from regatta.cluster.pipelines import Pipelines, PipelinesError
from regatta.cluster.reasons import Reason
from regatta.cluster.workflow import Step, Workflow
from regatta.errors import ClusterError, DataError, SettingsError, UsageError
from regatta.names import RULE, is_name
from regatta.settings import RunSettings
from regatta.stages.parameters import decompose
from regatta.store import Location

__all__ = [
    "Submission",
    "Submitted",
    "Watch",
    "check_settings",
    "check_source",
    "out_folder",
    "seconds_of",
    "version_name",
]

POLL_SECONDS = 3.0
LOGS_SECONDS = 10.0
# So many looks in a row may go unanswered: a server that starts anew is back by then.
LOST_SECONDS = 90.0


@dataclass(frozen=True)
class Submitted:
    """A run that was started, or a recurring run that was made.

    Attributes
    ----------
    identity : str
        Its identity.
    version : str
        Name of the pipeline version.
    reused : bool
        Whether that version was there already.
    link : str
        Its address in the dashboard.
    replaced : tuple of str
        Identities of the recurring runs of the same name that were deleted.
    """

    identity: str
    version: str
    reused: bool
    link: str
    replaced: tuple[str, ...] = ()


def version_name(content: bytes) -> str:
    """Return the name of a pipeline's version, which stands for its content.

    Examples
    --------
    >>> version_name(b"one") == version_name(b"one") != version_name(b"two")
    True
    """
    return f"{__version__}-{hashlib.sha256(content).hexdigest()[:12]}"


def check_settings(settings: RunSettings) -> None:
    """Check what can be known before anything is sent.

    Raises
    ------
    DataError
        No table is named, or it is not in an object store, where pods can read it.
    SettingsError
        No target is named.
    """
    check_source(settings.data.source)
    if not settings.data.target:
        raise SettingsError("no target is named", expected="a column", fix="add --target COLUMN")


def check_source(source: str) -> None:
    """Check that a table is named which pods can read.

    Raises
    ------
    DataError
        It is not.
    """
    if not source:
        raise DataError(
            "no table is named",
            expected="a table in an object store",
            fix="add --source s3://bucket/key",
        )
    if not source.startswith("s3://"):
        raise DataError(
            f"the source is {source!r}, which pods cannot read",
            expected="a table in an object store, such as s3://data/churn.csv",
            fix="upload it there first, or use regatta run for a file of this machine",
        )
    if not Location.parse(source).key:
        raise DataError(
            f"the source {source!r} is a bucket", expected="one file in it", fix="name the file"
        )


class Submission:
    """What is sent to Kubeflow Pipelines.

    Parameters
    ----------
    name : str
        What the run or the recurring run is called.
    arguments : dict
        Arguments of the pipeline.
    experiment : str
        Name of the experiment.
    pipeline : str, default "train"
        Name of the pipeline, which is the folder in ``pipelines``.
    """

    def __init__(
        self, name: str, arguments: dict[str, Any], experiment: str, pipeline: str = compiled.TRAIN
    ) -> None:
        self.name = name
        self.arguments = arguments
        self.experiment = experiment
        self.pipeline = f"regatta-{pipeline}"
        self._content = compiled.content(pipeline)
        self._version = version_name(self._content)

    @classmethod
    def training(cls, settings: RunSettings, experiment: str) -> "Submission":
        """Return what starts the pipeline ``train``.

        Raises
        ------
        DataError, SettingsError
            As `check_settings`.
        """
        check_settings(settings)
        return cls(settings.name, dict(decompose(settings)), experiment)

    @classmethod
    def monitoring(cls, model: str, settings: RunSettings, experiment: str) -> "Submission":
        """Return what starts the pipeline ``monitor``.

        Parameters
        ----------
        model : str
            ``name`` (its champion), ``name@3`` or ``name@champion``.
        settings : RunSettings
            Rows, registry and thresholds.
        experiment : str
            Name of the experiment.

        Raises
        ------
        DataError
            No table is named that pods can read.
        UsageError
            The model is no name.
        """
        check_source(settings.data.source)
        name, _, version = model.partition("@")
        if not is_name(name):
            raise UsageError(
                f"{name!r} is not the name of a registered model",
                expected=RULE,
                fix="name it as `regatta models list` does, such as churn or churn@3",
            )
        given = decompose(settings)
        further = {**json.loads(str(given["run_settings"])), "seed": settings.seed}
        arguments = {
            "data_source": given["data_source"],
            "release_registry": given["release_registry"],
            "run_name": name,
            "run_settings": json.dumps(further),
            "run_version": version or "champion",
        }
        return cls(f"{name}-monitor", arguments, experiment, "monitor")

    def send(self, pipelines: Pipelines, **extra: Any) -> Submitted:
        """Upload the pipeline unless it is there, and start a run of it.

        Parameters
        ----------
        pipelines : Pipelines
            Where to.
        **extra : str, int or float
            Further arguments of the pipeline.

        Raises
        ------
        ClusterError
            Kubeflow Pipelines refuses or does not answer.
        """
        experiment, pipeline, version, reused = self._place(pipelines)
        name = f"{self.name}-{time.strftime('%Y%m%d-%H%M%S')}"
        arguments = {**self.arguments, **extra}
        run = pipelines.start(name, experiment, pipeline, version, arguments)
        return Submitted(run, self._version, reused, pipelines.connection.link(run))

    def schedule(self, pipelines: Pipelines, trigger: dict[str, Any], **extra: Any) -> Submitted:
        """Upload the pipeline unless it is there, and let runs of it start by the clock.

        A recurring run of the same name, of this pipeline and in this experiment, is replaced.

        Parameters
        ----------
        pipelines : Pipelines
            Where to.
        trigger : dict
            When runs start: `regatta.cluster.schedule`.
        **extra : str, int or float
            Further arguments of the pipeline.

        Raises
        ------
        ClusterError
            Kubeflow Pipelines refuses or does not answer.
        """
        experiment, pipeline, version, reused = self._place(pipelines)
        name, arguments = self.name, {**self.arguments, **extra}
        made = pipelines.schedule(name, experiment, pipeline, version, arguments, trigger)
        # Only now: what cannot be made replaces nothing.
        older = [one for one in pipelines.schedules(name, experiment, pipeline) if one != made]
        try:
            for identity in older:
                pipelines.unschedule(identity)
        except ClusterError as err:
            raise ClusterError(
                f"schedule {made} was made, and an older one of its name goes on: {err.found}",
                expected="one schedule of a name",
                fix=f"delete {', '.join(older)} in the dashboard, under Recurring Runs",
            ) from err
        link = pipelines.connection.schedule_link(made)
        return Submitted(made, self._version, reused, link, tuple(older))

    def _place(self, pipelines: Pipelines) -> tuple[str, str, str, bool]:
        """Return experiment, pipeline and version, made if need be, and whether that was there."""
        pipeline = pipelines.pipeline(self.pipeline)
        version, reused = pipelines.version(pipeline, self._version, self._content)
        return pipelines.experiment(self.experiment), pipeline, version, reused


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


def out_folder(name: str, out: Path | None) -> Path:
    """Return the folder for what is downloaded: ``runs/<name>-<time>`` by default."""
    return out or Path("runs").absolute() / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"
