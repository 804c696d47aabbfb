"""Spaces and recipes that the user sets: what they change, and what is refused."""

from dataclasses import replace
from pathlib import Path

import pytest

from regatta.artifacts import read_json
from regatta.errors import SettingsError
from regatta.learners import get_learner
from regatta.learners.base import Param
from regatta.learners.linear import LinearLearner
from regatta.search.budget import Tail
from regatta.search.plan import make_plan, read_plan, write_plan
from regatta.search.race import race
from regatta.search.toolbox import Toolbox
from regatta.search.user_recipes import user_recipes
from regatta.search.user_spaces import spaces_of
from regatta.settings import RecipeSettings, RunSettings, parse_overrides
from tests.unit.search.fakes import TOOLBOX, open_features

STRATEGIES = ["portfolio", "grid", "random", "bayes", "halving"]


@pytest.fixture
def table(tmp_path):
    return open_features(tmp_path / "features")


def settings(**search) -> RunSettings:
    return RunSettings.from_values({"search": search, "budget": {"seconds": 60}})


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_all_recipes_keep_to_the_space_of_the_user(table, strategy: str):
    spaces = {
        "lightgbm": {
            "num_leaves": {"low": 4, "high": 6},
            "extra_trees": {"choices": [True]},
            "max_bins": {"choices": [31, 63]},
            "learning_rate": {"high": 0.02},
        }
    }
    wanted = settings(strategy=strategy, max_trials=12, learners=["lightgbm"], spaces=spaces)
    (lane,) = make_plan(table, wanted).lanes
    assert len(lane) >= 3
    for recipe in lane:
        assert 4 <= recipe.params["num_leaves"] <= 6
        assert recipe.params["extra_trees"] is True
        assert recipe.params["max_bins"] in (31, 63)
        assert 0.01 <= recipe.params["learning_rate"] <= 0.02


def test_lane_draws_from_the_space_of_the_user(table, tmp_path: Path):
    wanted = settings(
        cores=1, learners=["line"], spaces={"line": {"noise": {"low": 0.5, "high": 0.6}}}
    ).merged({"budget": {"seconds": 25}})
    plan = make_plan(table, wanted, TOOLBOX)
    write_plan(tmp_path / "plan", plan)
    plan = read_plan(tmp_path / "plan")
    short = plan.settings.merged({"budget": {"seconds": 6}})
    plan = replace(plan, settings=short, tail=Tail(0.0, 0.0))
    (tmp_path / "trials").mkdir()
    found = race(table, plan, 0, tmp_path / "trials", toolbox=TOOLBOX)
    recipes = [read_json(tmp_path / "trials" / id_ / "trial.json")["recipe"]
               for id_ in found["trials"]]  # fmt: skip
    assert {recipe["origin"] for recipe in recipes} == {"portfolio", "bayes"}
    assert all(0.5 <= recipe["params"]["noise"] <= 0.6 for recipe in recipes)


def test_bounds_and_choices_replace_a_dimension(table):
    wanted = settings(
        spaces={
            "lightgbm": {"num_leaves": {"choices": [8, 16.0]}, "l2": {"low": 1, "log": False}},
            "linear": {"C": {"low": 1, "high": 1}, "l1_ratio": {"choices": [0, 0.3]}},
        }
    )
    found = spaces_of(["lightgbm", "linear"], table.shape, wanted.search.spaces, Toolbox())
    own = get_learner("lightgbm").space(table.shape)
    assert found["lightgbm"]["num_leaves"] == Param("choice", choices=(8, 16))
    assert type(found["lightgbm"]["num_leaves"].choices[1]) is int
    assert found["lightgbm"]["l2"] == Param("float", 1.0, own["l2"].high)
    assert found["lightgbm"]["row_share"] == own["row_share"]
    assert (found["linear"]["C"].low, found["linear"]["C"].high) == (1, 1)
    assert found["linear"]["l1_ratio"].choices == (0, 0.3)


