"""Component ``ensemble``."""

from typing import List

from kfp import dsl

from components.images import image


@dsl.component(base_image=image("ensemble"), install_kfp_package=False)
def ensemble(
    trials: dsl.Input[List[dsl.Artifact]],
    features: dsl.Input[dsl.Dataset],
    plan: dsl.Input[dsl.Artifact],
    bundle: dsl.Output[dsl.Model],
    leaderboard: dsl.Output[dsl.Artifact],
) -> None:
    """Combine the best trials of all lanes into one servable model.

    Parameters
    ----------
    trials
        The trials of every lane.
    features
        Training rows, for the out-of-fold predictions' true values.
    plan
        Metric and settings.

    Returns
    -------
    bundle
        The model that is served.
    leaderboard
        All trials, best first, failed ones with their reason.
    """
    from regatta.stages import ensemble as stage
    from regatta.stages import task

    with task("ensemble"):
        lanes = [lane.path for lane in trials]
        numbers = stage.run(lanes, features.path, plan.path, bundle.path, leaderboard.path)
        bundle.metadata.update(numbers)
