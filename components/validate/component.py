"""Component ``validate``."""

from kfp import dsl

from components.images import image


@dsl.component(base_image=image("validate"), install_kfp_package=False)
def validate(
    dataset: dsl.Input[dsl.Dataset],
    run_settings: str,
    schema: dsl.Output[dsl.Artifact],
) -> None:
    """Find out what every column is, and refuse a table that cannot be learnt from.

    Parameters
    ----------
    dataset
        The table.
    run_settings : str
        JSON of the settings; data.target names the column to predict.

    Returns
    -------
    schema
        Kind, type and range of every column, a profile, and findings.
    """
    from regatta.stages import task
    from regatta.stages import validate as stage

    with task("validate"):
        schema.metadata.update(stage.run(dataset.path, run_settings, schema.path))
