"""``plan``: decide what each lane races, in which order, under which limits."""

from typing import Any

from regatta.settings import RunSettings
from regatta.stages.task import stage

__all__ = ["run"]


def run(features: str, settings: str, plan: str, *, memory: str = "auto") -> dict[str, Any]:
    """Plan the race.

    Parameters
    ----------
    features : str
        Folder of the features artifact to read.
    settings : str
        Settings of the run, as JSON text.
    plan : str
        Folder of the plan artifact to write.
    memory : str, default "auto"
        Memory of a pod that races, such as 2Gi; ``auto``: by the size of the table.

    Returns
    -------
    dict
        ``lanes``, ``recipes``, ``folds``, ``metric``, ``tail_seconds`` and ``memory``, a quantity
        of Kubernetes.

    Raises
    ------
    SettingsError
        A learner or the metric is unknown, or does not fit the task.
    BudgetError
        The budget leaves no time for a trial.
    """
    from regatta.search.plan import make_plan, write_plan
    from regatta.search.pod_memory import chosen, racing_bytes
    from regatta.search.table import TrainingTable
    from regatta.stages.warm_start import recall_best

    with stage("plan") as numbers:
        table, wanted = TrainingTable.open(features), RunSettings.from_json(settings)
        made = make_plan(table, wanted, earlier=recall_best(table, wanted))
        write_plan(plan, made)
        recipes = [recipe for lane in made.lanes for recipe in lane]
        slots = wanted.search.cores
        needed = racing_bytes(table.n_rows, made.shape.n_columns, made.shape, recipes, slots=slots)
        numbers.update(
            lanes=len(made.lanes),
            recipes=len(recipes),
            folds=made.n_folds,
            metric=made.metric,
            tail_seconds=round(made.tail.seconds(), 3),
            memory=chosen(memory, needed),
        )
        return numbers
