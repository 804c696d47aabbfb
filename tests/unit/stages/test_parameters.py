import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regatta.errors import SettingsError
from regatta.settings import RunSettings
from regatta.stages.parameters import PARAMETERS, compose, decompose

CHOSEN = st.fixed_dictionaries(
    {},
    optional={
        "name": st.just("churn"),
        "seed": st.integers(0, 9),
        "data": st.fixed_dictionaries({"target": st.just("y"), "ignore": st.just(["a"])}),
        "search": st.fixed_dictionaries(
            {}, optional={"lanes": st.integers(1, 9), "max_trials": st.integers(0, 9)}
        ),
        "budget": st.fixed_dictionaries({"seconds": st.integers(5, 900)}),
    },
)


@given(CHOSEN)
def test_settings_survive_the_way_through_the_parameters(values: dict[str, object]) -> None:
    settings = RunSettings.from_values(values)
    assert RunSettings.from_json(compose(**decompose(settings))) == settings  # type: ignore[arg-type]


def test_the_types_are_those_of_the_pipeline() -> None:
    arguments = decompose(RunSettings())
    assert set(arguments) == {*PARAMETERS, "run_settings"}
    types = {name: type(value).__name__ for name, value in arguments.items()}
    assert types["search_budget_seconds"] == types["run_started_at"] == "float"
    assert types["search_lanes"] == types["run_seed"] == "int"


def test_further_settings_win() -> None:
    text = compose('{"search": {"metric": "f1"}}', search_metric="auto", search_lanes=2)
    assert json.loads(text) == {"search": {"metric": "f1", "lanes": 2}}


def test_a_cleared_box_leaves_the_default() -> None:
    assert compose("", data_task="", search_metric="") == "{}"


@pytest.mark.parametrize("text", ["{", "[]", '{"serach": {}}', '{"serach": {"lanes": 1}}'])
def test_settings_that_cannot_be(text: str) -> None:
    with pytest.raises(SettingsError):
        compose(text)


@pytest.mark.parametrize(
    ("text", "found"),
    [("[]", "a JSON list"), ('"a"', "a JSON string"), ("3", "a JSON number"), ("null", "null")],
)
def test_other_json_is_called_by_its_name(text: str, found: str) -> None:
    with pytest.raises(SettingsError, match=rf"^the settings are {found}; expected an object"):
        compose(text)


def test_a_value_that_does_not_fit_names_the_parameter() -> None:
    with pytest.raises(SettingsError, match=r"another value with the parameter search_lanes$"):
        compose("", search_lanes=0)
