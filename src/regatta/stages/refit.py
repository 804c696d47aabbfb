"""``refit``: what was measured learns from the locked rows, too, before it is released."""

import logging
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from regatta.artifacts import open_artifact, read_json, write_json
from regatta.artifacts.records import TrialRecord
from regatta.bundle import BundleSpec, FitSpec, Measured, MemberSpec, pooling_of, write
from regatta.dataset.schema import Schema
from regatta.ensemble.candidates import Trial
from regatta.evaluation.metrics import Metric, get_metric
from regatta.features import RowFeatures
from regatta.processes.client import ONE_THREAD, Forked, start
from regatta.refit import WHOLE
from regatta.refit.whole import trial_of
from regatta.search.machine import in_pod
from regatta.settings import RunSettings
from regatta.splits import Splits
from regatta.stages.featurize import write_features
from regatta.stages.task import stage

__all__ = ["Refit", "begun"]

logger = logging.getLogger(__name__)

RETRY_VARIABLE = "KFP_RETRY_INDEX"
DRAWS = 3
"""Most fits of all rows for one member that is no network. There is one where limits are set, where
trials are fixed, and in pods, which do not know when the budget ends."""
LEAST_SECONDS = 1.5
"""Less than this is not worth a process."""
WORSE_SHARE = 0.02
"""A member measured by one fold may come out worse by this share of its loss: that is chance."""
WHOLE_WORSE_SHARE = 0.1
"""The same of a fit of all rows, which has learnt from what it is measured by: a safeguard."""


@dataclass
class Refit:
    """A refit that is at work, beside the measurement.

    Attributes
    ----------
    bundle, model : Path
        The bundle that was measured, and the one to write.
    folder : Path
        For what may be lost; on the file system of `model`, which takes models by hard links.
    about : Schema
        Columns of the table.
    metric : Metric
        What the race was about.
    described : mapping
        What bundle.json says of the measured bundle.
    records : mapping of str to TrialRecord
        All trials of the race.
    limited : bool
        Whether the user has limited the size or the latency of the ensemble.
    process : Forked, Popen or None
        Who fits; None where there is no time.
    """

    bundle: Path
    model: Path
    folder: Path
    about: Schema
    metric: Metric
    described: Mapping[str, Any]
    records: Mapping[str, TrialRecord]
    limited: bool = False
    process: "Forked | subprocess.Popen[Any] | None" = None

    def finish(
        self, measured: Measured, reference: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Wait for the process and write the bundle that is released.

        Parameters
        ----------
        measured : Measured
            What the measured bundle said of the locked rows.
        reference : mapping, optional
            What served rows are compared with (`regatta.stages.reference`).

        Returns
        -------
        dict
            ``members``; ``refitted``, how many of them know the locked rows now; and ``fits``, the
            trials that were made for that, one or more a member.
        """
        with stage("refit") as numbers:
            again = self._found()
            members = [self._member(member, again) for member in self.described["members"]]
            spec = self._spec(members, measured if again else None, list(again))
            write(self.model, replace(spec, reference=reference))
            fits = sum(len(found) for found in again.values())
            numbers.update(members=len(members), refitted=len(again), fits=fits)
        return numbers

    def stop(self) -> None:
        """End the process; its children end with it."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def _found(self) -> dict[str, list[Trial]]:
        """Return what the process made and is no worse, by trial; the rest is lost."""
        made = self.folder / "again"
        if self.process is None:
            return {}
        code = self.process.wait()
        if not (made / "refit.json").is_file():
            logger.warning("the refit ended with exit code %s: its members stay as they were", code)
            return {}
        found = read_json(made / "refit.json")
        kinds = ("folds", made, 0.0), (WHOLE, made / WHOLE, WHOLE_WORSE_SHARE)
        again: dict[str, list[Trial]] = {}
        for name, folder, share in kinds:
            for values in found[name]:
                record = TrialRecord.from_dict(values)
                known, new = again.setdefault(trial_of(record.id), []), Trial(record, folder)
                if not self._worse(record, share) and not _is_among(new, known):
                    known.append(new)
        return {trial: found for trial, found in again.items() if found}

    def _worse(self, new: TrialRecord, share: float = 0.0) -> bool:
        """Return whether more rows made a member worse, by more than folds differ by chance.

        Parameters
        ----------
        new : TrialRecord
            What came of it.
        share : float, default 0
            Share of its loss by which it may be worse besides.
        """
        old = self.records[trial_of(new.id)]
        if new.score is None or old.score is None or (new.truncated and not old.truncated):
            return True
        if self.limited and new.model_bytes > old.model_bytes:
            # More rows may be worth more trees; the measured ones have kept the limits.
            return True
        scores = np.array([score for score in old.fold_scores if score is not None])
        loss = self.metric.loss(old.score)
        chance = scores.std() / len(scores) ** 0.5 if len(scores) > 1 else WORSE_SHARE * abs(loss)
        return bool(self.metric.loss(new.score) > loss + chance + share * abs(loss))

    def _member(self, member: Mapping[str, Any], again: Mapping[str, list[Trial]]) -> MemberSpec:
        """Return a member with its new fits, or with those that it had."""
        if found := again.get(member["trial"]):
            first, *others = [trial.member(member["weight"]) for trial in found]
            more = chain.from_iterable(other.fits for other in others)
            return replace(first, trial=member["trial"], fits=(*first.fits, *more))
        fits = tuple(
            FitSpec(self.bundle / fit["encoder"], self.bundle / fit["model"])
            for fit in member["fits"]
        )
        return MemberSpec(
            member["trial"], member["learner"], member["params"], member["weight"], fits
        )

    def _spec(
        self, members: list[MemberSpec], measured: Measured | None, refitted: list[str]
    ) -> BundleSpec:
        """Return the new bundle: everything but the fits is as it was."""
        described = self.described
        return BundleSpec(
            name=described["name"],
            schema=self.about,
            features=described["features"],
            metric=described["metric"],
            members=tuple(members),
            score=described["score"],
            pooling=pooling_of(described),
            thresholds=tuple(described["thresholds"]),
            fingerprint=described["fingerprint"],
            metadata={**described["metadata"], "refitted": refitted},
            measured=measured,
        )


@contextmanager
def begun(
    dataset: str,
    schema: str,
    splits: str,
    bundle: str,
    leaderboard: str,
    plan: str,
    model: str,
    *,
    deadline: float,
) -> Iterator[Refit]:
    """Begin to fit the members of a bundle again on all rows, as many as there is time for.

    It goes on in a process of its own while the bundle is measured, and ends with the context.

    Parameters
    ----------
    dataset, schema, splits, bundle, leaderboard, plan : str
        Folders of the artifacts to read.
    model : str
        Folder of the bundle to write; the same members with the same weights.
    deadline : float
        When all fits must be written, in seconds since the epoch.

    Yields
    ------
    Refit
        To finish it with. A member that has no time, that fails, or that comes out worse on the
        rows that its folds validate stays as it was.

    Raises
    ------
    ArtifactError
        An artifact is missing or changed.
    """
    planned = read_json(open_artifact(plan, "plan").file("plan.json"))
    settings = RunSettings.from_values(planned["settings"])
    about = Schema.from_dict(read_json(open_artifact(schema, "schema").file("schema.json")))
    described = read_json(open_artifact(bundle, "bundle").file("bundle.json"))
    trials = read_json(open_artifact(leaderboard, "leaderboard").file("leaderboard.json"))
    parent = Path(model).absolute().parent
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".refit-", dir=parent) as scratch:
        job = Refit(
            Path(bundle),
            Path(model),
            Path(scratch),
            about,
            get_metric(planned["metric"], about.task),
            described,
            {},
            bool(settings.ensemble.max_bytes or settings.ensemble.max_row_milliseconds),
        )
        try:
            if died_before():
                logger.warning("the winner is not fitted again: this task has died before")
            elif deadline - time.time() > LEAST_SECONDS:
                job.records = {row["id"]: _record(row) for row in trials["trials"]}
                _write_all_rows(dataset, about, splits, str(job.folder / "features"))
                job.process = _start(job, planned, settings, deadline)
            yield job
        finally:
            job.stop()


