"""The plan: strategies, lanes, refusals."""

from dataclasses import replace

import numpy as np
import pytest

from regatta.errors import BudgetError, SettingsError
from regatta.learners import LEARNERS, get_learner, learners_for
from regatta.learners.base import Shape
from regatta.learners.logarithm import LOGARITHM
from regatta.search.plan import make_plan, read_plan, write_plan
from regatta.search.portfolio import portfolio, sample_rows, variations
from regatta.search.proposing import proposer_of
from regatta.search.space import nearest_point
from regatta.search.strategies import deal
from regatta.settings import RunSettings
from tests.unit.search.fakes import TOOLBOX, open_features

SMALL = Shape("binary", 5_000, 20, 2)
LARGE = Shape("binary", 800_000, 20, 2)


@pytest.fixture
def table(tmp_path):
    return open_features(tmp_path / "features")


def settings(**search) -> RunSettings:
    return RunSettings.from_values({"search": search, "budget": {"seconds": 60}})


@pytest.mark.parametrize("strategy", ["portfolio", "grid", "random", "bayes", "halving"])
def test_every_strategy_has_recipes_inside_the_spaces(table, strategy: str):
    plan = make_plan(table, settings(strategy=strategy))
    assert {recipe.learner for recipe in plan.lanes[0]} == set(learners_for("binary"))
    for recipe in plan.lanes[0]:
        space = get_learner(recipe.learner).space(plan.shape)
        params = {**get_learner(recipe.learner).defaults(plan.shape), **recipe.params}
        near = nearest_point(space, params)
        assert near is not None
        if recipe.origin != "portfolio":
            assert near == {name: params[name] for name in near}
    refine = {"grid": "none", "random": "random", "halving": "halving"}
    assert plan.refine == refine.get(strategy, "bayes")


@pytest.mark.parametrize("strategy", ["portfolio", "bayes"])
@pytest.mark.parametrize("refine", ["bayes", "random", "none"])
def test_who_goes_on_after_the_portfolio_can_be_chosen(table, strategy: str, refine: str):
    plan = make_plan(table, settings(strategy=strategy, refine=refine))
    assert plan.refine == refine
    assert plan.lanes == make_plan(table, settings(strategy=strategy)).lanes
    spaces = {key: get_learner(key).space(plan.shape) for key in plan.learners}
    proposer = proposer_of(plan, 0, 0, spaces)
    for _ in plan.lanes[0]:
        proposer.ask()
    assert (proposer.ask() is None) == (refine == "none")


def test_plan_is_deterministic_and_depends_on_the_seed(table):
    first, second = (make_plan(table, settings(strategy="random")) for _ in range(2))
    assert first == second
    other = settings(strategy="random").merged({"seed": 1})
    assert make_plan(table, other).lanes != first.lanes


def test_plan_survives_the_disk(table, tmp_path):
    plan = make_plan(table, settings(lanes=3, max_trials=7))
    write_plan(tmp_path / "plan", plan)
    assert read_plan(tmp_path / "plan") == plan
    assert plan.max_trials == (3, 2, 2)
    assert sum(len(lane) for lane in plan.lanes) == 7


def test_never_more_lanes_than_trials(table):
    assert len(make_plan(table, settings(lanes=8, max_trials=2)).lanes) == 2
    assert make_plan(table, settings(lanes=2)).max_trials == (0, 0)


def test_lanes_get_the_recipes_in_turn(table):
    alone = make_plan(table, settings()).lanes[0]
    shared = make_plan(table, settings(lanes=2)).lanes
    assert shared == deal(list(alone), 2)
    assert shared[0][0] == alone[0]
    assert shared[1][0] == alone[1]


@pytest.mark.parametrize(
    ("search", "message"),
    [
        ({"learners": ["lightgmb"]}, "did you mean 'lightgbm'"),
        ({"metric": "rmse"}, "does not fit a binary task"),
        ({"metric": "auc"}, "there is no metric 'auc'"),
    ],
)
def test_unknown_names_are_refused(table, search, message: str):
    with pytest.raises(SettingsError, match=message):
        make_plan(table, settings(**search))


def test_learner_of_another_task_is_refused(table):
    with pytest.raises(SettingsError, match="does not learn a binary task"):
        make_plan(table, settings(learners=["only_regression"]), TOOLBOX)


def test_learners_restrict_the_race(table):
    plan = make_plan(table, settings(learners=["linear", "mlp"]))
    assert {recipe.learner for recipe in plan.lanes[0]} == {"linear", "mlp"} == set(plan.learners)


def test_tiny_budget_names_the_least_one(table):
    tiny = settings().merged({"budget": {"seconds": 6}})
    with pytest.raises(BudgetError, match=r"at least \d+ s") as caught:
        make_plan(table, tiny)
    least = int(caught.value.expected.split()[2])
    assert make_plan(table, settings().merged({"budget": {"seconds": least}}))


