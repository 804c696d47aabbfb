"""Component ``featurize``."""

from kfp import dsl

from components.images import image


@dsl.component(base_image=image("featurize"), install_kfp_package=False)
def featurize(
    dataset: dsl.Input[dsl.Dataset],
    schema: dsl.Input[dsl.Artifact],
    splits: dsl.Input[dsl.Artifact],
    features: dsl.Output[dsl.Dataset],
) -> None:
    """Derive row-wise features of the training rows; nothing is fitted here.

    Parameters
    ----------
    dataset
        The table.
    schema
        What its columns are.
    splits
        Which rows may be learnt from. Locked rows do not get past this component.

    Returns
    -------
    features
        Feature columns, target and fold of the training rows.
    """
    from regatta.stages import featurize as stage
    from regatta.stages import task

    with task("featurize"):
        numbers = stage.run(dataset.path, schema.path, splits.path, features.path)
        features.metadata.update(numbers)
