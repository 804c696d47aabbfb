"""Component ``prepare``: ingest, validate, split, featurize and plan in one task."""

from typing import List, NamedTuple

from kfp import dsl

from components.images import image


@dsl.component(base_image=image("prepare"), install_kfp_package=False)
def prepare(
    data_source: str,
    data_target: str,
    dataset: dsl.Output[dsl.Dataset],
    schema: dsl.Output[dsl.Artifact],
    splits: dsl.Output[dsl.Artifact],
    features: dsl.Output[dsl.Dataset],
    plan: dsl.Output[dsl.Artifact],
    data_fingerprint: str = "",
    data_task: str = "auto",
    data_weight: str = "",
    pods_memory: str = "auto",
    release_registry: str = "",
    run_name: str = "model",
    run_seed: int = 0,
    run_settings: str = "{}",
    search_budget_seconds: float = 300.0,
    search_cores: int = 0,
    search_lanes: int = 1,
    search_metric: str = "auto",
    search_strategy: str = "portfolio",
    split_group: str = "",
    split_time: str = "",
) -> NamedTuple("Prepared", [("Output", List[int]), ("memory", str)]):
    """Read and check a table, lock the test rows away, derive features and plan the race.

    Parameters
    ----------
    data_source : str
        The table: CSV, Parquet or JSON lines; s3://bucket/key, or a path.
    data_target : str
        Column to predict.
    data_fingerprint : str
        What the table holds; the task ends if it holds something else by now.
    data_task : str
        What kind of prediction: auto, binary, multiclass or regression.
    data_weight : str
        Column with the weight of each row; empty for all the same.
    pods_memory : str
        Memory of a pod that races, such as 2Gi; auto for one by the size of the table.
    release_registry : str
        Registry of the run, which has the ledger of earlier ones; empty for the one of the site.
    run_name : str
        Name of the model: small letters, digits and hyphens.
    run_seed : int
        Seed of everything that is drawn.
    run_settings : str
        JSON of further settings, such as {"search": {"max_trials": 20}}. They win.
    search_budget_seconds : float
        Wall-clock from the start of the budget to the end of the run, in seconds.
    search_cores : int
        Trials side by side in a lane, one core each; 0 for one per core on one machine, at most two
        in a pod.
    search_lanes : int
        Number of lanes: trial tasks side by side.
    search_metric : str
        Metric to optimise.
    search_strategy : str
        Which recipes are tried: portfolio, grid, random, bayes or halving.
    split_group : str
        Column of groups, such as customers: rows of one stay together; empty for none.
    split_time : str
        Column of times: the latest rows are the test; empty for rows at random.

    Returns
    -------
    dataset
        All rows in the order of the source, typed.
    schema
        What the columns are.
    splits
        The fold of every row, or that it is locked.
    features
        Training rows for the trials.
    plan
        The recipes of every lane, and the settings of the run.
    Output
        Numbers of the lanes, to loop over.
    memory
        Memory of the pods that race.
    """
    from regatta.stages import compose, task
    from regatta.stages import prepare as stages

    with task("prepare"):
        settings = compose(
            run_settings,
            data_source=data_source,
            data_target=data_target,
            data_task=data_task,
            data_weight=data_weight,
            release_registry=release_registry,
            run_name=run_name,
            run_seed=run_seed,
            search_budget_seconds=search_budget_seconds,
            search_cores=search_cores,
            search_lanes=search_lanes,
            search_metric=search_metric,
            search_strategy=search_strategy,
            split_group=split_group,
            split_time=split_time,
        )
        numbers = stages.run(
            settings,
            *(dataset.path, schema.path, splits.path, features.path, plan.path),
            fingerprint=data_fingerprint,
            memory=pods_memory,
        )
        return list(range(numbers["lanes"])), numbers["memory"]
