"""Component ``release``: register and deploy in one task."""

from kfp import dsl

from components.images import image


@dsl.component(base_image=image("release"), install_kfp_package=False)
def release(
    bundle: dsl.Input[dsl.Model],
    evaluation: dsl.Input[dsl.Artifact],
    version: dsl.Output[dsl.Artifact],
    service: dsl.Output[dsl.Artifact],
    release_registry: str = "",
    release_target: str = "none",
    run_name: str = "model",
    run_settings: str = "{}",
) -> None:
    """Register a bundle as the next version and serve it.

    Parameters
    ----------
    bundle
        The model.
    evaluation
        What it scored, and sample rows with their predictions.
    release_registry : str
        Registry: s3://bucket/prefix, or a folder; empty for the one of the site, REGATTA_MODELS.
    release_target : str
        Where it is served: kserve, local, or none to register only.
    run_name : str
        Name of the model.
    run_settings : str
        JSON of further settings. They win.

    Returns
    -------
    version
        Name, number and place of the version.
    service
        Address of the service, and how far its answers are from the bundle's.
    """
    from regatta.stages import compose, deploy, register, task

    with task("release"):
        settings = compose(
            run_settings,
            run_name=run_name,
            release_registry=release_registry,
            release_target=release_target,
        )
        numbers = register.run(bundle.path, evaluation.path, settings, version.path)
        version.metadata.update(numbers)
        numbers = deploy.run(version.path, evaluation.path, settings, service.path)
        service.metadata.update(numbers)
