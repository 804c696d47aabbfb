"""Which columns of codes a boosted tree splits by sets of categories, and which by thresholds.

A set of many categories fits what they have in common by chance, and takes time; a threshold on
codes in the order of their frequency, beside the target means that the encoder adds, does not.
Where each category has its own value (stations, players), sets are better. Which of the two is
found out by racing both.
"""

import numpy as np

from regatta.learners.base import FitData, Param, Shape, Space

__all__ = ["FEW", "NATIVE", "native_columns", "native_space"]

NATIVE = "native_categories"
"""Parameter of a learner: up to how many categories a column is split by sets."""

FEW = 30
"""Categories of a column up to which sets are always taken: these codes have an order, too."""


def native_columns(data: FitData, most: int) -> tuple[int, ...]:
    """Return the columns of codes whose splits are sets of categories.

    Parameters
    ----------
    data : FitData
        Rows to fit, encoded for trees.
    most : int
        Categories that such a column has at most.

    Examples
    --------
    >>> X = np.array([[0, 0], [1, 1], [np.nan, 2]], dtype=np.float32)
    >>> y = np.zeros(3)
    >>> native_columns(FitData("regression", 1, X, y, X, y, categorical=(0, 1)), 2)
    (0,)
    """
    return tuple(place for place in data.categorical if _highest(data, place) < most)


def native_space(shape: Shape, *most: int) -> Space:
    """Return the dimension of a space, where a table has a column of more than few categories.

    Parameters
    ----------
    shape : Shape
        Size of the table.
    *most : int
        Categories that the learner may take as a set at most, in rising order; where no column
        has more than one of these, the next ones would be the same.

    Examples
    --------
    >>> native_space(Shape("binary", 900, 9, 2, n_categories=200), 100, 1000, 5000)[NATIVE].choices
    (30, 100, 1000)
    """
    choices = [FEW]
    for known in most:
        if shape.n_categories > choices[-1]:
            choices.append(known)
    return {NATIVE: Param("choice", choices=tuple(choices))} if len(choices) > 1 else {}


def _highest(data: FitData, place: int) -> float:
    """Return the highest code of a column; -1 if there is none."""
    codes = np.asarray(data.X)[:, place]
    return float(np.max(codes, initial=-1.0, where=~np.isnan(codes)))
