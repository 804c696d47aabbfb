"""The options that name a run, and the settings they stand for."""

from typing import Any

import pytest

from regatta.cli.options import settings_of
from regatta.errors import SettingsError

NONE: dict[str, Any] = dict.fromkeys(
    ("task", "metric", "budget", "workers", "cores", "name", "seed", "registry", "deploy")
)


def settings(**options: Any) -> Any:
    return settings_of("t.csv", **{**NONE, "target": "y", "overrides": None, **options})


def test_trials_are_a_setting_and_win_over_set() -> None:
    assert settings().search.max_trials == 0
    assert settings(trials=7).search.max_trials == 7
    assert settings(trials=7, overrides=["search.max_trials=3"]).search.max_trials == 7


def test_impossible_number_of_trials_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"search\.max_trials"):
        settings(trials=-1)


def test_how_rows_are_split() -> None:
    assert settings(group="customer").split.group == "customer"
    assert settings(time="day", overrides=["split.locked_share=0.3"]).split.time == "day"
    with pytest.raises(SettingsError, match="by the groups of 'customer' and by the time 'day'"):
        settings(group="customer", time="day")
