"""``ensemble``: combine the best trials of all lanes into one servable model."""

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any

from regatta.artifacts import open_artifact, read_json, write_json, writing
from regatta.dataset.schema import Schema
from regatta.evaluation.metrics import Metric, get_metric
from regatta.search.budget import selection_seconds
from regatta.settings import RunSettings
from regatta.stages.task import stage

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from regatta.ensemble.candidates import Race
    from regatta.ensemble.limits import Limits
    from regatta.ensemble.select import Selection

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
    from regatta import bundle as bundles
    from regatta.ensemble.candidates import read_lanes
    from regatta.ensemble.leaderboard import leaderboard as rank
    from regatta.ensemble.leaderboard import nothing_succeeded

    with stage("ensemble") as numbers:
        planned = read_json(open_artifact(plan, "plan").file("plan.json"))
        settings = RunSettings.from_values(planned["settings"])
        metric = get_metric(planned["metric"], planned["task"])
        race = read_lanes(trials)
        if not race.usable:
            raise nothing_succeeded(race, settings.budget.seconds)
        rows = _Rows.open(features)
        selection = _select(race, rows, metric, settings, features)
        weighted = {"weight": rows.schema.weight} if rows.schema.weight else {}
        spec = bundles.BundleSpec(
            name=settings.name,
            schema=rows.schema,
            features=rows.features,
            metric=metric.key,
            members=tuple(trial.member(weight) for trial, weight in selection.members),
            score=selection.score,
            pooling=selection.pooling,
            thresholds=selection.thresholds,
            fingerprint=rows.fingerprint,
            metadata={"seed": settings.seed, "n_folds": race.n_folds, **weighted},
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


@dataclass(frozen=True)
class _Rows:
    """What the ensemble needs to know of the training rows.

    Attributes
    ----------
    schema : Schema
        Columns and task.
    features : mapping
        How features are made of a row.
    fingerprint : str
        Name of the table's content.
    target : ndarray of shape (n_rows,), float64
        Class codes or values.
    folds : ndarray of shape (n_repeats, n_rows), int
        Fold that validates each row.
    weights : ndarray of shape (n_rows,), float64, or None
        What each row counts, of mean 1.
    groups : ndarray of shape (n_rows,), int64, or None
        Group of each row.
    """

    schema: Schema
    features: dict[str, Any]
    fingerprint: str
    target: "npt.NDArray[np.float64]"
    folds: "npt.NDArray[np.integer]"
    weights: "npt.NDArray[np.float64] | None"
    groups: "npt.NDArray[np.int64] | None"

    @classmethod
    def open(cls, features: str) -> "_Rows":
        """Read and verify what is needed of a features artifact."""
        import numpy as np

        known = open_artifact(features, "features", verify=("schema.json",)).file("schema.json")
        schema = Schema.from_dict(read_json(known))
        own = {"weights.npy": schema.weight, "groups.npy": schema.group}
        names = ["target.npy", "folds.npy", *(name for name, column in own.items() if column)]
        table = open_artifact(features, "features", verify=("features.json", *names))
        arrays = {name: np.load(table.file(name), allow_pickle=False) for name in names}
        weights = arrays.get("weights.npy")
        return cls(
            schema,
            read_json(table.file("features.json")),
            str(table.metadata.get("fingerprint", "")),
            arrays["target.npy"],
            arrays["folds.npy"],
            None if weights is None else weights / weights.mean(),
            arrays.get("groups.npy"),
        )


def _select(
    race: "Race", rows: _Rows, metric: Metric, settings: RunSettings, features: str
) -> "Selection":
    """Select the members in the time that the budget leaves for that."""
    from regatta.ensemble.select import select

    # Where the trials are fixed, so is what is made of them, however slow the machine is.
    fixed = settings.search.max_trials
    return select(
        race.comparable,
        rows.target,
        rows.folds,
        metric,
        max_members=settings.ensemble.max_members,
        iterations=settings.ensemble.iterations,
        seed=settings.seed,
        seconds=inf if fixed else selection_seconds(settings.budget.seconds),
        limits=_limits(settings, features),
        row_seconds=inf if fixed else race.row_seconds,
        stacking=settings.ensemble.stacking,
        weights=rows.weights,
        groups=rows.groups,
    )


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
