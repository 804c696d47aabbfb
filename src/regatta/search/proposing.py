"""Who proposes the recipes of a lane: its queue, then what the strategy says."""

from collections.abc import Iterable, Mapping
from itertools import islice

from regatta.artifacts.records import Recipe
from regatta.learners.base import Space
from regatta.search.halving import HalvingProposer, brackets, rungs
from regatta.search.plan import Plan
from regatta.search.resuming import untried
from regatta.search.sampler import BayesProposer, Proposer, QueueProposer, RandomProposer
from regatta.search.strategies import FIRSTS

__all__ = ["proposer_of"]


def proposer_of(
    plan: Plan,
    lane: int,
    seed: int,
    spaces: Mapping[str, Space],
    tried: Iterable[Recipe] = (),
) -> Proposer:
    """Return the proposer of a lane.

    Parameters
    ----------
    plan : Plan
        What is raced.
    lane : int
        Number of the lane.
    seed : int
        Seed of its draws.
    spaces : mapping of str to Space
        What is searched of each learner.
    tried : iterable of Recipe
        What earlier tries of the lane have asked of trials; it is not proposed again. What has a
        number is: the lane knows by it what came of the trial, and tells.
    """
    queue = untried(plan.lanes[lane], (recipe for recipe in tried if recipe.number is None))
    if plan.refine == "bayes":
        return QueueProposer(queue, BayesProposer(spaces, plan.objective, seed))
    if plan.refine == "random":
        return QueueProposer(queue, RandomProposer(spaces, seed))
    if plan.refine == "none":
        return QueueProposer(queue)
    first = sum(recipe.origin in FIRSTS for recipes in plan.lanes for recipe in recipes)
    trials = plan.settings.search.max_trials - first if plan.fixed else None
    rows = rungs(plan.shape.n_rows)
    contests = islice(brackets(len(rows), trials, first), lane, None, len(plan.lanes))
    # Beyond the plan there are draws, unless the plan is all there is.
    source = QueueProposer(
        [recipe for recipe in queue if recipe.origin not in FIRSTS],
        None if plan.fixed else RandomProposer(spaces, seed),
    )
    halving = HalvingProposer(source, contests, rows, plan.objective)
    return QueueProposer([recipe for recipe in queue if recipe.origin in FIRSTS], halving)
