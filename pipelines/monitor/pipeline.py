"""Pipeline ``monitor``: compare served rows with those of training.

One task. The parameters are in the order of the run form of the KFP dashboard, which sorts them by
name.
"""

from kfp import dsl

from components.monitor.component import monitor as compare
from pipelines.pods import KEPT, settle


@dsl.pipeline(name="monitor", display_name="Regatta monitor", pipeline_config=KEPT)
def monitor(
    data_source: str,
    pods_cpu: str = "500m",
    pods_memory: str = "2Gi",
    pods_secret: str = "regatta-store",
    release_registry: str = "",
    run_name: str = "model",
    run_settings: str = "{}",
    run_version: str = "champion",
) -> None:
    """Compare rows that were served with those of training, and say whether to retrain.

    Parameters
    ----------
    data_source : str
        The rows: CSV, Parquet or JSON lines; s3://bucket/key, or a path on one machine. With the
        target where it is known by now.
    pods_cpu : str
        CPU that the task requests, such as 500m or 2.
    pods_memory : str
        Memory request and limit of the task; the model and the rows must fit into it.
    pods_secret : str
        Secret with the keys of the object store.
    release_registry : str
        Registry: s3://bucket/prefix; empty for the one of the site (ConfigMap regatta-defaults).
    run_name : str
        Name of the model.
    run_settings : str
        JSON of further settings, such as {"monitor": {"psi": 0.25}}. They win.
    run_version : str
        Its version: a number or an alias.
    """
    compared = compare(
        data_source=data_source,
        release_registry=release_registry,
        run_name=run_name,
        run_settings=run_settings,
        run_version=run_version,
    )
    # Neither the name of a table nor that of an alias says what is behind it today.
    compared.set_caching_options(False)
    settle(compared, "monitor", memory=pods_memory, cpu=pods_cpu, store=pods_secret)