@pytest.mark.parametrize(
    ("spaces", "message"),
    [
        ({"lightgmb": {}}, "'lightgmb', which is no learner .did you mean 'lightgbm'"),
        ({"lightgbm": {"num_leafs": {"low": 1}}}, "no parameter 'num_leafs' .did you mean 'num_l"),
        ({"linear": {"C": {"low": 5, "high": 2}}}, "bounds inverted .5 to 2."),
        ({"linear": {"C": {"low": 0, "log": True}}}, "logarithmic from 0"),
        ({"linear": {"C": {"low": -1}}}, "logarithmic from -1"),
        ({"linear": {"l1_ratio": {"low": 0.1}}}, "'search.spaces.linear.l1_ratio' has bounds"),
        ({"lightgbm": {"extra_trees": {"choices": ["yes"]}}}, "the choice 'yes'"),
        ({"lightgbm": {"extra_trees": {"choices": [1]}}}, "the choice 1"),
        ({"lightgbm": {"num_leaves": {"choices": [3.5]}}}, "expected whole numbers"),
        ({"lightgbm": {"num_leaves": {"low": 3.5}}}, "expected whole numbers"),
        ({"lightgbm": {"num_leaves": {"choices": [True]}}}, "the choice True"),
        ({"lightgbm": {"num_leaves": {}}}, "has no bounds"),
        ({"lightgbm": {"l2": {"low": 1, "choices": [2]}}}, "both bounds and choices"),
        ({"lightgbm": {"patience": {"low": 20}}}, "one bound, and the learner has none"),
    ],
)
def test_spaces_that_do_not_fit_are_refused(table, spaces, message: str):
    with pytest.raises(SettingsError, match=message) as caught:
        make_plan(table, settings(spaces=spaces))
    assert caught.value.expected
    assert caught.value.fix


@pytest.mark.parametrize(
    ("search", "message"),
    [
        ({"spaces": {"linear": {"C": {"lwo": 1}}}}, "'search.spaces.linear.C.lwo'.*mean 'low'"),
        ({"spaces": {"linear": {"C": {"low": "x"}}}}, "'search.spaces.linear.C.low' is 'x'"),
        ({"spaces": {"linear": {"C": {"low": float("inf")}}}}, "finite"),
        ({"spaces": {"linear": {"C": 3}}}, "'search.spaces.linear.C' is 3"),
        ({"spaces": {"linear": 3}}, "'search.spaces.linear' is 3"),
        ({"recipes": [{"params": {}}]}, "'search.recipes.0.learner' is missing"),
        ({"recipes": [{"learner": "linear", "parms": {}}]}, "did you mean 'params'"),
        ({"recipes": [{"learner": "linear", "rows": -1}]}, "'search.recipes.0.rows' is -1"),
        ({"recipes": ["linear"]}, "'search.recipes.0' is 'linear'"),
    ],
)
def test_settings_of_another_form_are_refused(search, message: str):
    with pytest.raises(SettingsError, match=message):
        settings(**search)


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ({"learner": "liner"}, "no learner 'liner' .did you mean 'linear'"),
        ({"learner": "linear", "params": {"c": 1}}, "no parameter 'c' .did you mean 'C'"),
        ({"learner": "lightgbm", "params": {"num_leaves": 3.5}}, "expected a whole number"),
        ({"learner": "lightgbm", "params": {"extra_trees": 1}}, "expected true or false"),
        ({"learner": "linear", "params": {"C": "much"}}, "is 'much'; expected a number"),
        ({"learner": "linear", "params": {"C": float("nan")}}, "expected a number"),
        ({"learner": "linear", "params": {"target": "log"}}, "has no parameter 'target'"),
    ],
)
def test_recipes_that_do_not_fit_are_refused(table, recipe, message: str):
    with pytest.raises(SettingsError, match=message):
        make_plan(table, settings(recipes=[recipe]))


