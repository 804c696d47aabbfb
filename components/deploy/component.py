"""Component ``deploy``."""

from kfp import dsl

from components.images import image


@dsl.component(base_image=image("deploy"), install_kfp_package=False)
def deploy(
    version: dsl.Input[dsl.Artifact],
    evaluation: dsl.Input[dsl.Artifact],
    service: dsl.Output[dsl.Artifact],
    run_settings: str = "{}",
) -> None:
    """Serve a registered version and prove that it answers as the bundle does.

    Parameters
    ----------
    version
        The registered version.
    evaluation
        Sample rows and what the bundle predicts for them.
    run_settings : str
        JSON of the settings; the group deploy says where.

    Returns
    -------
    service
        Address of the service, and how far its answers are from the bundle's.
    """
    from regatta.stages import deploy as stage
    from regatta.stages import task

    with task("deploy"):
        numbers = stage.run(version.path, evaluation.path, run_settings, service.path)
        service.metadata.update(numbers)
