"""Component ``evaluate``."""

from kfp import dsl

from components.images import image


@dsl.component(base_image=image("evaluate"), install_kfp_package=False)
def evaluate(
    dataset: dsl.Input[dsl.Dataset],
    schema: dsl.Input[dsl.Artifact],
    splits: dsl.Input[dsl.Artifact],
    bundle: dsl.Input[dsl.Model],
    leaderboard: dsl.Input[dsl.Artifact],
    plan: dsl.Input[dsl.Artifact],
    evaluation: dsl.Output[dsl.Artifact],
    report: dsl.Output[dsl.HTML],
    metrics: dsl.Output[dsl.Metrics],
    curves: dsl.Output[dsl.ClassificationMetrics],
    model: dsl.Output[dsl.Model],
    release_registry: str = "",
) -> None:
    """Measure the bundle on the locked rows and write the report.

    Parameters
    ----------
    dataset
        The table, locked rows and all.
    schema
        What its columns are.
    splits
        Which rows are locked.
    bundle
        The model to measure.
    leaderboard
        All trials.
    plan
        Metric and settings.
    release_registry : str
        Registry whose champion the bundle is compared with; empty for the one of the site.

    Returns
    -------
    evaluation
        Scores with intervals, and sample rows with their predictions.
    report
        One HTML page.
    metrics
        Scores as scalars.
    curves
        ROC curve and confusion matrix of a classification.
    model
        The bundle to release: the measured one, fitted again on all rows where there was time.
    """
    from regatta.stages import evaluate, task

    with task("evaluate", lean=True):
        drawn = evaluate.run(
            dataset.path,
            schema.path,
            splits.path,
            bundle.path,
            leaderboard.path,
            plan.path,
            evaluation.path,
            report.path,
            metrics.path,
            curves.path,
            model=model.path,
            registry=release_registry,
        )
        metrics.metadata.update(drawn["metrics"])
        if drawn["roc"]:
            curves.log_roc_curve(*(drawn["roc"][key] for key in ("fpr", "tpr", "thresholds")))
        if drawn["confusion"]:
            curves.log_confusion_matrix(drawn["confusion"]["labels"], drawn["confusion"]["matrix"])
