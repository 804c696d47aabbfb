"""The plan of a race: what each lane tries, in which order, under which limits."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from regatta.artifacts import open_artifact, read_json, write_json, writing
from regatta.artifacts.records import Recipe
from regatta.errors import SettingsError
from regatta.evaluation.metrics import Metric, get_metric
from regatta.learners.base import MEDIAN, Learner, Shape
from regatta.learners.logarithm import LOGARITHM, is_skewed
from regatta.processes.client import is_warm
from regatta.search.budget import (
    Tail,
    check_budget,
    estimate_tail,
    head_seconds,
    refit_seconds,
    refit_wait,
)
from regatta.search.ledger import usable
from regatta.search.machine import in_pod
from regatta.search.strategies import Refine, queues
from regatta.search.table import TrainingTable
from regatta.search.toolbox import Toolbox
from regatta.search.user_recipes import check_learner, user_recipes
from regatta.search.user_spaces import spaces_of, within
from regatta.settings import RunSettings
from regatta.splits.scheme import choose_locked_share

__all__ = ["Plan", "make_plan", "read_plan", "scored_rows", "write_plan"]


@dataclass(frozen=True)
class Plan:
    """What is raced.

    Attributes
    ----------
    settings : RunSettings
        All settings of the run.
    metric : str
        Key of the metric that is optimised; never ``auto``.
    shape : Shape
        Size of one fold's training rows.
    n_folds : int
        Number of folds; 1 is a holdout.
    n_train_rows : int
        Training rows of all folds.
    learners : tuple of str
        Learners that race.
    lanes : tuple of tuple of Recipe
        Queue of each lane.
    refine : {"bayes", "random", "halving", "none"}
        Who proposes recipes when a queue is empty.
    max_trials : tuple of int
        Most trials of each lane, retries not counted; 0: as many as the budget holds.
    tail : Tail
        What comes after the race, the refit included.
    refit : float
        Seconds of it for fitting the winner again with the locked rows; 0: it is not.
    """

    settings: RunSettings
    metric: str
    shape: Shape
    n_folds: int
    n_train_rows: int
    learners: tuple[str, ...]
    lanes: tuple[tuple[Recipe, ...], ...]
    refine: Refine
    max_trials: tuple[int, ...]
    tail: Tail
    refit: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        search = self.settings.search
        return {
            "settings": self.settings.model_dump(mode="json"),
            "metric": self.metric,
            "task": self.shape.task,
            "n_folds": self.n_folds,
            "n_train_rows": self.n_train_rows,
            "shape": asdict(self.shape),
            "learners": list(self.learners),
            "lanes": [[asdict(recipe) for recipe in lane] for lane in self.lanes],
            "refine": self.refine,
            "limits": {
                "max_trials": list(self.max_trials),
                "memory_bytes": search.memory_bytes,
                "trial_seconds": search.trial_seconds,
            },
            "tail": asdict(self.tail),
            "refit_seconds": self.refit,
            "tail_seconds": round(self.tail.seconds(), 3),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Plan":
        """Read what `to_dict` returned."""
        return cls(
            settings=RunSettings.from_values(values["settings"]),
            metric=values["metric"],
            shape=Shape(**values["shape"]),
            n_folds=values["n_folds"],
            n_train_rows=values["n_train_rows"],
            learners=tuple(values["learners"]),
            lanes=tuple(
                tuple(Recipe.from_dict(recipe) for recipe in lane) for lane in values["lanes"]
            ),
            refine=values["refine"],
            max_trials=tuple(values["limits"]["max_trials"]),
            tail=Tail(**values["tail"]),
            refit=values["refit_seconds"],
        )

    @property
    def objective(self) -> Metric:
        """The metric that is optimised."""
        return get_metric(self.metric, self.shape.task)

    @property
    def fixed(self) -> bool:
        """Whether the trials are fixed beforehand: a number of them was asked for."""
        return self.settings.search.max_trials > 0


def make_plan(
    table: TrainingTable,
    settings: RunSettings,
    toolbox: Toolbox | None = None,
    earlier: Iterable[Recipe] = (),
) -> Plan:
    """Plan the race on a table.

    Parameters
    ----------
    table : TrainingTable
        Training rows.
    settings : RunSettings
        What the user asked for.
    toolbox : Toolbox, optional
        Where learners come from.
    earlier : iterable of Recipe
        Recipes that did well in earlier runs (`regatta.search.ledger`); those that still fit are
        raced first, unless the number of trials is fixed.

    Raises
    ------
    SettingsError
        A learner is unknown or does not learn the task, the metric does not fit, or a space or a
        recipe of the user's does not.
    BudgetError
        No trial fits into the budget.
    """
    tools = toolbox or Toolbox()
    metric = get_metric(settings.search.metric, table.task)
    metric.check(table.y)
    shape = table.shape
    weighted = table.weights is not None
    learners = _learners(settings.search.learners, shape, tools, weighted=weighted)
    scored = scored_rows(table.n_rows, settings)
    tail = estimate_tail(
        table.n_rows,
        shape.n_columns,
        shape.n_outputs,
        scored_rows=scored,
        budget_seconds=settings.budget.seconds,
        deploy=settings.deploy.target,
        pods=in_pod(),
        warm=is_warm(),
    )
    head = head_seconds(table.n_rows, shape.n_columns)
    check_budget(settings.budget.seconds, tail.seconds(), head)
    left = settings.budget.seconds - head - tail.seconds()
    wanted = settings.ensemble.refit
    refit = refit_seconds(left, table.n_rows, shape.n_columns) if wanted else 0.0
    n_texts = sum(feature.kind == "text" for feature in table.features.columns)
    spaces = spaces_of(learners, shape, settings.search.spaces, tools)
    firsts = user_recipes(settings.search.recipes, shape, tools)
    if not settings.search.max_trials:
        known = usable(earlier, learners, shape)
        firsts += within(known, spaces, settings.search.spaces)
    also = _also(metric, table) if shape.task == "regression" else []
    made = queues(learners, spaces, shape, settings, n_texts=n_texts, also=also, firsts=firsts)
    return Plan(
        settings=settings,
        metric=metric.key,
        shape=shape,
        n_folds=table.n_folds,
        n_train_rows=table.n_rows,
        learners=tuple(learners),
        lanes=made.lanes,
        refine=made.refine,
        max_trials=made.trials,
        tail=replace(tail, wait=tail.wait + refit_wait(refit)),
        refit=refit,
    )


def scored_rows(n_train_rows: int, settings: RunSettings) -> int:
    """Return how many locked rows ``evaluate`` will score."""
    share = choose_locked_share(n_train_rows, settings.split.locked_share)
    return int(min(n_train_rows * share / (1 - share), settings.evaluate.max_rows))


def write_plan(path: str | Path, plan: Plan) -> None:
    """Write the plan artifact."""
    with writing(path, "plan", lanes=len(plan.lanes), metric=plan.metric) as folder:
        write_json(folder / "plan.json", plan.to_dict())


def read_plan(path: str | Path, *, verify: bool = True) -> Plan:
    """Read the plan artifact.

    Raises
    ------
    ArtifactError
        The artifact is missing or changed.
    """
    return Plan.from_dict(read_json(open_artifact(path, "plan", verify=verify).file("plan.json")))


def _also(metric: Metric, table: TrainingTable) -> list[dict[str, Any]]:
    """Return with which parameters the first recipes of a regression are tried, too."""
    medians = dict(MEDIAN) if metric.of_medians else {}
    # Where logarithms are compared, every trial learns them.
    skewed = is_skewed(table.y) and not metric.of_logarithms
    return [each for each in (medians, {**LOGARITHM, **medians} if skewed else {}) if each]


def _learners(
    wanted: tuple[str, ...], shape: Shape, tools: Toolbox, *, weighted: bool
) -> dict[str, Learner]:
    """Return the learners that race, in the order of the portfolio; all heed weights if any."""
    for key in wanted:
        check_learner(key, shape, tools, "search.learners")
    keys = dict.fromkeys(wanted) or tools.learners_for(shape.task)
    found = {key: tools.learner(key) for key in keys}
    able = {key: one for key, one in found.items() if one.weighted or not weighted}
    if wanted and len(able) < len(found):
        deaf = next(key for key in found if key not in able)
        raise SettingsError(
            f"learner {deaf!r} does not heed the weights of rows (data.weight)",
            expected="learners that do",
            fix="take it out of search.learners, or run without weights",
        )
    return able
