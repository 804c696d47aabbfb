"""Component ``register``."""

from kfp import dsl

from components.images import image


@dsl.component(base_image=image("register"), install_kfp_package=False)
def register(
    bundle: dsl.Input[dsl.Model],
    evaluation: dsl.Input[dsl.Artifact],
    version: dsl.Output[dsl.Artifact],
    run_settings: str = "{}",
) -> None:
    """Keep a bundle in the registry as the next version of its model.

    Parameters
    ----------
    bundle
        The model.
    evaluation
        What it scored on the locked rows.
    run_settings : str
        JSON of the settings; deploy.registry says where.

    Returns
    -------
    version
        Name, number and place of the version.
    """
    from regatta.stages import register as stage
    from regatta.stages import task

    with task("register"):
        numbers = stage.run(bundle.path, evaluation.path, run_settings, version.path)
        version.metadata.update(numbers)
