"""How long trials take, and which of them there is time for."""

from dataclasses import replace
from statistics import median

from regatta.artifacts.records import Recipe, TrialRecord
from regatta.learners.epochs import Schedule

__all__ = [
    "Costs",
    "again_seconds",
    "learns_by_epochs",
    "least_draws",
    "whole_seconds",
    "whole_trees",
]

# A trial may be expected to take so many times its share of the time, or, where no smaller one is
# possible, of what is left: its deadline ends it.
HOPE, HOPE_AT_MOST = 1.5, 2.0
SAMPLE_STEP = 4
SAMPLE_LEAST = 20_000
# A fit of all rows may take longer than that of a fold by more than their numbers say. Before the
# rows are counted: those of a fold, and of the locked ones, are about half as many again.
WHOLE_LONGER, WHOLE_MORE = 1.2, 1.5
NETWORKS = 3
# Of a network's epochs on a fold, those that it did not wait in vain; it is less in most cases.
USEFUL_EPOCHS = 0.5


def whole_seconds(record: TrialRecord, more: float = WHOLE_MORE) -> float:
    """Return how long a trial's fit of all rows will take, in seconds.

    Parameters
    ----------
    record : TrialRecord
        The trial of the folds.
    more : float, default 1.5
        How many times the rows of a fold all rows are.
    """
    trees = (record.learnt or {}).get("n_trees")
    part = whole_trees(record) / trees if trees else 1.0
    if learns_by_epochs(record) and not record.truncated:
        part = USEFUL_EPOCHS
    return WHOLE_LONGER * more * part * record.seconds / max(len(record.fold_scores), 1)


def whole_trees(record: TrialRecord) -> int:
    """Return the trees of a forest on all rows: as wanted, or as many as all folds have grown.

    Parameters
    ----------
    record : TrialRecord
        The trial of the folds, which time may have cut short.
    """
    grown = (record.learnt or {})["n_trees"] * max(len(record.fold_scores), 1)
    return int(min(record.recipe.params["n_trees"], round(grown)))


def least_draws(record: TrialRecord) -> int:
    """Return how many fits of all rows are worth more than the models of the folds.

    One tree model is, for it has more rows. Networks differ by chance so much that their number
    counts more: on nine tables three of them were about as good as those of five folds, one was
    not.

    Parameters
    ----------
    record : TrialRecord
        The trial of the folds.
    """
    return min(NETWORKS, len(record.fold_scores)) if learns_by_epochs(record) else 1


def learns_by_epochs(record: TrialRecord) -> bool:
    """Return whether the trial's folds have found the schedule of a network."""
    return Schedule.among(record.learnt or {}) is not None


def again_seconds(record: TrialRecord) -> float:
    """Return how long it will take to fit a trial again, whole or fold by fold, in seconds."""
    if record.learnt is None:
        return record.seconds
    return least_draws(record) * whole_seconds(record)


class Costs:
    """How long trials take, learnt from those that are over.

    Parameters
    ----------
    n_rows : int
        Training rows of a fold, which a recipe that draws no sample uses.
    """

    def __init__(self, n_rows: int) -> None:
        self._n_rows = n_rows
        self._seconds: dict[str, dict[int, list[float]]] = {}

    def learn(self, record: TrialRecord) -> None:
        """Take note of a trial; one that was stopped would have taken longer."""
        if record.status in ("ok", "timeout"):
            known = self._seconds.setdefault(record.recipe.learner, {})
            rows = record.recipe.rows or self._n_rows
            known.setdefault(rows, []).append(record.seconds)

    def expect(self, recipe: Recipe) -> float:
        """Return how long a trial should take, in seconds; 0 when nothing is known.

        What is known of fewer or more rows is scaled in proportion: an upper bound for more rows,
        for a boosted model may stop earlier.
        """
        known = self._seconds.get(recipe.learner)
        if not known:
            return 0.0
        rows = recipe.rows or self._n_rows
        near = min(known, key=lambda other: abs(other - rows))
        return median(known[near]) * rows / near

    def affordable(self, recipe: Recipe, share: float, left: float) -> Recipe | None:
        """Return a recipe that there is time for: as it is, or with fewer rows.

        A model that has learnt a sample to the end is better than one of all rows that was
        stopped in the middle; but that one is better than none.

        Parameters
        ----------
        recipe : Recipe
            What is proposed.
        share : float
            Time that one trial should take, in seconds.
        left : float
            Time left, in seconds.

        Returns
        -------
        Recipe or None
            None when even a part of the fit would take too long. Samples are a power of
            `SAMPLE_STEP` below all rows: few sizes, because each is encoded for itself.
        """
        share = min(share, left)
        if self.expect(recipe) <= HOPE * share:
            return recipe
        rows = (recipe.rows or self._n_rows) // SAMPLE_STEP
        while rows >= SAMPLE_LEAST:
            smaller = replace(recipe, rows=rows)
            if self.expect(smaller) <= share:
                return smaller
            rows //= SAMPLE_STEP
        return recipe if self.expect(recipe) <= HOPE_AT_MOST * left else None
