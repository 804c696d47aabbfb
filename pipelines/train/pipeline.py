"""Pipeline ``train``: from a table to a prediction service.

``fingerprint - prepare - trial x lanes - ensemble - evaluate - release``. The parameters are in the
order of the run form of the KFP dashboard, which sorts them by name.
"""

from kfp import dsl

from components.ensemble.component import ensemble
from components.evaluate.component import evaluate
from components.fingerprint.component import fingerprint
from components.prepare.component import prepare
from components.release.component import release
from components.trial.component import trial
from pipelines.pods import KEPT, PATIENT, place, settle


@dsl.pipeline(name="train", display_name="Regatta train", pipeline_config=KEPT)
def train(
    data_source: str,
    data_target: str,
    data_task: str = "auto",
    data_weight: str = "",
    pods_cpu: str = "500m",
    pods_memory: str = "auto",
    pods_node_selector: dict = {},
    pods_secret: str = "regatta-store",
    pods_tolerations: list = [],
    release_registry: str = "",
    release_target: str = "none",
    run_cached: bool = True,
    run_name: str = "model",
    run_seed: int = 0,
    run_settings: str = "{}",
    run_started_at: float = 0.0,
    search_budget_seconds: float = 300.0,
    search_cores: int = 0,
    search_lanes: int = 1,
    search_metric: str = "auto",
    search_strategy: str = "portfolio",
    split_group: str = "",
    split_time: str = "",
) -> None:
    """Race learners on a table; combine, measure, register and serve the best.

    Parameters
    ----------
    data_source : str
        The table: CSV, Parquet or JSON lines; s3://bucket/key, or a path on one machine.
    data_target : str
        Column to predict.
    data_task : str
        What kind of prediction.
    data_weight : str
        Column with the weight of each row; empty for all the same.
    pods_cpu : str
        CPU that a trial task requests, such as 500m or 2.
    pods_memory : str
        Memory request and limit of a task, such as 2Gi; auto to choose by the table's size.
    pods_node_selector : dict
        Labels of the nodes that trial tasks run on, such as {"pool": "large"}; empty for all.
    pods_secret : str
        Secret with the keys of the object store.
    pods_tolerations : list
        Taints that trial tasks tolerate: [{"key": "dedicated", "operator": "Exists"}].
    release_registry : str
        Registry: s3://bucket/prefix; empty for the one of the site (ConfigMap regatta-defaults).
    release_target : str
        Where the winner is served; none only registers it.
    run_cached : bool
        Whether to use what an earlier run made of the same table with the same code.
    run_name : str
        Name of the model: small letters, digits and hyphens.
    run_seed : int
        Seed of everything that is drawn.
    run_settings : str
        JSON of further settings. They win over the other parameters.
    run_started_at : float
        When the budget began, in seconds since the epoch; 0 for when the lanes start.
    search_budget_seconds : float
        Wall-clock from run_started_at to the end; by default from the start of the lanes.
    search_cores : int
        Trials side by side in a lane, one core each; 0 for one per core on one machine, at most two
        in a pod.
    search_lanes : int
        Number of lanes: trial tasks side by side.
    search_metric : str
        Metric to optimise.
    search_strategy : str
        Which recipes are tried, in which order.
    split_group : str
        Column of groups, such as customers: rows of one stay together; empty for none.
    split_time : str
        Column of times: the latest rows are the test; empty for rows at random.
    """
    found = fingerprint(
        data_source=data_source,
        release_registry=release_registry,
        run_settings=run_settings,
        run_cached=run_cached,
        pods_memory=pods_memory,
    )
    # The path says nothing about what is in the file today, so this is never taken from the cache.
    found.set_caching_options(False)
    settle(found, "fingerprint", memory="512Mi", store=pods_secret)

    prepared = prepare(
        data_source=data_source,
        data_target=data_target,
        data_fingerprint=found.outputs["fingerprint"],
        data_task=data_task,
        data_weight=data_weight,
        pods_memory=pods_memory,
        release_registry=release_registry,
        run_name=run_name,
        run_seed=run_seed,
        run_settings=run_settings,
        search_budget_seconds=search_budget_seconds,
        search_cores=search_cores,
        search_lanes=search_lanes,
        search_metric=search_metric,
        search_strategy=search_strategy,
        split_group=split_group,
        split_time=split_time,
    )
    settle(
        prepared,
        "prepare: ingest, validate, split, featurize, plan",
        memory=found.outputs["memory"],
        store=pods_secret,
    )
    memory = prepared.outputs["memory"]

    with dsl.ParallelFor(prepared.outputs["Output"]) as lane:
        raced = trial(
            features=prepared.outputs["features"],
            plan=prepared.outputs["plan"],
            lane=lane,
            run_started_at=run_started_at,
            pods_cpu=pods_cpu,
            pods_memory=memory,
            pods_node_selector=pods_node_selector,
            pods_secret=pods_secret,
            pods_tolerations=pods_tolerations,
        )
        settle(raced, "trial", memory=memory, cpu=pods_cpu, store=pods_secret, tries=PATIENT)
        place(raced, pods_node_selector, pods_tolerations)

    combined = ensemble(
        trials=dsl.Collected(raced.outputs["trials"]),
        features=prepared.outputs["features"],
        plan=prepared.outputs["plan"],
    )
    settle(combined, "ensemble", memory=memory, tries=PATIENT)

    measured = evaluate(
        dataset=prepared.outputs["dataset"],
        schema=prepared.outputs["schema"],
        splits=prepared.outputs["splits"],
        bundle=combined.outputs["bundle"],
        leaderboard=combined.outputs["leaderboard"],
        plan=prepared.outputs["plan"],
        release_registry=release_registry,
    )
    # Which champion there is may have changed since.
    measured.set_caching_options(False)
    settle(measured, "evaluate", memory=memory, store=pods_secret, tries=PATIENT)

    released = release(
        bundle=measured.outputs["model"],
        evaluation=measured.outputs["evaluation"],
        release_registry=release_registry,
        release_target=release_target,
        run_name=run_name,
        run_settings=run_settings,
    )
    # A service may have gone since: what is outside the run is never taken from the cache.
    released.set_caching_options(False)
    settle(released, "release: register, deploy", memory="512Mi", store=pods_secret)
