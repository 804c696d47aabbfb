"""The parameters of the pipelines, and the settings that they stand for."""

import json
from typing import Any

from regatta.settings import RunSettings

__all__ = ["PARAMETERS", "compose", "decompose"]

PARAMETERS = {
    "data_source": "data.source",
    "data_target": "data.target",
    "data_task": "data.task",
    "data_weight": "data.weight",
    "release_registry": "deploy.registry",
    "release_target": "deploy.target",
    "run_name": "name",
    "run_seed": "seed",
    "run_started_at": "budget.started_at",
    "search_budget_seconds": "budget.seconds",
    "search_cores": "search.cores",
    "search_lanes": "search.lanes",
    "search_metric": "search.metric",
    "search_strategy": "search.strategy",
    "split_group": "split.group",
    "split_time": "split.time",
}
"""Dotted key of the setting behind each pipeline parameter that has one."""


def compose(run_settings: str, **parameters: str | float) -> str:
    """Join the parameters of a task and the JSON of further settings to one text.

    Parameters
    ----------
    run_settings : str
        JSON of nested settings; they win over the parameters.
    **parameters : str or float
        Values by pipeline parameter. An empty text, which is what a cleared box of the run form
        sends, leaves the setting at its default.

    Returns
    -------
    str
        JSON text for `RunSettings.from_json`.

    Raises
    ------
    SettingsError
        A value does not fit, or the text is not JSON.

    Examples
    --------
    >>> compose('{"search": {"max_trials": 3}}', data_target="churn", search_lanes=2)
    '{"data":{"target":"churn"},"search":{"lanes":2,"max_trials":3}}'
    """
    values: dict[str, Any] = {}
    for name, value in parameters.items():
        if value != "":
            group, _, key = PARAMETERS[name].rpartition(".")
            (values.setdefault(group, {}) if group else values)[key] = value
    further = RunSettings.from_json(run_settings).model_dump(exclude_unset=True)
    named = {key: f"the parameter {name}" for name, key in PARAMETERS.items()}
    return RunSettings.from_values(values, named).merged(further).to_json()


def decompose(settings: RunSettings) -> dict[str, str | float]:
    """Return the arguments of the pipeline ``train`` for settings: what `compose` joins again.

    Parameters
    ----------
    settings : RunSettings
        Settings of the run.

    Returns
    -------
    dict
        One value a parameter, and the rest as the JSON text ``run_settings``.
    """
    rest = json.loads(settings.to_json())
    arguments: dict[str, str | float] = {}
    for name, dotted in PARAMETERS.items():
        group, _, key = dotted.rpartition(".")
        place = getattr(settings, group) if group else settings
        # A default of 300 for a float is an int, which KFP takes for another type.
        is_float = type(place).model_fields[key].annotation is float
        value = getattr(place, key)
        arguments[name] = float(value) if is_float else value
        # Not a parameter of the task that plans, which must know how much comes after the race.
        if name != "release_target":
            (rest.get(group, {}) if group else rest).pop(key, None)
    left = {key: value for key, value in rest.items() if value != {}}
    return {**arguments, "run_settings": json.dumps(left)}
