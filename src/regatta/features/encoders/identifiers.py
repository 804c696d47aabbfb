"""Whole numbers that name something: a shop, an article, a flight.

Trees and networks read a number by its order. That of identifiers says little, each of them for
itself may say much: such columns have out-of-fold target means beside the number, as categories of
many values have. Which columns these are, the target tells.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from regatta.features.encoders.base import Frame, column
from regatta.features.encoders.targets import (
    INNER_FOLDS,
    MOST_LABELS,
    inner_folds,
    means_by_code,
)
from regatta.features.rows import Feature

__all__ = ["identifiers"]

Array = npt.NDArray[np.float64]

# What has fewer values a tree can take apart; each should have some rows.
BINS, ROWS_A_VALUE = 64, 5
SAMPLE_ROWS = 50_000
FIRST_ROWS, FIRST_VALUES = 500, 32
# By how much of the target's variance, and by how many standard errors, the values have to say more
# than their order does.
WORTH, SURE = 0.02, 3.0


def identifiers(frame: Frame, columns: Sequence[Feature], targets: Array, seed: int) -> list[str]:
    """Return the numeric columns whose values say more of the target each than in their order.

    Parameters
    ----------
    frame : DataFrame or mapping of arrays, of n_rows rows
        Training rows.
    columns : sequence of Feature
        The features; raw numbers are looked at. Parts of dates are none: what a day was like says
        nothing of days to come.
    targets : ndarray of shape (n_rows, n_targets), float64
        As `regatta.features.encoders.targets.target_columns` returns them.
    seed : int
        Seed of the sample and of the inner folds.
    """
    rng = np.random.default_rng(seed)
    n_rows = min(len(targets), SAMPLE_ROWS)
    rows = np.sort(rng.choice(len(targets), n_rows, replace=False))
    folds, wanted = inner_folds(n_rows, INNER_FOLDS, seed), targets[rows]
    numbers = [feature for feature in columns if feature.raw == "numeric" and not feature.part]
    return [
        feature.name
        for feature in numbers
        if _names_things(column(frame, feature.name)[rows], wanted, folds)
    ]


def _names_things(
    values: npt.NDArray[np.float32], targets: Array, folds: npt.NDArray[np.int64]
) -> bool:
    """Return whether the values of a column are better told one by one than in their order."""
    there = ~np.isnan(values)
    known = values[there]
    first = known[:FIRST_ROWS]
    # Most columns are none: that shall cost little.
    if (first % 1).any() or len(np.unique(first)) <= FIRST_VALUES or (known % 1).any():
        return False
    found, places = np.unique(known, return_inverse=True)
    if not BINS < len(found) <= min(MOST_LABELS, len(values) // ROWS_A_VALUE):
        return False
    edges = np.unique(np.quantile(known, np.linspace(0, 1, BINS + 1)[1:-1]))
    losses = []
    for codes, missing in ((places, len(found)), (np.searchsorted(edges, known), len(edges) + 1)):
        every = np.full(len(values), missing, dtype=np.int32)
        every[there] = codes
        _, said = means_by_code(every, missing + 1, folds, targets)
        losses.append(((targets - said[:, :-1]) ** 2).sum(axis=1))
    gain = losses[1] - losses[0]
    worth = WORTH * targets.var(axis=0).sum()
    return bool(gain.mean() > max(worth, SURE * gain.std() / len(gain) ** 0.5))
