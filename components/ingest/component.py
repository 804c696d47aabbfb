"""Component ``ingest``."""

from kfp import dsl

from components.images import image


@dsl.component(base_image=image("ingest"), install_kfp_package=False)
def ingest(
    data_source: str,
    dataset: dsl.Output[dsl.Dataset],
    data_target: str = "",
    run_settings: str = "{}",
) -> None:
    """Read a table and keep it as Parquet, with the fingerprint of its source.

    Parameters
    ----------
    data_source : str
        Path of the table: CSV, Parquet or JSON lines.
    data_target : str
        Column to predict, whose classes are labelled as the file writes them.
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
        settings = compose(run_settings, data_source=data_source, data_target=data_target)
        dataset.metadata.update(stage.run(settings, dataset.path))
