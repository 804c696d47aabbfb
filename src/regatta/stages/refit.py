"""``refit``: what was measured learns from the locked rows, too, before it is released."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from regatta.artifacts import open_artifact, read_json, write_json, writing
from regatta.artifacts.records import TrialRecord
from regatta.bundle import BundleSpec, FitSpec, Measured, MemberSpec, write
from regatta.dataset import load_frame
from regatta.dataset.schema import Schema
from regatta.evaluation.metrics import Metric, get_metric
from regatta.features import RowFeatures
from regatta.settings import RunSettings
from regatta.splits import Splits
from regatta.stages.featurize import write_frame
from regatta.stages.task import stage
from regatta.stages.trial import ONE_THREAD

__all__ = ["run"]

LEAST_SECONDS = 1.5
"""Less than this is not worth a process."""
WORSE_SHARE = 0.02
"""A member measured by one fold may come out worse by this share of its loss: that is chance."""


def run(
    dataset: str,
    schema: str,
    splits: str,
    bundle: str,
    leaderboard: str,
    plan: str,
    model: str,
    *,
    deadline: float,
    measured: Measured,
) -> dict[str, Any]:
    """Fit the members of a bundle again on all rows, as many as there is time for.

    Parameters
    ----------
    dataset, schema, splits, bundle, leaderboard, plan : str
        Folders of the artifacts to read.
    model : str
        Folder of the bundle to write; the same members with the same weights.
    deadline : float
        When it must be written, in seconds since the epoch.
    measured : Measured
        What the bundle said of the locked rows.

    Returns
    -------
    dict
        ``members`` and ``refitted``, how many of them know the locked rows now.

    Raises
    ------
    ArtifactError
        An artifact is missing or changed. A member that has no time, that fails, or that comes out
        worse on the rows that its folds validate stays as it was.
    """
    with stage("refit") as numbers:
        planned = read_json(open_artifact(plan, "plan").file("plan.json"))
        settings = RunSettings.from_values(planned["settings"])
        about = Schema.from_dict(read_json(open_artifact(schema, "schema").file("schema.json")))
        described = read_json(open_artifact(bundle, "bundle").file("bundle.json"))
        trials = read_json(open_artifact(leaderboard, "leaderboard").file("leaderboard.json"))
        metric = get_metric(planned["metric"], about.task)
        parent = Path(model).absolute().parent
        parent.mkdir(parents=True, exist_ok=True)
        # On the file system of the bundle, which takes the models over by hard links.
        with tempfile.TemporaryDirectory(prefix=".refit-", dir=parent) as scratch:
            folder = Path(scratch)
            again: dict[str, TrialRecord] = {}
            if deadline - time.time() > LEAST_SECONDS:
                features = str(folder / "features")
                _write_all_rows(dataset, about, splits, features)
                records = {row["id"]: _record(row) for row in trials["trials"]}
                wanted = [records[member["trial"]] for member in described["members"]]
                found = _run_again(features, wanted, planned, settings, deadline, folder)
                again = {r.id: r for r in found if not _worse(r, records[r.id], metric)}
            members = [
                _member(member, again.get(member["trial"]), folder / "again", Path(bundle))
                for member in described["members"]
            ]
            write(model, _spec(described, about, members, measured if again else None, list(again)))
        numbers.update(members=len(members), refitted=len(again))
    return numbers


def _record(row: Mapping[str, Any]) -> TrialRecord:
    """Return the record in a row of the leaderboard, which has a rank and a weight besides."""
    names = {field.name for field in fields(TrialRecord)}
    return TrialRecord.from_dict({name: row[name] for name in row if name in names})


def _write_all_rows(dataset: str, about: Schema, splits: str, features: str) -> None:
    """Write the features of all rows; the locked ones are trained on by every fold."""
    stored = Splits.open(splits)
    rows = np.sort(np.concatenate([stored.train(), stored.locked()]))
    folds: npt.NDArray[np.int16] = stored.assignment[rows].astype(np.int16)
    folds[folds < 0] = stored.n_folds
    row_features = RowFeatures.plan(about)
    target = load_frame(dataset, columns=[about.target], rows=rows, verify=False)[about.target]
    with writing(features, "features", n_folds=stored.n_folds) as folder:
        write_frame(folder / "frame.parquet", dataset, about, rows, row_features)
        np.save(folder / "target.npy", about.encode_target(target))
        np.save(folder / "folds.npy", folds)
        write_json(folder / "features.json", row_features.to_dict())
        write_json(folder / "schema.json", about.to_dict())


def _run_again(
    features: str,
    records: Sequence[TrialRecord],
    planned: Mapping[str, Any],
    settings: RunSettings,
    deadline: float,
    folder: Path,
) -> list[TrialRecord]:
    """Run the process of the refit; what it had not written when it ended is lost."""
    request, made = folder / "request.json", folder / "again"
    made.mkdir()
    values = {
        "features": features,
        "metric": planned["metric"],
        "records": [record.to_dict() for record in records],
        "terms": {
            "deadline": deadline,
            "cores": settings.search.cores,
            "memory_bytes": settings.search.memory_bytes,
            "seed": settings.seed,
        },
    }
    write_json(request, values)
    subprocess.run(
        [sys.executable, "-m", "regatta.refit", str(request), str(made), str(os.getpid())],
        stdin=subprocess.DEVNULL,
        env={**os.environ, **dict.fromkeys(ONE_THREAD, "1")},
        check=False,
    )
    written = made / "refit.json"
    found = read_json(written) if written.is_file() else []
    return [TrialRecord.from_dict(values) for values in found]


def _worse(new: TrialRecord, old: TrialRecord, metric: Metric) -> bool:
    """Return whether more rows made a member worse, by more than its folds differ by chance."""
    if new.score is None or old.score is None:
        return True
    if new.truncated and not old.truncated:
        return True
    scores = np.array([score for score in old.fold_scores if score is not None])
    loss = metric.loss(old.score)
    chance = scores.std() / len(scores) ** 0.5 if len(scores) > 1 else WORSE_SHARE * abs(loss)
    return bool(metric.loss(new.score) > loss + chance)


def _member(
    member: Mapping[str, Any], again: TrialRecord | None, made: Path, bundle: Path
) -> MemberSpec:
    """Return a member with its new fits, or with those that it had."""
    if again is None:
        fits = [FitSpec(bundle / fit["encoder"], bundle / fit["model"]) for fit in member["fits"]]
    else:
        folder = made / again.id
        encoders = read_json(open_artifact(folder, "trial").file("fits.json"))["encoders"]
        fits = [
            FitSpec(made / "encoders" / encoder, folder / f"model/fold-{number}")
            for number, encoder in enumerate(encoders)
        ]
    return MemberSpec(
        member["trial"], member["learner"], member["params"], member["weight"], tuple(fits)
    )


def _spec(
    described: Mapping[str, Any],
    about: Schema,
    members: Sequence[MemberSpec],
    measured: Measured | None,
    refitted: list[str],
) -> BundleSpec:
    """Return the new bundle: everything but the fits is as it was."""
    return BundleSpec(
        name=described["name"],
        schema=about,
        features=described["features"],
        metric=described["metric"],
        members=tuple(members),
        score=described["score"],
        thresholds=tuple(described["thresholds"]),
        fingerprint=described["fingerprint"],
        metadata={**described["metadata"], "refitted": refitted},
        measured=measured,
    )