def died_before() -> bool:
    """Return whether Kubeflow Pipelines has started this task before.

    Fitting is what takes memory here, and a model that was measured is there without it.
    """
    return os.environ.get(RETRY_VARIABLE, "0") != "0"


def _is_among(new: Trial, known: Sequence[Trial]) -> bool:
    """Return whether another draw has come out the same: where nothing is drawn, all do.

    Scores do not tell: they are of rows that were learnt from, and often perfect.
    """
    if not known:
        return False
    oof = new.oof()
    return any(np.array_equal(oof, one.oof(), equal_nan=True) for one in known)


def _record(row: Mapping[str, Any]) -> TrialRecord:
    """Return the record in a row of the leaderboard, which has a rank and a weight besides."""
    names = {field.name for field in fields(TrialRecord)}
    return TrialRecord.from_dict({name: row[name] for name in row if name in names})


def _write_all_rows(dataset: str, about: Schema, splits: str, features: str) -> None:
    """Write the features of all rows; the locked ones are trained on by every fold."""
    stored = Splits.open(splits)
    rows = np.sort(np.concatenate([stored.train(), stored.locked()]))
    folds = stored.assignment[:, rows]
    folds[folds < 0] = stored.n_folds
    plan = RowFeatures.plan(about)
    write_features(features, dataset, about, plan, rows, folds, n_folds=stored.n_folds)


def _start(
    job: Refit, planned: Mapping[str, Any], settings: RunSettings, deadline: float
) -> "Forked | subprocess.Popen[Any]":
    """Start the process."""
    request, made = job.folder / "request.json", job.folder / "again"
    made.mkdir()
    values = {
        "features": str(job.folder / "features"),
        "metric": planned["metric"],
        "records": [job.records[m["trial"]].to_dict() for m in job.described["members"]],
        "weights": [m["weight"] for m in job.described["members"]],
        "conditions": {
            "deadline": deadline,
            "cores": settings.search.cores,
            "memory_bytes": settings.search.memory_bytes,
            "seed": settings.seed,
            "n_train_rows": planned["n_train_rows"],
            "draws": 1 if job.limited or settings.search.max_trials or in_pod() else DRAWS,
        },
    }
    write_json(request, values)
    arguments = [str(request), str(made), str(os.getpid())]
    return start("regatta.refit", arguments, os.environ | ONE_THREAD)
