"""The options that name a run, as several commands take them, and the settings they stand for."""

from typing import Any

__all__ = ["given", "settings_of"]


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
        An option does not fit.
    """
    from regatta.runs.request import name_of, parse_seconds
    from regatta.settings import RunSettings, parse_overrides

    options = {
        "name": name,
        "seed": seed,
        "data": {"source": source, "target": target or None, "task": task},
        "search": {
            "metric": metric,
            "max_trials": trials,
            "lanes": workers,
            "cores": cores,
        },
        "budget": {"seconds": None if budget is None else parse_seconds(budget)},
        "deploy": {"target": deploy, "registry": registry},
    }
    settings = RunSettings.from_values(parse_overrides(overrides or [])).merged(given(options))
    if "name" not in settings.model_fields_set:
        settings = settings.merged({"name": name_of(source)})
    return settings
