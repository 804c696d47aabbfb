import numpy as np
import pytest

from regatta.artifacts.records import Recipe, TrialRecord
from regatta.evaluation.metrics import get_metric
from regatta.learners.base import Param
from regatta.search.sampler import BayesProposer, QueueProposer, RandomProposer

SPACES = {
    "good": {"x": Param("float", 0, 1), "n": Param("int", 1, 100, log=True)},
    "bad": {"y": Param("float", 1e-3, 1, log=True)},
}
RMSE = get_metric("rmse", "regression")


def record(recipe: Recipe, number: int) -> TrialRecord:
    """Return the record of a trial; the optimum is x = 0.3 of ``good``."""
    score = (
        (recipe.params["x"] - 0.3) ** 2 if recipe.learner == "good" else 0.5 + recipe.params["y"]
    )
    # A learner's record holds all its parameters, not only those that were proposed.
    full = Recipe(recipe.learner, {**recipe.params, "more": 1}, recipe.rows, recipe.origin)
    return TrialRecord(str(number), 0, number, full, 0, "ok", score=score, seconds=1.0)


def drive(proposer, count: int) -> list[TrialRecord]:
    told = []
    for number in range(count):
        told.append(record(proposer.ask(), number))
        proposer.tell(told[-1])
    return told


def test_bayes_finds_the_family_and_the_optimum():
    told = drive(BayesProposer(SPACES, RMSE, 0), 60)
    assert min(r.score for r in told) < 0.003
    good = [r.recipe.learner == "good" for r in told]
    assert 0.35 < np.mean(good) < 0.95
    late = [r.recipe.params["x"] for r in told[30:] if r.recipe.learner == "good"]
    assert np.median(np.abs(np.array(late) - 0.3)) < 0.2


def test_bayes_is_deterministic():
    first, second = (drive(BayesProposer(SPACES, RMSE, 5), 12) for _ in range(2))
    assert first == second
    assert first != drive(BayesProposer(SPACES, RMSE, 6), 12)


def test_bayes_learns_from_the_portfolio():
    proposer = BayesProposer({"good": SPACES["good"]}, RMSE, 0)
    for number, x in enumerate(np.linspace(0, 1, 21)):
        proposer.tell(record(Recipe("good", {"x": float(x), "n": 5}), number))
    proposals = [proposer.ask().params["x"] for _ in range(8)]
    assert np.median(np.abs(np.array(proposals) - 0.3)) < 0.2


def test_bayes_takes_failures_and_strangers():
    proposer = BayesProposer(SPACES, RMSE, 0)
    for number in range(6):
        failed = TrialRecord("x", 0, number, Recipe("bad", {"y": 0.1}), 0, "raised", "no")
        proposer.tell(failed)
    proposer.tell(TrialRecord("x", 0, 9, Recipe("stranger"), 0, "ok", score=0.0))
    assert {proposer.ask().learner for _ in range(12)} == {"good"}


def test_bayes_without_a_usable_family_ends():
    proposer = BayesProposer({"bad": SPACES["bad"]}, RMSE, 0)
    for number in range(2):
        recipe = proposer.ask()
        proposer.tell(TrialRecord("x", 0, number, recipe, 0, "crashed", "killed"))
    assert proposer.ask() is None


def test_several_proposals_before_any_answer_differ():
    proposer = BayesProposer(SPACES, RMSE, 0)
    drive(proposer, 10)
    ahead = [proposer.ask() for _ in range(4)]
    assert len({str(recipe) for recipe in ahead}) == 4
    for number, recipe in enumerate(ahead):
        proposer.tell(record(recipe, number))


def test_random_gives_every_learner_its_turn():
    proposer = RandomProposer(SPACES, 0)
    learners = [proposer.ask().learner for _ in range(10)]
    assert all(set(learners[i : i + 2]) == set(SPACES) for i in range(0, 10, 2))


@pytest.mark.parametrize("then", [None, RandomProposer(SPACES, 0)])
def test_queue_comes_first(then):
    proposer = QueueProposer([Recipe("a"), Recipe("b")], then)
    assert [proposer.ask().learner for _ in range(2)] == ["a", "b"]
    assert (proposer.ask() is None) == (then is None)
    proposer.tell(record(Recipe("bad", {"y": 1.0}), 0))


def test_what_there_was_only_time_for_on_a_sample_is_no_worse_for_that():
    proposer = BayesProposer(SPACES, RMSE, 0)
    recipe = proposer.ask()
    cut = Recipe(recipe.learner, recipe.params, 100, recipe.origin)
    proposer.tell(TrialRecord("0", 0, 0, cut, 0, "ok", score=99.0))
    (trial,) = proposer._studies[recipe.learner].get_trials()
    assert trial.values is None
