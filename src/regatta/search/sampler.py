"""Who proposes the next recipe of a lane: a queue first, then a sampler that never runs dry.

A proposer is asked for a recipe and told what came of it. All of them are deterministic given the
seed and the order of what they are told.
"""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from regatta.artifacts.records import Recipe, TrialRecord
from regatta.evaluation.metrics import Metric
from regatta.learners.base import MEDIAN, Space
from regatta.learners.logarithm import LOGARITHM
from regatta.search.families import Families
from regatta.search.median import estimated_loss
from regatta.search.space import distributions, draw, nearest_point

__all__ = ["BayesProposer", "Proposer", "QueueProposer", "RandomProposer"]

# A family is left alone after this many failures without one success.
FAILURES = 2


class Proposer(ABC):
    """Proposes recipes."""

    @abstractmethod
    def ask(self) -> Recipe | None:
        """Return the next recipe, or None when there is nothing left to try."""

    @abstractmethod
    def tell(self, record: TrialRecord) -> None:
        """Learn what came of a trial, whoever proposed it."""


class QueueProposer(Proposer):
    """Takes recipes from a queue, then asks another proposer.

    Parameters
    ----------
    recipes : sequence of Recipe
        The queue, first to be tried first.
    then : Proposer or None
        Who goes on when the queue is empty; None: nobody.
    """

    def __init__(self, recipes: Sequence[Recipe], then: Proposer | None = None) -> None:
        self._recipes = list(recipes)
        self._then = then

    def ask(self) -> Recipe | None:
        """Return the next recipe."""
        if self._recipes:
            return self._recipes.pop(0)
        return self._then.ask() if self._then else None

    def tell(self, record: TrialRecord) -> None:
        """Pass on what came of a trial."""
        if self._then:
            self._then.tell(record)


class RandomProposer(Proposer):
    """Draws learners in turn and their parameters at random.

    Parameters
    ----------
    spaces : mapping of str to Space
        Space of each learner.
    seed : int
        Seed of the draws.
    """

    def __init__(self, spaces: Mapping[str, Space], seed: int) -> None:
        self._spaces = spaces
        self._rng = np.random.default_rng(np.random.SeedSequence([seed, 1]))
        self._round: list[str] = []

    def ask(self) -> Recipe | None:
        """Draw a recipe; every learner has its turn before one has a second."""
        if not self._spaces:
            return None
        if not self._round:
            self._round = [str(key) for key in self._rng.permutation(sorted(self._spaces))]
        learner = self._round.pop(0)
        return Recipe(learner, draw(self._spaces[learner], self._rng), origin="random")

    def tell(self, record: TrialRecord) -> None:
        """Take no notice: a draw does not depend on what came before."""


