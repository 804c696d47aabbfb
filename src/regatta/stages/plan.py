"""``plan``: decide what each lane races, in which order, under which limits."""

from typing import Any

from regatta.settings import RunSettings
from regatta.stages.task import stage

__all__ = ["run"]


def run(features: str, settings: str, plan: str) -> dict[str, Any]:
    """Plan the race.

    Parameters
    ----------
    features : str
        Folder of the features artifact to read.
    settings : str
        Settings of the run, as JSON text.
    plan : str
        Folder of the plan artifact to write.

    Returns
    -------
    dict
        ``lanes``, ``recipes``, ``folds``, ``metric`` and ``tail_seconds``.

    Raises
    ------
    SettingsError
        A learner or the metric is unknown, or does not fit the task.
    BudgetError
        The budget leaves no time for a trial.
    """
    from regatta.search.plan import make_plan, write_plan
    from regatta.search.table import TrainingTable

    with stage("plan") as numbers:
        made = make_plan(TrainingTable.open(features), RunSettings.from_json(settings))
        write_plan(plan, made)
        numbers.update(
            lanes=len(made.lanes),
            recipes=sum(len(lane) for lane in made.lanes),
            folds=made.n_folds,
            metric=made.metric,
            tail_seconds=round(made.tail.seconds(), 3),
        )
        return numbers
