"""``evaluate``: measure the bundle on the locked rows, once, and write the report."""

import math
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from regatta.artifacts import open_artifact, read_json, write_json, writing
from regatta.dataset.schema import Schema
from regatta.evaluation.baseline import Baseline
from regatta.evaluation.importance import Importance, permutation_importance
from regatta.evaluation.intervals import Resamples
from regatta.evaluation.metrics import Metric, get_metric, metrics_for
from regatta.evaluation.pictures import draw
from regatta.evaluation.scoring import decided, row_of, score_all
from regatta.processes.client import is_warm
from regatta.search.budget import COLUMNS_BOUNDS, columns_seconds, release_seconds
from regatta.search.machine import in_pod
from regatta.settings import RunSettings
from regatta.stages import refit
from regatta.stages.champion import challenge, champion_of
from regatta.stages.locked import Locked, open_locked
from regatta.stages.reference import reference_of
from regatta.stages.samples import samples_of
from regatta.stages.task import stage
from regatta.stages.warm_start import remember_best

if TYPE_CHECKING:
    from regatta.bundle import Bundle

__all__ = ["run"]

Array = npt.NDArray[np.float64]

SCALARS = 9
"""Metrics that fit on one screen of the dashboard, the number of rows among them."""


def run(
    dataset: str,
    schema: str,
    splits: str,
    bundle: str,
    leaderboard: str,
    plan: str,
    evaluation: str,
    report: str,
    metrics: str,
    curves: str,
    model: str,
    champion: str = "",
    registry: str | None = None,
) -> dict[str, Any]:
    """Measure a bundle on the locked rows, then let it learn from them.

    Parameters
    ----------
    dataset, schema, splits, bundle, leaderboard, plan : str
        Folders of the artifacts to read.
    evaluation : str
        Folder of the artifact to write: evaluation.json, leaderboard.json, samples.json.
    report, metrics, curves : str
        Files to write: the report as HTML, the scores and the curves as JSON.
    model : str
        Folder of the bundle to write, which is released: the measured one, its members fitted
        again with the locked rows among what they learn from (see `regatta.stages.refit`).
    champion : str, default ""
        Folder of the bundle in service, scored on the same rows if it can be.
    registry : str, optional
        Folder of the registry to find the champion in, if it is not named; empty for the default
        registry, None to compare with none.

    Returns
    -------
    dict
        ``metrics``: scalars by name, one screen of them; ``roc`` (binary): ``fpr``, ``tpr``,
        ``thresholds`` or None; ``confusion`` (classification): ``labels``, ``matrix`` or None.

    Raises
    ------
    ArtifactError
        An artifact is missing or damaged, or no locked row has a target.
    SplitError
        The metric is undefined on the locked rows.
    """
    from regatta import bundle as bundles
    from regatta.evaluation.report import render

    with stage("evaluate") as numbers:
        began = time.perf_counter()
        planned = read_json(open_artifact(plan, "plan").file("plan.json"))
        settings = RunSettings.from_values(planned["settings"])
        about = Schema.from_dict(read_json(open_artifact(schema, "schema").file("schema.json")))
        metric = get_metric(planned["metric"], about.task)
        trials = read_json(open_artifact(leaderboard, "leaderboard").file("leaderboard.json"))
        if not champion and registry is not None:
            champion = champion_of(settings.name, registry)
        ends = _ends(settings, trials)
        with refit.begun(
            *(dataset, schema, splits, bundle, leaderboard, plan, model),
            deadline=_refit_deadline(ends, planned["refit_seconds"]),
        ) as learning:
            # The refit has just verified it.
            winner = bundles.load(bundle, verify=False)
            locked = open_locked(dataset, about, splits, winner, settings)
            values = _evaluate(winner, about, metric, locked, settings, ends)
            verdict = challenge(
                champion,
                about,
                metric,
                locked.frame,
                locked.y,
                locked.predicted,
                locked.keys,
                locked.lock,
                settings,
                thresholds=winner.thresholds,
                weights=locked.weights,
                together=locked.together,
            )
            # Also where the champion stays: the new version is registered as its challenger.
            known = np.concatenate([locked.train_rows, locked.all_rows])
            reference = reference_of(
                dataset, about, known, winner, locked.predicted, values, settings.seed
            )
            said = bundles.Measured(
                locked.keys, locked.predicted, locked.all_groups, locked.all_keys
            )
            learnt = learning.finish(said, reference)
        values |= {
            "dataset": open_artifact(dataset, "dataset", verify=False).metadata,
            "settings": settings.model_dump(mode="json"),
            "findings": read_json(Path(schema) / "findings.json"),
            "verdict": verdict.decision,
            "comparison": verdict.to_dict(),
            "refit": learnt,
            "seconds": round(time.perf_counter() - began, 3),
        }
        _write(evaluation, values, trials, samples_of(bundles.load(model), locked.frame))
        returned = _returned(values)
        for path, content in ((metrics, returned["metrics"]), (curves, values["pictures"])):
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            write_json(Path(path), content)
        Path(report).parent.mkdir(parents=True, exist_ok=True)
        Path(report).write_text(render(values, trials), encoding="utf-8", errors="replace")
        remember_best(str(values["dataset"]["fingerprint"]), about, trials, settings)
        numbers.update(metric=metric.key, **_shown(values["metric"]), rows=len(locked.y))
        return returned


