"""The network that `mlp` trains: forward, backward, and Adam's steps, in NumPy."""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from regatta.features.glm import softmax
from regatta.learners.base import Matrix, Params

__all__ = ["Floats", "Layers", "Network", "forward"]

Floats = npt.NDArray[np.float32]
Layers = list[tuple[Floats, Floats]]

# Share of the time in which steps become smaller.
SETTLING = 0.3


class Network:
    """Weights with the optimiser's moments."""

    def __init__(self, layers: Layers, params: Params, rng: np.random.Generator) -> None:
        self.layers, self.params, self.rng = layers, params, rng
        self.rate = float(params["learning_rate"])
        flat = [array for layer in layers for array in layer]
        self.first = [np.zeros_like(array) for array in flat]
        self.second = [np.zeros_like(array) for array in flat]
        self.steps, self.began, self.pace = 0, time.time(), 1.0

    def copy(self) -> Layers:
        """Return a copy of the weights."""
        return [(weights.copy(), bias.copy()) for weights, bias in self.layers]

    def restart(self, layers: Layers) -> None:
        """Go on from earlier weights with a quarter of the learning rate."""
        self.layers = [(weights.copy(), bias.copy()) for weights, bias in layers]
        self.rate /= 4

    def epoch(self, X: Matrix, y: Floats, task: str, deadline: float) -> bool:
        """Pass once over the rows; return whether there was time for all.

        In the last part of the time the steps become smaller, down to nothing at its end: where it
        ends before the loss has settled, the weights have settled all the same.
        """
        order = self.rng.permutation(len(y))
        batch = int(self.params["batch"])
        for number, start in enumerate(range(0, len(y), batch)):
            if number % 16 == 0:
                now = time.time()
                if now >= deadline:
                    return False
                left = (deadline - now) / (deadline - self.began)
                self.pace = min(1.0, left / SETTLING)
            rows = order[start : start + batch]
            self._step(X[rows], y[rows], task)
        return True

    def _step(self, X: Floats, y: Floats, task: str) -> None:
        """Take one step of Adam."""
        keep = 1 - float(self.params["dropout"])
        masks: list[Floats] = []
        for weights, _ in self.layers[:-1]:
            kept = self.rng.random((len(X), weights.shape[1]), dtype=np.float32) < keep
            masks.append((kept * np.float32(1 / keep)).astype(np.float32))
        values = forward(self.layers, X, masks if keep < 1 else ())
        gradients = _backward(self.layers, values, _slope(values[-1], y, task), masks, keep)
        self.steps += 1
        correction = np.sqrt(1 - 0.999**self.steps) / (1 - 0.9**self.steps)
        now = self.rate * self.pace
        rate = np.float32(now * correction)
        shrink = np.float32(1 - now * float(self.params["weight_decay"]))
        flat = [array for layer in self.layers for array in layer]
        for array, gradient, first, second in zip(
            flat, gradients, self.first, self.second, strict=True
        ):
            first *= np.float32(0.9)
            first += np.float32(0.1) * gradient
            second *= np.float32(0.999)
            second += np.float32(0.001) * gradient * gradient
            if array.ndim == 2:
                array *= shrink
            array -= rate * first / (np.sqrt(second) + np.float32(1e-8))


def forward(layers: Any, X: Any, masks: Sequence[Floats] = ()) -> list[Any]:
    """Return the values of all layers, X first, scores last."""
    values = [X]
    for place, (weights, bias) in enumerate(layers):
        found = values[-1] @ weights + bias
        if place < len(layers) - 1:
            np.maximum(found, 0, out=found)
            if masks:
                found *= masks[place]
        values.append(found)
    return values


def _backward(
    layers: Layers, values: list[Floats], slope: Floats, masks: Sequence[Floats], keep: float
) -> list[Floats]:
    """Return the gradient of each weight and bias, in the order of the layers."""
    gradients: list[Floats] = []
    for place in range(len(layers) - 1, -1, -1):
        gradients[:0] = [values[place].T @ slope, slope.sum(axis=0)]
        if place:
            slope = slope @ layers[place][0].T
            slope *= values[place] > 0
            if keep < 1:
                slope *= masks[place - 1]
    return gradients


def _slope(scores: Floats, y: Floats, task: str) -> Floats:
    """Return the derivative of the mean loss by the scores."""
    rows = np.float32(len(y))
    if task == "regression":
        return (scores - y) / rows
    if task == "binary":
        chance: Floats = (1 / (1 + np.exp(-np.clip(scores, -60, 60)))).astype(np.float32)
        return (chance - y) / rows
    return (softmax(scores).astype(np.float32) - y) / rows
