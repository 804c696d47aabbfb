"""What every learner that heeds weights promises: a row of weight 3 counts as three such rows.

Run it on one of your own:

>>> from regatta.learners.linear import LinearLearner
>>> check_weights(LinearLearner())
"""

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from regatta.learners.base import FitData, Learner, Model, Shape
from regatta.testing.contracts import SMALL, fit_data

__all__ = ["check_weights", "predictions", "tilted"]

Array = npt.NDArray[np.float64]

ROWS, HEAVY = 210, 4
ALONG = 0.6
"""Least cosine between what weights change and what repeated rows change."""
UNCHANGED = 0.6
"""Most that weights of 1 may change, as a share of what repeated rows change: forests draw rows by
their weights, and other draws make other trees."""
ENOUGH = {"n_trees": 200, "epochs": 50}
"""So many that their draws hardly matter."""


def check_weights(learner: Learner) -> None:
    """Check that a learner heeds weights.

    Fits of weighted and of repeated rows differ where a learner counts rows, to draw them, to pass
    over them or to have enough of them in a leaf. But both move predictions the same way.

    Parameters
    ----------
    learner : Learner
        The learner; `Learner.weighted` is true.

    Raises
    ------
    AssertionError
        It does not; the message says where.
    """
    for task in sorted(learner.tasks):
        data = fit_data(task, learner.encoding)
        plain, ones, weighted, repeated = predictions(learner, data, ENOUGH)
        moved, wanted = (weighted - ones).ravel(), (repeated - ones).ravel()
        length = float(np.linalg.norm(wanted))
        off = float(np.linalg.norm(ones - plain)) / length
        if not off <= UNCHANGED:
            raise AssertionError(f"{learner.key}, {task}: weights of 1 change nothing ({off:.2g})")
        cosine = float(moved @ wanted) / max(length * float(np.linalg.norm(moved)), 1e-300)
        if not cosine >= ALONG:
            raise AssertionError(
                f"{learner.key}, {task}: weights are as repeated rows (cosine {cosine:.2f})"
            )


def predictions(
    learner: Learner, data: FitData, params: Mapping[str, Any] | None = None
) -> tuple[Array, Array, Array, Array]:
    """Return what fits of the same rows predict.

    Parameters
    ----------
    learner : Learner
        The learner.
    data : FitData
        Rows without weights.
    params : mapping, optional
        Parameters besides the defaults; what a learner does not know is left out.

    Returns
    -------
    plain, ones, weighted, repeated : ndarray of shape (n_rows, n_outputs), float64
        Without weights; each row weighs 1; rows of a high target weigh 4; these four times instead.
    """
    even = replace(data, weights=np.ones(len(data.y)), weights_valid=np.ones(len(data.y_valid)))
    found = [_fitted(learner, one, params) for one in (data, even, *tilted(data))]
    plain, ones, weighted, repeated = (model.predict(data.X_valid) for model in found)
    return plain, ones, weighted, repeated


def tilted(data: FitData) -> tuple[FitData, FitData]:
    """Return rows of which those of a high target weigh more: by weights, and by repetition."""
    middle = np.median(data.y) if data.task == "regression" else data.n_outputs - 1.5
    each, valid = (np.where(y > middle, float(HEAVY), 1.0) for y in (data.y, data.y_valid))
    weighted = replace(data, weights=each, weights_valid=valid)
    rows, valid_rows = (
        np.repeat(np.arange(len(counts)), counts.astype(np.intp)) for counts in (each, valid)
    )
    repeated = replace(
        data,
        X=data.X[rows],
        y=data.y[rows],
        X_valid=data.X_valid[valid_rows],
        y_valid=data.y_valid[valid_rows],
    )
    return weighted, repeated


def _fitted(learner: Learner, data: FitData, params: Mapping[str, Any] | None = None) -> Model:
    """Fit with few rounds."""
    # What the defaults take from the number of rows is the same for repeated ones.
    chosen = learner.defaults(Shape(data.task, ROWS, data.X.shape[1], data.n_outputs))
    more = {**SMALL, **(params or {})}
    chosen |= {name: value for name, value in more.items() if name in chosen}
    return learner.fit(data, chosen, seed=3, threads=1, deadline=time.time() + 60)
