"""``ensemble``: combine the best trials of all lanes into one servable model."""

from math import inf
from typing import TYPE_CHECKING, Any

from regatta.artifacts import open_artifact, read_json, write_json, writing
from regatta.dataset.schema import Schema
from regatta.evaluation.metrics import get_metric
from regatta.search.budget import selection_seconds
from regatta.settings import RunSettings
from regatta.stages.task import stage

if TYPE_CHECKING:
    from regatta.ensemble.limits import Limits

__all__ = ["run"]


def run(
    trials: list[str], features: str, plan: str, bundle: str, leaderboard: str
) -> dict[str, Any]:
    """Select an ensemble, write it as a bundle, and rank all trials.

    Parameters
    ----------
    trials : list of str
        Folders of the trials artifacts of all lanes.
    features, plan : str
        Folders of the artifacts to read.
    bundle, leaderboard : str
        Folders of the artifacts to write.

    Returns
    -------
    dict
        ``trials``, ``ok``, ``members``, ``metric`` and ``score``, the out-of-fold score of the
        ensemble.

    Raises
    ------
    SearchError
        No trial gave a model, or none keeps the limits that are set.
    BudgetError
        No trial gave a model, and time was all that was wanting.
    ArtifactError
        An artifact is missing or changed.
    """
    import numpy as np

    from regatta import bundle as bundles
    from regatta.ensemble.candidates import read_lanes
    from regatta.ensemble.leaderboard import leaderboard as rank
    from regatta.ensemble.leaderboard import nothing_succeeded
    from regatta.ensemble.select import select

    with stage("ensemble") as numbers:
        planned = read_json(open_artifact(plan, "plan").file("plan.json"))
        settings = RunSettings.from_values(planned["settings"])
        metric = get_metric(planned["metric"], planned["task"])
        race = read_lanes(trials)
        if not race.usable:
            raise nothing_succeeded(race, settings.budget.seconds)
        known = open_artifact(features, "features", verify=("schema.json",)).file("schema.json")
        about = Schema.from_dict(read_json(known))
        own = {"weights.npy": about.weight, "groups.npy": about.group}
        there = tuple(name for name, column in own.items() if column)
        wanted = ("target.npy", "folds.npy", "features.json", *there)
        table = open_artifact(features, "features", verify=wanted)
        weights, groups = (
            np.load(table.file(name), allow_pickle=False) if column else None
            for name, column in own.items()
        )
        selection = select(
            race.comparable,
            np.load(table.file("target.npy"), allow_pickle=False),
            np.load(table.file("folds.npy"), allow_pickle=False),
            metric,
            max_members=settings.ensemble.max_members,
            iterations=settings.ensemble.iterations,
            seed=settings.seed,
            # Where the trials are fixed, so is what is made of them, however slow the machine is.
            seconds=inf
            if settings.search.max_trials
            else selection_seconds(settings.budget.seconds),
            limits=_limits(settings, features),
            stacking=settings.ensemble.stacking,
            weights=None if weights is None else weights / weights.mean(),
            groups=groups,
        )
        spec = bundles.BundleSpec(
            name=settings.name,
            schema=about,
            features=read_json(table.file("features.json")),
            metric=metric.key,
            members=tuple(trial.member(weight) for trial, weight in selection.members),
            score=selection.score,
            pooling=selection.pooling,
            thresholds=selection.thresholds,
            fingerprint=str(table.metadata.get("fingerprint", "")),
            metadata={
                "seed": settings.seed,
                "n_folds": planned["n_folds"],
                **({"weight": about.weight} if about.weight else {}),
            },
        )
        bundles.write(bundle, spec)
        with writing(leaderboard, "leaderboard", metric=metric.key) as folder:
            write_json(folder / "leaderboard.json", rank(race, selection, metric))
        numbers.update(
            trials=len(race.trials),
            ok=len(race.usable),
            members=len(selection.members),
            metric=metric.key,
            score=float(f"{selection.score:.6g}"),
        )
        return numbers


def _limits(settings: RunSettings, features: str) -> "Limits | None":
    """Return what the members may cost together; None where nothing is set."""
    wanted = settings.ensemble
    if not wanted.max_row_milliseconds and not wanted.max_bytes:
        return None
    from regatta.ensemble.limits import Limits
    from regatta.search.table import TrainingTable

    frame = TrainingTable.open(features).frame().iloc[:1]
    row = {str(name): frame[name].to_numpy() for name in frame.columns}
    return Limits(wanted.max_row_milliseconds / 1000, wanted.max_bytes, row)
