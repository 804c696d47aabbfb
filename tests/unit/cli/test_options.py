"""The options that name a run, and the settings they stand for."""

from typing import Any

import pytest

from regatta.cli.options import OPTIONS, settings_of
from regatta.errors import SettingsError
from regatta.settings import RunSettings
from regatta.settings.keys import fields

NONE: dict[str, Any] = dict.fromkeys(
    ("task", "metric", "budget", "workers", "cores", "name", "seed", "registry", "deploy")
)


def settings(**options: Any) -> Any:
    return settings_of("t.csv", **{**NONE, "target": "y", "overrides": None, **options})


def test_trials_are_a_setting_and_win_over_set() -> None:
    assert settings().search.max_trials == 0
    assert settings(trials=7).search.max_trials == 7
    assert settings(trials=7, overrides=["search.max_trials=3"]).search.max_trials == 7


@pytest.mark.parametrize(
    ("given", "key", "fix"),
    [
        ({"trials": -1}, "search.max_trials", "--trials"),
        ({"workers": 0}, "search.lanes", "--workers"),
        ({"workers": 0, "overrides": ["search.lanes=2"]}, "search.lanes", "--workers"),
        ({"overrides": ["search.lanes=0"]}, "search.lanes", "--set search.lanes=…"),
        ({"workers": 2, "overrides": ["search.lanes=0"]}, "search.lanes", "--set search.lanes=…"),
        ({"task": "binry"}, "data.task", "--task"),
        ({"deploy": "kserv"}, "deploy.target", "--deploy"),
        ({"budget": "0"}, "budget.seconds", "--budget"),
    ],
)
def test_a_value_that_does_not_fit_is_set_with_what_it_came_from(
    given: dict[str, Any], key: str, fix: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        settings(**given)
    assert f"setting {key!r} is" in caught.value.found
    assert caught.value.fix == f"set another value with {fix}"


def test_every_option_of_a_run_stands_for_a_setting_that_exists() -> None:
    """Else its message would name a key that nobody can set."""
    assert set(OPTIONS) <= set(fields(RunSettings))


def test_how_rows_are_split() -> None:
    assert settings(group="customer").split.group == "customer"
    assert settings(time="day", overrides=["split.locked_share=0.3"]).split.time == "day"
    with pytest.raises(SettingsError, match="by the groups of 'customer' and by the time 'day'"):
        settings(group="customer", time="day")
