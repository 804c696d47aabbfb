"""Component ``monitor``."""

from typing import NamedTuple

from kfp import dsl

from components.images import image


@dsl.component(base_image=image("monitor"), install_kfp_package=False)
def monitor(
    data_source: str,
    drift: dsl.Output[dsl.Artifact],
    report: dsl.Output[dsl.HTML],
    metrics: dsl.Output[dsl.Metrics],
    release_registry: str = "",
    run_name: str = "model",
    run_settings: str = "{}",
    run_version: str = "champion",
) -> NamedTuple("Decided", [("verdict", str)]):
    """Compare rows that were served with those of training, and say whether to retrain.

    Parameters
    ----------
    data_source : str
        The rows: CSV, Parquet or JSON lines; s3://bucket/key, or a path. With the target where it
        is known by now.
    release_registry : str
        Registry: s3://bucket/prefix, or a folder; empty for the one of the site, REGATTA_MODELS.
    run_name : str
        Name of the model.
    run_settings : str
        JSON of further settings, such as {"monitor": {"psi": 0.25}}. They win.
    run_version : str
        Its version: a number or an alias.

    Returns
    -------
    drift
        What was found, column by column, as JSON.
    report
        One HTML page.
    metrics
        Numbers as scalars.
    verdict
        steady, drifted or retrain.
    """
    from regatta.stages import compose, task
    from regatta.stages import monitor as stage

    with task("monitor", lean=True):
        settings = compose(run_settings, data_source=data_source, release_registry=release_registry)
        model = f"{run_name}@{run_version}"
        found = stage.run(model, settings, drift.path, report.path, metrics.path)
        metrics.metadata.update(found["metrics"])
        return (found["verdict"],)