def test_portfolio_begins_fast_and_then_varies():
    learners = {key: get_learner(key) for key in LEARNERS}
    recipes = portfolio(learners, SMALL, 60)
    assert [recipe.learner for recipe in recipes[:4]] == ["lightgbm", "mlp", "linear", "lightgbm"]
    assert recipes[0].params["learning_rate"] > recipes[3].params["learning_rate"]
    assert all(recipe.rows == 0 for recipe in recipes)
    assert len({str(recipe) for recipe in recipes}) == len(recipes) > 15
    for key, learner in learners.items():
        # A regression on a column of many categories has all parameters; others may lack some.
        shape = replace(SMALL, task="regression", n_categories=100)
        defaults = learner.defaults(shape)
        assert all(set(changes) <= set(defaults) for changes in variations(key)), key


def test_large_tables_begin_with_a_sample():
    learners = {key: get_learner(key) for key in LEARNERS}
    recipes = portfolio(learners, LARGE, 60)
    sampled = [recipe.learner for recipe in recipes if recipe.rows]
    assert sampled == [recipe.learner for recipe in recipes[: len(sampled)]]
    # What takes long is not tried twice: all rows tell better.
    assert sampled == ["lightgbm", "linear", "naive_bayes"]
    assert {recipe.learner for recipe in recipes[len(sampled) :]} == set(learners)


@pytest.mark.parametrize("shape", [SMALL, LARGE, replace(LARGE, n_columns=10_000)])
def test_sample_fits_the_budget(shape: Shape):
    short, long = sample_rows(shape, 20), sample_rows(shape, 600)
    assert short <= long or long == 0
    assert short < shape.n_rows


def test_unknown_strategy_is_refused_with_the_nearest():
    with pytest.raises(SettingsError, match="did you mean 'portfolio'"):
        settings(strategy="portfolo")


def test_a_skewed_target_is_tried_as_a_logarithm_too():
    learners = {key: get_learner(key) for key in LEARNERS}
    shape = Shape("regression", 5_000, 20, 1)
    plain, skewed = (portfolio(learners, shape, 60, also=also) for also in ((), [LOGARITHM]))
    logs = [recipe for recipe in skewed if recipe.params.get("target") == "log"]
    assert [recipe for recipe in skewed if recipe not in logs] == plain
    assert skewed[0] == plain[0]
    assert skewed[2] in logs
    assert 3 <= len(logs) < len(plain)
    large = portfolio(learners, replace(shape, n_rows=20_000), 60, also=[LOGARITHM])
    assert "mlp" in {recipe.learner for recipe in large if recipe.params.get("target") == "log"}


@pytest.mark.parametrize("metric", ["rmse", "mae", "rmsle"])
def test_medians_are_tried_beside_means_where_absolute_errors_count(tmp_path, metric: str):
    table = open_features(tmp_path / "regression", task="regression")
    table = replace(table, y=np.exp(table.y))
    (queue,) = make_plan(table, settings(metric=metric)).lanes
    tried = {(r.params.get("target", "plain"), r.params.get("statistic", "mean")) for r in queue}
    expected = {
        "rmse": {("plain", "mean"), ("log", "mean")},
        # Those that have no medians have logarithms only.
        "mae": {("plain", "mean"), ("plain", "median"), ("log", "median"), ("log", "mean")},
        "rmsle": {("plain", "mean")},
    }
    assert tried == expected[metric]
    (few,) = make_plan(table, settings(metric=metric, strategy="bayes")).lanes
    assert {r.params.get("statistic") == "median" for r in few} == {False, metric == "mae"}
    assert all(
        get_learner(r.learner).medians for r in queue if r.params.get("statistic") == "median"
    )


def test_sets_of_many_categories_race_against_thresholds_where_there_are_many():
    learners = {key: get_learner(key) for key in LEARNERS}
    for shape in (SMALL, LARGE):
        names = [set(recipe.params) for recipe in portfolio(learners, shape, 60)]
        assert not any("native_categories" in known for known in names)
        for n_categories, raced in ((100, {None, 30, 1000}), (1500, {None, 30, 1000, 1001})):
            recipes = portfolio(learners, replace(shape, n_categories=n_categories), 60)
            assert {recipe.params.get("native_categories") for recipe in recipes} == raced


def test_what_does_not_heed_weights_does_not_race(tmp_path):
    tools = replace(TOOLBOX, learners_for=lambda task: ["deaf", "line"])
    for weighted in (False, True):
        table = open_features(tmp_path / f"{weighted}", weighted=weighted)
        found = make_plan(table, settings(), tools).learners
        assert found == (("line",) if weighted else ("deaf", "line"))
    with pytest.raises(SettingsError, match="'deaf' does not heed the weights of rows"):
        make_plan(table, settings(learners=["line", "deaf"]), tools)