def test_learner_of_another_task_is_refused_in_a_recipe(table):
    with pytest.raises(SettingsError, match="does not learn a binary task"):
        make_plan(table, settings(recipes=[{"learner": "only_regression"}]), TOOLBOX)


class Absent(LinearLearner):
    key, package = "absent", "absent"


@pytest.mark.parametrize(
    ("host", "fix"),
    [
        ("", r"install regatta\[absent\], or leave 'absent' out"),
        ("10.0.0.1", "build the image train after images/lock.sh --extra absent, or leave"),
    ],
)
def test_a_learner_that_is_not_installed_is_refused(
    table, monkeypatch: pytest.MonkeyPatch, host: str, fix: str
):
    tools = Toolbox(
        learner=lambda key: Absent() if key == "absent" else get_learner(key),
        learners_for=lambda task: ["linear"] if task else ["absent", "linear"],
    )
    if host:
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
    for asked in ({"recipes": [{"learner": "absent"}]}, {"learners": ["absent"]}):
        with pytest.raises(SettingsError, match=fix):
            make_plan(table, settings(**asked), tools)


def test_logarithm_of_the_target_can_be_asked_for(table):
    tools, shape = Toolbox(), replace(table.shape, task="regression")
    asked = [RecipeSettings(learner="lightgbm", params={"target": "log"})]
    assert user_recipes(asked, shape, tools)[0].params["target"] == "log"
    wrong = [RecipeSettings(learner="lightgbm", params={"target": "sqrt"})]
    with pytest.raises(SettingsError, match="expected one of plain, log"):
        user_recipes(wrong, shape, tools)


RECIPES = [
    {"learner": "linear", "params": {"C": 2}},
    {"learner": "lightgbm", "rows": 50},
    {"learner": "linear"},
]


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("max_trials", [0, 3])
def test_recipes_of_the_user_come_first(table, strategy: str, max_trials: int):
    wanted = settings(recipes=RECIPES, strategy=strategy, max_trials=max_trials)
    (lane,) = make_plan(table, wanted).lanes
    assert [recipe.origin for recipe in lane[:3]] == ["user"] * 3
    assert [(recipe.learner, recipe.rows) for recipe in lane[:3]] == [
        ("linear", 0), ("lightgbm", 50), ("linear", 0)
    ]  # fmt: skip
    assert lane[0].params == {**get_learner("linear").defaults(table.shape), "C": 2.0}
    # The defaults of the linear model are no longer tried by the portfolio.
    tried = [f"{recipe.learner} {recipe.rows} {recipe.params}" for recipe in lane]
    assert len(set(tried)) == len(tried)
    assert (len(lane) == 3) == bool(max_trials)


@pytest.mark.parametrize("strategy", ["portfolio", "halving"])
def test_only_the_recipes_of_the_user_are_raced(table, tmp_path: Path, strategy: str):
    recipes = [{"learner": "line", "params": {"noise": x}, "rows": 40} for x in (0.1, 0.2)]
    wanted = settings(recipes=recipes, max_trials=2, cores=1, strategy=strategy)
    (tmp_path / "trials").mkdir()
    plan = make_plan(table, wanted, TOOLBOX)
    found = race(table, plan, 0, tmp_path / "trials", toolbox=TOOLBOX)
    assert found["trials"] == ["000-line", "001-line"]
    assert found["statuses"] == {"ok": 2}


def test_command_line_takes_both():
    values = parse_overrides(
        [
            'search.spaces.linear.C={"low": 1, "high": 2}',
            'search.recipes={"learner": "linear", "params": {"C": 1.5}}',
        ]
    )
    search = RunSettings.from_values(values).search
    assert search.spaces["linear"]["C"].high == 2
    assert search.recipes[0].params == {"C": 1.5}
    again = RunSettings.from_json(RunSettings.from_values(values).to_json())
    assert again.search == search