class BayesProposer(Proposer):
    """Refines the families that have done best, each by a Tree-structured Parzen Estimator.

    Which family comes next is for a bandit to say (`regatta.search.families`). Its parameters come
    from Optuna's TPE, which has been told every trial of the family, the portfolio's included.

    Parameters
    ----------
    spaces : mapping of str to Space
        Space of each learner.
    metric : Metric
        What the scores are in.
    seed : int
        Seed of the draws.

    Notes
    -----
    TPE models each family by itself, so that no parameter of one is taken for another's.
    Trials that are still at work count as mediocre (``constant_liar``), which keeps trials side
    by side apart.

    References
    ----------
    Bergstra et al., Algorithms for hyper-parameter optimization, NIPS 2011.
    """

    def __init__(self, spaces: Mapping[str, Space], metric: Metric, seed: int) -> None:
        self._spaces = {key: space for key, space in spaces.items() if space}
        self._metric = metric
        self._seed = seed
        self._rng = np.random.default_rng(np.random.SeedSequence([seed, 2]))
        self._studies: dict[str, Any] = {}
        self._families = Families()
        self._failures: dict[str, int] = {}
        self._told: list[TrialRecord] = []
        self._open: list[tuple[str, Any]] = []

    def ask(self) -> Recipe | None:
        """Propose a recipe of a promising family."""
        learner = self._family()
        if learner is None:
            return None
        study = self._study(learner)
        trial = study.ask(distributions(self._spaces[learner]))
        self._open.append((learner, trial))
        return Recipe(learner, {**trial.params, **self._scale(learner)}, origin="bayes")

    def tell(self, record: TrialRecord) -> None:
        """Add a trial to what is known of its family."""
        learner = record.recipe.learner
        if learner not in self._spaces:
            return
        loss = self._loss(record)
        self._families.tell(learner, loss, record.own_seconds)
        if loss is None:
            self._failures[learner] = self._failures.get(learner, 0) + 1
        if self._close(record) or record.recipe.rows:
            # A score on few rows says nothing of the parameters' worth on all rows.
            return
        self._told.append(record)
        if learner in self._studies:
            self._add(self._studies[learner], record)

    def _loss(self, record: TrialRecord) -> float | None:
        """Return the loss of a trial, the likely one if it was given up; None for a failure."""
        if record.status == "stopped":
            family = [r for r in self._told if r.recipe.learner == record.recipe.learner]
            return estimated_loss(record, family, self._metric)
        if record.status == "ok" and record.score is not None:
            return self._metric.loss(record.score)
        return None

    def _scale(self, learner: str) -> dict[str, Any]:
        """Return whether the family learns logarithms and medians: as its best trial did."""
        known = [r for r in self._told if r.recipe.learner == learner and r.score is not None]
        best = min(known, key=lambda r: self._metric.loss(r.score or 0.0), default=None)
        kinds = {**LOGARITHM, **MEDIAN}.items()
        return {name: kind for name, kind in kinds if best and best.recipe.params.get(name) == kind}

    def _close(self, record: TrialRecord) -> bool:
        """Tell Optuna of a trial that it proposed; return whether it is one of those."""
        import optuna

        params = record.recipe.params
        for entry in self._open:
            learner, trial = entry
            if learner == record.recipe.learner and params.items() >= trial.params.items():
                self._open.remove(entry)
                loss = self._loss(record)
                # What there was only time for on a sample is no worse for that.
                if loss is not None and not record.recipe.rows:
                    self._studies[learner].tell(trial, loss)
                else:
                    self._studies[learner].tell(trial, state=optuna.trial.TrialState.FAIL)
                return True
        return False

    def _family(self) -> str | None:
        """Return the family to refine; none that has only failed."""
        usable = [
            key
            for key in sorted(self._spaces)
            if self._families.known(key) or self._failures.get(key, 0) < FAILURES
        ]
        return self._families.draw(usable, self._rng) if usable else None

    def _study(self, learner: str) -> Any:
        """Return the study of a family, with all that has been told so far."""
        if learner not in self._studies:
            import optuna

            optuna.logging.set_verbosity(optuna.logging.ERROR)
            seed = np.random.SeedSequence([self._seed, sorted(self._spaces).index(learner), 3])
            with warnings.catch_warnings():
                # Optuna marks these options as experimental.
                warnings.simplefilter("ignore")
                sampler = optuna.samplers.TPESampler(
                    n_startup_trials=4,
                    multivariate=True,
                    constant_liar=True,
                    seed=int(seed.generate_state(1)[0]),
                )
            self._studies[learner] = optuna.create_study(sampler=sampler, direction="minimize")
            for record in self._told:
                if record.recipe.learner == learner:
                    self._add(self._studies[learner], record)
        return self._studies[learner]

    def _add(self, study: Any, record: TrialRecord) -> None:
        """Add a finished trial to a study."""
        import optuna

        loss = self._loss(record)
        if loss is None:
            return
        space = self._spaces[record.recipe.learner]
        params = nearest_point(space, record.recipe.params)
        if params is None:
            return
        study.add_trial(
            optuna.trial.create_trial(
                params=params,
                distributions=distributions(space),
                value=loss,
            )
        )
