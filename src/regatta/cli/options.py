"""The options that name a run, as several commands take them, and the settings they stand for."""

from typing import Annotated, Any

import typer

__all__ = [
    "Budget",
    "ClusterRegistry",
    "Cores",
    "Deploy",
    "Group",
    "Host",
    "Lanes",
    "Metric",
    "Name",
    "Overrides",
    "Registry",
    "RunsNamespace",
    "Seed",
    "Source",
    "Target",
    "Task",
    "Time",
    "Token",
    "Weight",
    "given",
    "settings_of",
]

# What commands on this machine and for a cluster have in common.
Registry = Annotated[
    str,
    typer.Option(
        "--registry",
        help="Folder or s3:// URI of the registry.",
        show_default="$REGATTA_MODELS, else ~/.regatta/registry",
    ),
]

# Written out, because to import the metrics takes long; a test compares.
Metric = Annotated[
    str | None,
    typer.Option(
        help="Metric to optimise: roc_auc, log_loss, accuracy, balanced_accuracy, f1 (two "
        "classes), f1_macro, average_precision, brier; rmse, mae, r2, rmsle.",
        show_default="auto: roc_auc for two classes, log_loss for more, rmse for values",
    ),
]

# What the commands for a cluster have in common.
Source = Annotated[str, typer.Option(help="Table in an object store: s3://bucket/key.")]
Target = Annotated[str, typer.Option(help="Column to predict.")]
Weight = Annotated[
    str | None,
    typer.Option(help="Column of the rows' weights.", show_default="all the same"),
]
Group = Annotated[
    str | None,
    typer.Option(help="Column of groups: rows of one stay together.", show_default="none"),
]
Time = Annotated[
    str | None,
    typer.Option(help="Column of times: the latest rows are the test.", show_default="none"),
]
Task = Annotated[str | None, typer.Option(help="auto, binary, multiclass, regression.")]
Budget = Annotated[str | None, typer.Option(help="Budget: 5m, 1h.", show_default="5m")]
Lanes = Annotated[int | None, typer.Option(help="Lanes: pods side by side.")]
Cores = Annotated[int | None, typer.Option(help="Cores for each lane.")]
Name = Annotated[str | None, typer.Option(help="Name of the model.")]
Seed = Annotated[int | None, typer.Option(help="Seed of everything that is drawn.")]
ClusterRegistry = Annotated[
    str | None,
    typer.Option(
        "--registry", help="Registry: s3://bucket/prefix.", show_default="that of the cluster"
    ),
]
Deploy = Annotated[str, typer.Option(help="kserve, or none to register only.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Any other setting; may be repeated."),
]
Host = Annotated[
    str | None, typer.Option(help="Kubeflow Pipelines.", show_default="KF_PIPELINES_ENDPOINT")
]
RunsNamespace = Annotated[
    str | None, typer.Option(help="Namespace of the runs, where there are several.")
]
Token = Annotated[
    str | None, typer.Option(help="Bearer token.", envvar="REGATTA_TOKEN", show_envvar=True)
]

OPTIONS = {
    "name": "--name",
    "seed": "--seed",
    "data.target": "--target",
    "data.weight": "--weight",
    "data.task": "--task",
    "split.group": "--group",
    "split.time": "--time",
    "search.metric": "--metric",
    "search.max_trials": "--trials",
    "search.lanes": "--workers",
    "search.cores": "--cores",
    "budget.seconds": "--budget",
    "deploy.target": "--deploy",
    "deploy.registry": "--registry",
}
"""The option behind each setting that has one."""


def given(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options that were given.

    Examples
    --------
    >>> given({"seed": 1, "data": {"task": None}})
    {'seed': 1}
    """
    kept = {
        key: given(value) if isinstance(value, dict) else value
        for key, value in options.items()
        if value is not None
    }
    return {key: value for key, value in kept.items() if value != {}}


def settings_of(
    source: str,
    *,
    target: str,
    weight: str | None = None,
    group: str | None = None,
    time: str | None = None,
    task: str | None,
    metric: str | None,
    budget: str | None,
    trials: int | None = None,
    workers: int | None,
    cores: int | None,
    name: str | None,
    seed: int | None,
    registry: str | None,
    deploy: str | None,
    overrides: list[str] | None,
) -> Any:
    """Return the settings behind the options of a command; options win over ``--set``.

    Raises
    ------
    SettingsError, BudgetError
        A value does not fit; the message names the option or the key that it came from.
    """
    from regatta.runs.request import name_of, parse_seconds
    from regatta.settings import RunSettings, parse_overrides

    options = {
        "name": name,
        "seed": seed,
        "data": {"source": source, "target": target or None, "weight": weight, "task": task},
        "split": {"group": group, "time": time},
        "search": {
            "metric": metric,
            "max_trials": trials,
            "lanes": workers,
            "cores": cores,
        },
        "budget": {"seconds": None if budget is None else parse_seconds(budget)},
        "deploy": {"target": deploy, "registry": registry},
    }
    # What --set says is checked first: what does not fit behind it came from an option.
    settings = RunSettings.from_values(parse_overrides(overrides or []))
    settings = settings.merged(given(options), named=OPTIONS)
    if "name" not in settings.model_fields_set:
        settings = settings.merged({"name": name_of(source)})
    return settings
