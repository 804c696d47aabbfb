"""Component ``split``."""

from kfp import dsl

from components.images import image


@dsl.component(base_image=image("split"), install_kfp_package=False)
def split(
    dataset: dsl.Input[dsl.Dataset],
    schema: dsl.Input[dsl.Artifact],
    splits: dsl.Output[dsl.Artifact],
    run_settings: str = "{}",
) -> None:
    """Cut a validated table into folds and a locked test part.

    Parameters
    ----------
    dataset
        The table.
    schema
        What its columns are.
    run_settings : str
        JSON of the settings; the group split says how.

    Returns
    -------
    splits
        For every row: its fold, or locked, or dropped.
    """
    from regatta.stages import split as stage
    from regatta.stages import task

    with task("split"):
        splits.metadata.update(stage.run(dataset.path, schema.path, run_settings, splits.path))
