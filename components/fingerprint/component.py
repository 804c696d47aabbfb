"""Component ``fingerprint``."""

from typing import NamedTuple

from kfp import dsl

from components.images import image


@dsl.component(base_image=image("fingerprint"), install_kfp_package=False)
def fingerprint(
    data_source: str,
    release_registry: str = "",
    run_settings: str = "{}",
    run_cached: bool = True,
    pods_memory: str = "auto",
) -> NamedTuple("Found", [("fingerprint", str), ("memory", str)]):
    """Say what the table is today, so that tasks behind it can be taken from the cache.

    Parameters
    ----------
    data_source : str
        The table: CSV, Parquet or JSON lines; s3://bucket/key, or a path.
    release_registry : str
        Registry of the run: s3://bucket/prefix; empty for the one of the site, REGATTA_MODELS.
    run_settings : str
        JSON of further settings, such as {"data": {"delimiter": ";"}}. They win.
    run_cached : bool
        Whether a run may use what an earlier one made of the same table.
    pods_memory : str
        Memory of a pod, such as 2Gi; auto for one by the size of the file.

    Returns
    -------
    fingerprint
        A name of the table's content and of the code in the image.
    memory
        Memory of the pod that reads it.
    """
    from regatta.stages import compose, task
    from regatta.stages import fingerprint as stage

    with task("fingerprint"):
        settings = compose(run_settings, data_source=data_source, release_registry=release_registry)
        found = stage.run(settings, memory=pods_memory, cached=run_cached)
        return found["fingerprint"], found["memory"]
