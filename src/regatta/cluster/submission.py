"""What is sent to a cluster: checked, uploaded, and started or scheduled."""

import hashlib
import json
import time
from dataclasses import dataclass
from typing import Any

from regatta import __version__
from regatta.cluster import compiled
from regatta.cluster.pipelines import Pipelines
from regatta.errors import ClusterError, DataError, SettingsError, UsageError
from regatta.names import RULE, is_name
from regatta.settings import RunSettings
from regatta.stages.parameters import decompose
from regatta.store import Location

__all__ = [
    "Submission",
    "Submitted",
    "check_settings",
    "check_source",
    "version_name",
]


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
