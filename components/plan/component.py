"""Component ``plan``."""

from typing import List

from kfp import dsl

from components.images import image


@dsl.component(base_image=image("plan"), install_kfp_package=False)
def plan(
    features: dsl.Input[dsl.Dataset],
    run_settings: str,
    plan: dsl.Output[dsl.Artifact],
) -> List[int]:
    """Decide what each lane races, in which order and with which limits.

    Parameters
    ----------
    features
        Training rows.
    run_settings : str
        JSON of the settings; the groups search and budget say how much.

    Returns
    -------
    plan
        The recipes of every lane, and the settings of the run.
    Output
        Numbers of the lanes, to loop over.
    """
    from regatta.stages import plan as stage
    from regatta.stages import task

    with task("plan"):
        numbers = stage.run(features.path, run_settings, plan.path)
        plan.metadata.update(numbers)
        return list(range(numbers["lanes"]))
