"""Component ``conclude``: the exit task."""

from kfp import dsl

from components.images import image


@dsl.component(base_image=image("conclude"), install_kfp_package=False)
def conclude(
    status: dsl.PipelineTaskFinalStatus,
    conclusion: dsl.Output[dsl.Artifact],
) -> None:
    """Say why a run failed, in one record that a program can read.

    Kubeflow Pipelines shows no reason. On a cluster this task asks Kubernetes for the run's
    workflow and pods; elsewhere it says the state only. It ends well whatever it finds.

    Parameters
    ----------
    status
        State and name of the run; Kubeflow Pipelines fills it in.

    Returns
    -------
    conclusion
        State, reason (task, lane, pod, what was found, what to do), addresses of the artifacts.
    """
    from regatta.cluster import conclude as stage
    from regatta.stages import task

    with task("conclude"):
        values = {
            "state": status.state,
            "pipeline_job_resource_name": status.pipeline_job_resource_name,
        }
        conclusion.metadata.update(stage.run(values, conclusion.path))
