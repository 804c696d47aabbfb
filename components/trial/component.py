"""Component ``trial``."""

from kfp import dsl

from components.images import image


@dsl.component(base_image=image("trial"), install_kfp_package=False)
def trial(
    features: dsl.Input[dsl.Dataset],
    plan: dsl.Input[dsl.Artifact],
    lane: int,
    trials: dsl.Output[dsl.Artifact],
    run_started_at: float = 0.0,
    pods_cpu: str = "",
    pods_memory: str = "",
    pods_node_selector: dict = {},
    pods_secret: str = "",
    pods_tolerations: list = [],
) -> None:
    """Race the recipes of one lane, each in a process with limits of its own.

    A trial that cannot be fitted is a record with its reason; the task ends well all the same,
    because one failed iteration would end the whole loop.

    Parameters
    ----------
    features
        Training rows.
    plan
        The recipes and limits.
    lane : int
        Number of the lane.
    run_started_at : float
        When the budget began, in seconds since the epoch; 0 for when the lane starts.
    pods_cpu : str
        CPU that its pod requests. The task does not read it: the compiler hands a loop only the
        parameters that a task in it takes.
    pods_memory : str
        Memory that its pod requests.
    pods_node_selector : dict
        Labels of the nodes that its pod may run on.
    pods_secret : str
        Secret with the keys of the object store, through which finished trials are handed over.
    pods_tolerations : list
        Taints that its pod tolerates.

    Returns
    -------
    trials
        Records, out-of-fold predictions and fold models.
    """
    from regatta.stages import task
    from regatta.stages import trial as stage

    with task("trial"):
        numbers = stage.run(features.path, plan.path, lane, run_started_at, trials.path, trials.uri)
        trials.metadata.update(numbers)
