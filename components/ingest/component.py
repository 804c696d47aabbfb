"""Component ``ingest``."""

from kfp import dsl

from components.images import image


@dsl.component(base_image=image("ingest"), install_kfp_package=False)
def ingest(
    data_source: str,
    dataset: dsl.Output[dsl.Dataset],
    run_settings: str = "{}",
) -> None:
    """Read a table and keep it as Parquet, with the fingerprint of its source.

    Parameters
    ----------
    data_source : str
        Path of the table: CSV, Parquet or JSON lines.
    run_settings : str
        JSON of further settings, such as {"data": {"delimiter": ";"}}. They win.

    Returns
    -------
    dataset
        All rows in the order of the source, typed.
    """
    from regatta.stages import compose, task
    from regatta.stages import ingest as stage

    with task("ingest"):
        settings = compose(run_settings, data_source=data_source)
        dataset.metadata.update(stage.run(settings, dataset.path))
