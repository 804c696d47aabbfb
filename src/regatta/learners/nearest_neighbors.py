"""Nearest neighbours: what rows alike have, by brute force on a bounded sample of the rows."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from regatta.artifacts.state import State
from regatta.errors import TrialSkipped
from regatta.learners.base import (
    Array,
    Encoding,
    FitData,
    Learner,
    Matrix,
    Model,
    Param,
    Params,
    Shape,
    Space,
    average,
    check_target,
    class_shares,
    out_of_time,
)
from regatta.learners.threads import limit_blas

__all__ = ["NearestNeighborsLearner", "NearestNeighborsModel"]

Floats = npt.NDArray[np.float32]

MOST_ROWS = 200_000
MOST_COLUMNS = 600
# What is stored: bounds the size of a model, and the time of a prediction to a few ms.
STORED_ROWS = 20_000
STORED_CELLS = 4_000_000
CHUNK_CELLS = 4_000_000
JUDGED_ROWS = 3_000
NEIGHBORS = (3, 5, 8, 12, 20, 35, 60, 100)
PRIOR_ROWS = 0.5
# Of the sum of squares: what is left of rounding where two rows are the same.
SAME = 1e-9


class NearestNeighborsModel(Model):
    """Rows, their targets, and how many neighbours are asked.

    Parameters
    ----------
    rows : ndarray of shape (n_stored, n_columns), float32
        Rows in the encoding of the learner.
    targets : ndarray of shape (n_stored,), float64
        Class codes or values.
    weights : ndarray of shape (n_columns,), float32
        What each column counts in a distance.
    prior : ndarray of shape (n_outputs,), float64
        Share of each class, or the mean of the values.
    n_neighbors : int
        Neighbours of a prediction.
    votes : ndarray of shape (n_stored,), float64, optional
        How many votes a row has as a neighbour; by default one.
    """

    def __init__(
        self,
        rows: Floats,
        targets: Array,
        weights: Floats,
        prior: Array,
        n_neighbors: int,
        votes: Array | None = None,
    ) -> None:
        self.rows, self.targets, self.weights = rows, targets, weights
        self.prior, self.n_neighbors, self.votes = prior, n_neighbors, votes
        # In float64, so that a row alone and the same row among others get the same answer.
        self._rows = rows.astype(np.float64) * weights
        self._squares = (self._rows**2).sum(axis=1)

    def predict(self, X: Matrix) -> Array:
        """Predict encoded rows (see `Model.predict`)."""
        if X.shape[1] != len(self.weights):
            raise ValueError(f"{X.shape[1]} columns; fitted on {len(self.weights)}")
        out = np.empty((X.shape[0], len(self.prior)))
        step = max(1, CHUNK_CELLS // len(self.rows))
        for start in range(0, len(out), step):
            part = slice(start, start + step)
            places, squares = self.nearest(X[part], self.n_neighbors + 1)
            out[part] = self.among(places, squares, self.n_neighbors)
        return out

    def nearest(self, X: Matrix, count: int) -> tuple[npt.NDArray[np.intp], Array]:
        """Return the stored rows that are nearest, and their squared distances, both sorted."""
        rows = np.asarray(X, dtype=np.float64) * self.weights
        own = (rows**2).sum(axis=1)[:, None]
        squares = own + self._squares - 2 * (rows @ self._rows.T)
        # Equal rows differ by rounding, which depends on the rows beside them.
        grain = SAME * (1 + own)
        squares = np.round(np.maximum(squares, 0) / grain) * grain
        count = min(count, len(self.rows))
        places = np.argpartition(squares, count - 1, axis=1)[:, :count]
        found = np.take_along_axis(squares, places, axis=1)
        order = np.argsort(found, axis=1, kind="stable")
        return np.take_along_axis(places, order, axis=1), np.take_along_axis(found, order, axis=1)

    def among(self, places: npt.NDArray[np.intp], squares: Array, count: int) -> Array:
        """Return what the first neighbours say; the nearer, the more (Epanechnikov's weights)."""
        count = min(count, places.shape[1])
        # The first that is not asked is where the weight ends.
        end = squares[:, min(count, places.shape[1] - 1)][:, None]
        near = np.where(end > 0, 1 - squares[:, :count] / np.where(end > 0, end, 1), 1.0) + 0.05
        if self.votes is not None:
            near = near * self.votes[places[:, :count]]
        targets = self.targets[places[:, :count]]
        if len(self.prior) == 1:
            mean = (near * targets).sum(axis=1) / near.sum(axis=1)
            return np.asarray(mean).reshape(-1, 1)
        # Some of the prior, so that no class of the training rows has a probability of 0.
        votes = np.tile(self.prior * PRIOR_ROWS, (len(places), 1))
        for code in range(len(self.prior)):
            votes[:, code] += (near * (targets == code)).sum(axis=1)
        chances: Array = votes / votes.sum(axis=1, keepdims=True)
        return chances

    def save(self, folder: Path) -> None:
        """Write ``model.json`` and ``model.npz``."""
        votes = {} if self.votes is None else {"votes": self.votes}
        State(
            {
                **votes,
                "n_neighbors": self.n_neighbors,
                "rows": self.rows,
                "targets": self.targets,
                "weights": self.weights,
                "prior": self.prior,
            }
        ).save(folder, "model")

    @classmethod
    def load(cls, folder: Path) -> "NearestNeighborsModel":
        """Read what `save` wrote (see `Model.load`)."""
        state = State.load(folder, "model")
        rows = state.array("rows", np.float32, (None, None))
        targets = state.array("targets", np.float64, (len(rows),))
        weights = state.array("weights", np.float32, (rows.shape[1],))
        prior = state.array("prior", np.float64, (None,))
        count = state.number("n_neighbors")
        state.check("rows", len(rows) > 0)
        state.check("weights", bool((weights >= 0).all()))
        state.check("prior", len(prior) > 0)
        if len(prior) > 1:
            state.check("targets", bool(np.isin(targets, np.arange(len(prior))).all()))
            state.check("prior", bool((prior >= 0).all()) and abs(prior.sum() - 1) < 1e-6)
        state.check("n_neighbors", 0 < count <= len(rows))
        votes = None
        if "votes" in state.values:
            votes = state.array("votes", np.float64, (len(rows),))
            state.check("votes", bool((votes > 0).all()))
        return cls(rows, targets, weights, prior, count, votes)


class NearestNeighborsLearner(Learner):
    """Weighted nearest neighbours.

    The nearer a row, the more its vote counts, and the more the row weighs. Distances are
    Euclidean. Each column counts as it is, or as much as it correlates with the target to the power
    of `relevance`; that, and the number of neighbours, is what the validation rows like best. So
    one trial tries them all at the price of two passes, and a fit of all rows none: it knows
    `n_neighbors`.

    References
    ----------
    .. [1] T. Hastie et al., The elements of statistical learning, 2nd ed., chapters 6 and 13.
    """

    key: ClassVar[str] = "nearest_neighbors"
    encoding: ClassVar[Encoding] = "dense"
    model: ClassVar[type[Model]] = NearestNeighborsModel

    def defaults(self, shape: Shape) -> dict[str, Any]:
        """Return the parameters of a good first try."""
        return {"relevance": 1.0, "most_neighbors": 100}

    def space(self, shape: Shape) -> Space:
        """Return what may be searched."""
        return {
            "relevance": Param("float", 0.25, 3.0, log=True),
            "most_neighbors": Param("int", 10, 100, log=True),
        }

    def memory_bytes(self, shape: Shape, params: Params) -> int:
        """Estimate the peak memory of `fit`: rows of two models, a chunk of distances."""
        stored = min(shape.n_rows, STORED_ROWS)
        return int(stored * shape.n_columns * 32 + CHUNK_CELLS * 8 * 5 + shape.n_rows * 16)

    def fit_seconds(self, shape: Shape, params: Params) -> float:
        """Estimate the time of `fit`: the distances between all rows."""
        return 0.03 + 1.2e-9 * shape.n_rows**2 * shape.n_columns

    def fit(
        self, data: FitData, params: Params, *, seed: int, threads: int, deadline: float
    ) -> Model:
        """Fit one fold (see `Learner.fit`)."""
        check_target(data)
        n_rows, n_columns = data.X.shape
        if n_columns > MOST_COLUMNS or n_rows > MOST_ROWS:
            raise TrialSkipped(
                f"the matrix has {n_rows} rows and {n_columns} columns",
                expected=f"at most {MOST_ROWS} rows and {MOST_COLUMNS} columns",
                fix="leave columns out, or use other learners",
            )
        rng = np.random.default_rng(seed)
        most = min(STORED_ROWS, STORED_CELLS // max(n_columns, 1))
        stored = np.sort(rng.choice(n_rows, most, replace=False)) if n_rows > most else slice(None)
        known_rows = _Stored.of(data, stored)
        relevance, exponent = _relevance(known_rows, data.n_outputs), float(params["relevance"])
        if known := params.get("n_neighbors"):
            weights, count = relevance**exponent, min(round(known), len(known_rows.rows))
            return _model(data, known_rows, weights, count)
        with limit_blas(threads):
            most = int(params["most_neighbors"])
            return _best(data, known_rows, relevance, exponent, most, deadline)


@dataclass(frozen=True)
class _Stored:
    """The rows that a model keeps, with their targets and, if rows have weights, their votes."""

    rows: Floats
    targets: Array
    votes: Array | None

    @classmethod
    def of(cls, data: FitData, places: Any) -> "_Stored":
        """Return those of the rows to fit that are at some places."""
        votes = None if data.weights is None else data.weights[places] / data.weights.mean()
        return cls(np.ascontiguousarray(data.X[places]), data.y[places], votes)


def _model(data: FitData, stored: _Stored, weights: Array, count: int) -> NearestNeighborsModel:
    """Return the model of some rows."""
    prior = np.array([average(data.y, data.weights)])
    if data.task != "regression":
        prior = class_shares(data)
    columns = weights.astype(np.float32)
    return NearestNeighborsModel(stored.rows, stored.targets, columns, prior, count, stored.votes)


def _best(
    data: FitData,
    stored: _Stored,
    relevance: Array,
    exponent: float,
    most: int,
    deadline: float,
) -> NearestNeighborsModel:
    """Return the weights of columns and the number of neighbours with the least loss."""
    judged = np.linspace(0, len(data.y_valid) - 1, min(len(data.y_valid), JUDGED_ROWS))
    places = judged.astype(np.intp)
    X, y = data.X_valid[places], data.y_valid[places]
    each = None if data.weights_valid is None else data.weights_valid[places]
    n_stored = len(stored.rows)
    counts = [count for count in NEIGHBORS if count <= most and count < n_stored] or [1]
    models = [
        (power, _model(data, stored, relevance**power, counts[0])) for power in (exponent, 0.0)
    ]
    best, best_loss, truncated = models[0][1], np.inf, False
    for power, model in models:
        losses = np.zeros(len(counts))
        step = max(1, CHUNK_CELLS // n_stored)
        for start in range(0, len(y), step):
            truncated = truncated or out_of_time(deadline)
            if truncated:
                break
            part = slice(start, start + step)
            near = model.nearest(X[part], counts[-1] + 1)
            weighing = None if each is None else each[part]
            losses += [_loss(model.among(*near, n), y[part], data.task, weighing) for n in counts]
        if truncated:
            break
        if losses.min() < best_loss:
            best, best_loss = model, float(losses.min())
            best.n_neighbors = counts[int(losses.argmin())]
            best.learnt = {"relevance": power, "n_neighbors": float(best.n_neighbors)}
    best.truncated = truncated
    return best


def _relevance(stored: _Stored, n_outputs: int) -> Array:
    """Return the correlation of each column with the target, or the greatest with a class."""
    targets = stored.targets[:, None]
    if n_outputs > 2:
        targets = (targets == np.arange(n_outputs)).astype(np.float64)
    X = stored.rows.astype(np.float64)
    if stored.votes is None:
        targets = (targets - targets.mean(axis=0)) / np.maximum(targets.std(axis=0), 1e-12)
        related = (X - X.mean(axis=0)).T @ targets / len(X)
        spread = X.std(axis=0)
    else:
        shares = stored.votes / stored.votes.sum()
        targets, X = targets - shares @ targets, X - shares @ X
        targets = targets / np.maximum(np.sqrt(shares @ targets**2), 1e-12)
        related = (X * shares[:, None]).T @ targets
        spread = np.sqrt(shares @ X**2)
    found = np.abs(related / np.maximum(spread, 1e-6)[:, None]).max(axis=1)
    # Chance alone gives so much.
    found = np.maximum(found, 1 / np.sqrt(len(X)))
    relevance: Array = found / found.max()
    return relevance


def _loss(predicted: Array, y: Array, task: str, weights: Array | None = None) -> float:
    """Return the sum of log-losses or squared errors, the rows weighted if they have weights."""
    if task == "regression":
        losses = (predicted[:, 0] - y) ** 2
    else:
        chosen = predicted[np.arange(len(y)), y.astype(np.intp)]
        losses = -np.log(np.clip(chosen, 1e-15, 1))
    return float((losses if weights is None else losses * weights).sum())
