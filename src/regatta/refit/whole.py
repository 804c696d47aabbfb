"""A fit of all rows, without rows to validate: with what the folds of the same trial found out.

In an ensemble one such model is worth more than those of five folds together, which each miss a
fifth of the rows, and it takes a fifth of their time, of their bytes and of their predictions
(docs/adr/0017-members-are-fitted-once-on-all-rows.md).
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from regatta.artifacts.records import Recipe, TrialRecord
from regatta.search.costs import whole_trees
from regatta.search.table import Indices, TrainingTable

__all__ = ["AllRows", "draw_name", "draw_seed", "recipe_of_whole", "trial_of"]

# Rows on which the model is checked to predict at all. It has learnt from them.
CHECKED_ROWS = 5_000
CHECKED_OF_CLASS = 5
# More rows are worth more rounds, by the root of their number.
ROUNDS_EXPONENT = 0.5
# Between the id of a trial and the number of a draw.
SIGN = "+"


@dataclass(frozen=True)
class AllRows(TrainingTable):
    """A table as one fold, which learns from all rows and is checked on some of them."""

    @classmethod
    def of(cls, table: TrainingTable, seed: int) -> "AllRows":
        """Return all rows of a table, those that its folds only train on among them.

        Parameters
        ----------
        table : TrainingTable
            The rows.
        seed : int
            Seed of the draw of those that are checked.
        """
        order = np.random.default_rng(seed).permutation(table.n_rows)
        checked = [order[:CHECKED_ROWS]]
        if table.task != "regression":
            # A score may need every class.
            codes = table.y[order]
            checked += [order[codes == c][:CHECKED_OF_CLASS] for c in range(table.n_outputs)]
        folds = np.ones(table.n_rows, dtype=np.int16)
        folds[np.concatenate(checked)] = 0
        return cls(**{**vars(table), "folds": folds[None], "n_folds": 1})

    def train(self, fold: int) -> Indices:
        """Return all rows."""
        return np.arange(self.n_rows)


def recipe_of_whole(record: TrialRecord, more: float) -> Recipe | None:
    """Return the recipe of a fit of all rows; None where it needs rows to validate.

    Parameters
    ----------
    record : TrialRecord
        The trial of the folds.
    more : float
        How many times the rows of a fold all rows are.
    """
    if record.learnt is None:
        return None
    learnt: dict[str, Any] = dict(record.learnt)
    if "n_rounds" in learnt:
        longer = 1.0 if record.recipe.rows else more**ROUNDS_EXPONENT
        rounds = max(round(learnt["n_rounds"] * longer), 1)
        # The rows that are checked say nothing of when to end.
        learnt |= {"n_rounds": rounds, "patience": rounds}
    if "n_trees" in learnt:
        learnt["n_trees"] = whole_trees(record)
    return replace(record.recipe, params={**record.recipe.params, **learnt})


def draw_name(trial: str, draw: int) -> str:
    """Return the name of a fit of all rows; that of the first draw is the trial's own.

    Examples
    --------
    >>> draw_name("00-002-lightgbm", 0), draw_name("00-002-lightgbm", 1)
    ('00-002-lightgbm', '00-002-lightgbm+1')
    >>> trial_of("00-002-lightgbm+1")
    '00-002-lightgbm'
    """
    return f"{trial}{SIGN}{draw}" if draw else trial


def trial_of(name: str) -> str:
    """Return the id of the trial that a fit is one of."""
    return name.partition(SIGN)[0]


def draw_seed(seed: int, draw: int) -> int:
    """Return the seed of a draw; that of the first is the trial's own."""
    return int(np.random.SeedSequence([seed, draw]).generate_state(1)[0] >> 1) if draw else seed