def _ends(settings: RunSettings, trials: Mapping[str, Any]) -> float:
    """Return until when the budget leaves time to measure and to refit, since the epoch.

    On a cluster that is not known: nobody can say how long the pods of the other tasks take.
    """
    ends = [lane["budget_ends_at"] for lane in trials["lanes"] if "budget_ends_at" in lane]
    if not ends or in_pod():
        return math.inf
    from regatta.learners import get_learner

    loading = sum(
        get_learner(trial["recipe"]["learner"]).seconds_per_byte * trial["model_bytes"]
        for trial in trials["trials"]
        if trial["weight"]
    )
    speed = max(lane.get("speed", 1.0) for lane in trials["lanes"])
    deploy = settings.deploy.target
    return float(min(ends)) - release_seconds(deploy, loading, speed=speed, warm=is_warm())


def _refit_deadline(ends: float, seconds: float) -> float:
    """Return until when members may be fitted again: all the time there is, or what was kept."""
    return ends if seconds and math.isfinite(ends) else time.time() + seconds


def _evaluate(
    model: "Bundle",
    schema: Schema,
    metric: Metric,
    locked: Locked,
    settings: RunSettings,
    ends: float,
) -> dict[str, Any]:
    """Compute everything that evaluation.json says about the model itself."""
    wanted = settings.evaluate.resamples
    outputs = {"n_outputs": schema.n_outputs, "seed": settings.seed}
    resamples = Resamples.plan(
        locked.y,
        schema.task,
        wanted=wanted,
        row_weights=locked.weights,
        groups=locked.groups,
        **outputs,
    )
    baseline = Baseline.fit(
        locked.y_train, schema.task, schema.n_outputs, metric.key, locked.train_weights
    )
    # The run's own metric leads wherever metrics are listed.
    ordered = [metric, *(other for other in metrics_for(schema.task) if other is not metric)]
    scores = score_all(
        ordered,
        locked.y,
        locked.predicted,
        baseline.predict(len(locked.y)),
        resamples=resamples,
        confidence=settings.evaluate.confidence,
        thresholds=model.thresholds,
    )
    leading = row_of(metric, scores, locked.y, schema.classes)
    importance = _importance(model, schema, metric, locked, settings, ends)
    labels = decided(locked.predicted, model.thresholds)
    return {
        "name": model.name,
        "task": schema.task,
        "target": schema.target,
        "weight": schema.weight,
        **_split(schema, locked, resamples),
        "classes": list(schema.classes),
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "metric": {**leading, "validation": model.metadata.get("score")},
        "metrics": {row["key"]: row["score"] for row in scores},
        "scores": scores,
        "intervals": {
            "confidence": settings.evaluate.confidence,
            "resamples": resamples.count,
            "wanted": wanted,
            "method": resamples.method,
            "fewest": int(resamples.fewest_effective),
        },
        "baseline": {"kind": baseline.kind, "answer": baseline.answer.tolist()},
        "locked": {
            "n_rows": len(locked.all_rows),
            "scored": len(locked.y),
            "n_table": schema.n_rows,
            "n_train": len(locked.y_train),
            "sha256": locked.sha256,
            "lock": locked.lock.to_dict(),
            "opened": 1,
        },
        "importance": importance.to_dict(),
        "pictures": draw(
            schema, locked.frame, locked.y, locked.predicted, labels, importance, settings.seed
        ),
        "members": model.metadata.get("members", []),
        "versions": model.metadata.get("versions", {}),
    }


