"""Settings of the split that do not go together are refused wherever settings are read."""

import json

import pytest

from regatta.errors import SettingsError
from regatta.settings import RunSettings
from regatta.stages.parameters import compose, decompose

REFUSED = {
    "both": ({"group": "g", "time": "t"}, "by the groups of 'g' and by the time 't'"),
    "folds": ({"time": "t", "folds": 5}, "split.folds is 5, and rows are split by the time 't'"),
    "repeats": ({"time": "t", "repeats": 2}, "split.repeats is 2, and rows are split by the time"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_go_together(case):
    values, expected = REFUSED[case]
    with pytest.raises(SettingsError) as caught:
        RunSettings.from_values({"split": values})
    assert expected in str(caught.value)
    assert "leave out" in caught.value.fix
    with pytest.raises(SettingsError):
        RunSettings().merged({"split": values})
    with pytest.raises(SettingsError):
        compose(json.dumps({"split": {"folds": 5}}), split_time="t")


def test_what_does():
    for values in (
        {"group": "g", "folds": 4, "repeats": 2},
        {"time": "t", "folds": 1, "repeats": 1},
        {"time": "t", "locked_share": 0.3},
    ):
        split = RunSettings.from_values({"split": values}).split
        assert {name: getattr(split, name) for name in values} == values


def test_they_are_parameters_of_the_pipeline():
    settings = RunSettings.from_values({"split": {"group": "g", "folds": 3}})
    arguments = decompose(settings)

    assert (arguments["split_group"], arguments["split_time"]) == ("g", "")
    assert json.loads(arguments["run_settings"]) == {"split": {"folds": 3}}
    assert compose(arguments["run_settings"], split_group="g", split_time="") == settings.to_json()
