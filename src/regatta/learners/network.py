"""The network that `mlp` trains: forward, backward, and Adam's steps, in NumPy.

Behind each rectified layer there may be a batch normalisation (Ioffe and Szegedy, 2015). It is
folded into the next layer's weights when the network is read off, so that predicting needs none.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from regatta.features.glm import softmax
from regatta.learners.base import Loss, Matrix, Params
from regatta.learners.epochs import Pace

__all__ = ["Floats", "Layers", "Network", "forward"]

Floats = npt.NDArray[np.float32]
Layers = list[tuple[Floats, Floats]]

# Batches between two looks at the clock.
LOOK_EVERY = 16
# Of a batch's mean and variance, the part that goes into those that predictions use.
MOMENTUM = np.float32(0.1)
LEAST_VARIANCE = np.float32(1e-5)


@dataclass
class Norm:
    """A batch normalisation.

    Attributes
    ----------
    scale, shift : ndarray of shape (width,), float32
        What is learnt.
    mean, variance : ndarray of shape (width,), float32
        Of the batches so far, the latest counting most.
    """

    scale: Floats
    shift: Floats
    mean: Floats
    variance: Floats

    @classmethod
    def plain(cls, width: int) -> "Norm":
        """Return one that has seen nothing."""
        one, zero = np.ones(width, dtype=np.float32), np.zeros(width, dtype=np.float32)
        return cls(one, zero, zero.copy(), one.copy())

    def copy(self) -> "Norm":
        """Return a copy."""
        return Norm(self.scale.copy(), self.shift.copy(), self.mean.copy(), self.variance.copy())

    def apply(self, values: Floats) -> tuple[Floats, tuple[Floats, Floats]]:
        """Normalise a batch; return it, and what `backward` needs."""
        mean = values.mean(axis=0)
        centred = values - mean
        variance = (centred * centred).mean(axis=0)
        self.mean += MOMENTUM * (mean - self.mean)
        self.variance += MOMENTUM * (variance - self.variance)
        inverse = 1 / np.sqrt(variance + LEAST_VARIANCE)
        standard = centred * inverse
        return standard * self.scale + self.shift, (standard, inverse)

    def backward(self, slope: Floats, kept: tuple[Floats, Floats]) -> tuple[Floats, Floats, Floats]:
        """Return the slope by the batch, and the gradients of scale and shift."""
        standard, inverse = kept
        by_scale, by_shift = (slope * standard).sum(axis=0), slope.sum(axis=0)
        rows = np.float32(len(slope))
        inner = slope - by_shift / rows - standard * (by_scale / rows)
        return inner * (self.scale * inverse), by_scale, by_shift

    def folded(self, weights: Floats, bias: Floats) -> tuple[Floats, Floats]:
        """Return weights and bias of a layer that reads what was not normalised."""
        factor = self.scale / np.sqrt(self.variance + LEAST_VARIANCE)
        return weights * factor[:, None], bias + (self.shift - self.mean * factor) @ weights


@dataclass
class Snapshot:
    """All that a network has learnt at some moment."""

    layers: Layers
    norms: list[Norm]

    def copy(self) -> "Snapshot":
        """Return a copy."""
        layers = [(weights.copy(), bias.copy()) for weights, bias in self.layers]
        return Snapshot(layers, [norm.copy() for norm in self.norms])

    def folded(self) -> Layers:
        """Return the layers that predict, the normalisations folded in."""
        if not self.norms:
            return self.layers
        behind = [
            norm.folded(*layer) for norm, layer in zip(self.norms, self.layers[1:], strict=True)
        ]
        return [self.layers[0], *behind]


class Network:
    """Weights with the optimiser's moments.

    Parameters
    ----------
    layers : list of (ndarray of shape (n_in, n_out), ndarray of shape (n_out,)), float32
        What it begins with.
    params : mapping
        Parameters of the learner.
    rng : Generator
        Source of all draws.
    pace : Pace
        How large its steps are, and when it ends.
    """

    def __init__(
        self, layers: Layers, params: Params, rng: np.random.Generator, pace: Pace
    ) -> None:
        hidden = [weights.shape[1] for weights, _ in layers[:-1]]
        norms = [Norm.plain(width) for width in hidden] if params["batch_norm"] else []
        self.now, self.params, self.rng = Snapshot(layers, norms), params, rng
        self.rate = float(params["learning_rate"])
        flat = self._learnt()
        self.first = [np.zeros_like(array) for array in flat]
        self.second = [np.zeros_like(array) for array in flat]
        self.steps, self.pace, self.share = 0, pace, 1.0

    def copy(self) -> Snapshot:
        """Return all that it has learnt."""
        return self.now.copy()

    def restart(self, earlier: Snapshot) -> None:
        """Go on from an earlier moment with a quarter of the learning rate."""
        self.now = earlier.copy()
        self.rate /= 4

    def epoch(self, X: Matrix, y: Floats, loss: Loss, weights: Floats | None = None) -> bool:
        """Pass once over the rows; return whether there was time for all.

        Parameters
        ----------
        X, y : ndarray of shape (n_rows, n_columns) and (n_rows, n_scores), float32
            Rows and their targets.
        loss : {"binary", "multiclass", "regression", "median"}
            What is made least (`FitData.loss`).
        weights : ndarray of shape (n_rows, 1), float32, or None
            What the rows count, of mean 1; None: all the same.
        """
        order = self.rng.permutation(len(y))
        batch = int(self.params["batch"])
        for number, start in enumerate(range(0, len(y), batch)):
            if number % LOOK_EVERY == 0:
                self.share = self.pace.share(start / len(y))
                if not self.share:
                    return False
            rows = order[start : start + batch]
            # The deviations of very few rows say nothing.
            if not self.now.norms or len(rows) > batch // 4 or not start:
                each = None if weights is None else weights[rows]
                self._step(X[rows], y[rows], loss, each)
        self.pace.done += 1
        return True

    def _learnt(self) -> list[Floats]:
        """Return all arrays that Adam changes."""
        layers = [array for layer in self.now.layers for array in layer]
        return layers + [array for norm in self.now.norms for array in (norm.scale, norm.shift)]

    def _step(self, X: Floats, y: Floats, loss: Loss, weights: Floats | None) -> None:
        """Take one step of Adam."""
        gradients = self._gradients(X, y, loss, weights)
        self.steps += 1
        correction = np.sqrt(1 - 0.999**self.steps) / (1 - 0.9**self.steps)
        now = self.rate * self.share
        rate = np.float32(now * correction)
        shrink = np.float32(1 - now * float(self.params["weight_decay"]))
        for array, gradient, first, second in zip(
            self._learnt(), gradients, self.first, self.second, strict=True
        ):
            first *= np.float32(0.9)
            first += np.float32(0.1) * gradient
            second *= np.float32(0.999)
            second += np.float32(0.001) * gradient * gradient
            if array.ndim == 2:
                array *= shrink
            array -= rate * first / (np.sqrt(second) + np.float32(1e-8))

    def _gradients(
        self, X: Floats, y: Floats, loss: Loss, each: Floats | None = None
    ) -> list[Floats]:
        """Return the gradients of the mean loss, in the order of `_learnt`.

        What each row counts is of shape (n_rows, 1).
        """
        layers, norms = self.now.layers, self.now.norms
        keep = 1 - float(self.params["dropout"])
        inputs, rectified, masks, kept = [X], [], [], []
        for place, (weights, bias) in enumerate(layers[:-1]):
            values = inputs[-1] @ weights + bias
            np.maximum(values, 0, out=values)
            rectified.append(values)
            if norms:
                values, needed = norms[place].apply(values)
                kept.append(needed)
            if keep < 1:
                mask = self.rng.random(values.shape, dtype=np.float32) < keep
                masks.append((mask * np.float32(1 / keep)).astype(np.float32))
                values = values * masks[-1]
            inputs.append(values)
        slope = _slope(inputs[-1] @ layers[-1][0] + layers[-1][1], y, loss)
        if each is not None:
            slope *= each
        found: list[Floats] = []
        found_norms: list[Floats] = []
        for place in range(len(layers) - 1, -1, -1):
            found[:0] = [inputs[place].T @ slope, slope.sum(axis=0)]
            if not place:
                break
            slope = slope @ layers[place][0].T
            if keep < 1:
                slope *= masks[place - 1]
            if norms:
                slope, *learnt = norms[place - 1].backward(slope, kept[place - 1])
                found_norms[:0] = learnt
            slope = slope * (rectified[place - 1] > 0)
        return found + found_norms


def forward(layers: Any, X: Any) -> Any:
    """Return the scores of rows."""
    values = X
    for place, (weights, bias) in enumerate(layers):
        values = values @ weights + bias
        if place < len(layers) - 1:
            np.maximum(values, 0, out=values)
    return values


def _slope(scores: Floats, y: Floats, loss: Loss) -> Floats:
    """Return the derivative of the mean loss by the scores."""
    rows = np.float32(len(y))
    if loss == "median":
        side: Floats = np.sign(scores - y)
        return side / rows
    if loss == "regression":
        return (scores - y) / rows
    if loss == "binary":
        chance: Floats = (1 / (1 + np.exp(-np.clip(scores, -60, 60)))).astype(np.float32)
        return (chance - y) / rows
    return (softmax(scores).astype(np.float32) - y) / rows