def _split(schema: Schema, locked: Locked, resamples: Resamples) -> dict[str, Any]:
    """Say how rows were split, unless each was by itself."""
    if not locked.by:
        return {}
    about = {"by": locked.by, "group": schema.group, "time": schema.time}
    return {"split": {**about, "n_groups": resamples.n_groups if schema.group else 0}}


def _importance(
    model: "Bundle",
    schema: Schema,
    metric: Metric,
    locked: Locked,
    settings: RunSettings,
    ends: float,
) -> Importance:
    """Measure the raw columns within a small share of the budget, and of what is left of it."""
    kept = columns_seconds(settings.budget.seconds, len(model.signature))

    def answers(predicted: Array) -> Array:
        return decided(predicted, model.thresholds) if metric.by_label else predicted

    return permutation_importance(
        lambda frame: answers(model.predict_array(frame)),
        locked.frame,
        locked.y,
        metric,
        predicted=answers(locked.predicted),
        columns=[column.name for column in model.signature],
        seed=settings.seed,
        seconds=max(min(kept, ends - time.time()), COLUMNS_BOUNDS[0]),
        stratify=bool(schema.classes),
        weights=locked.weights,
    )


def _write(
    evaluation: str, values: dict[str, Any], trials: dict[str, Any], samples: dict[str, Any]
) -> None:
    """Write the evaluation artifact."""
    about = {key: values[key] for key in ("name", "task", "target")}
    with writing(evaluation, "evaluation", **about) as folder:
        write_json(folder / "evaluation.json", values)
        write_json(folder / "leaderboard.json", trials)
        write_json(folder / "samples.json", samples)


def _returned(values: dict[str, Any]) -> dict[str, Any]:
    """Choose what the KFP dashboard shows: finite scalars, one screen of them."""
    first, *others = values["scores"]
    key = first["key"]
    scalars = {
        key: first["score"],
        f"{key}_low": first["low"],
        f"{key}_high": first["high"],
        f"{key}_baseline": first["baseline"],
        **{row["key"]: row["score"] for row in others},
    }
    finite = [(name, v) for name, v in scalars.items() if v is not None and math.isfinite(v)]
    shown: dict[str, float] = dict(finite[:SCALARS])
    pictures = values["pictures"]
    confusion = pictures.get("confusion")
    return {
        "metrics": {**shown, "locked_rows": values["locked"]["n_rows"]},
        "roc": pictures["roc"][0]["curve"] if values["task"] == "binary" else None,
        "confusion": confusion and {key: confusion[key] for key in ("labels", "matrix")},
    }


def _shown(metric: dict[str, Any]) -> dict[str, float]:
    """Return score and interval with five digits, for the log."""
    return {
        key: float(f"{metric[key]:.5g}")
        for key in ("score", "low", "high", "baseline")
        if metric[key] is not None
    }
