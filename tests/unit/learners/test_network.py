"""The network of `mlp` and `normed_mlp`: its gradients, and what it is when it is read off."""

from typing import Any

import numpy as np
import pytest

from regatta.learners.epochs import Pace
from regatta.learners.network import Network, forward

PARAMS = {"dropout": 0.0, "learning_rate": 1e-2, "weight_decay": 0.0, "batch": 40}


def made(batch_norm: bool, n_outputs: int) -> tuple[Network, Any]:
    """Return a network of two hidden layers, and rows."""
    rng = np.random.default_rng(0)
    widths = [(5, 7), (7, 6), (6, n_outputs)]
    layers = [
        (rng.normal(size=shape).astype(np.float32), rng.normal(size=shape[1]).astype(np.float32))
        for shape in widths
    ]
    network = Network(layers, {**PARAMS, "batch_norm": batch_norm}, rng, Pace(np.inf))
    return network, rng.normal(size=(40, 5)).astype(np.float32)


def scores_of(network: Network, X: Any) -> Any:
    """Return the scores of one batch in float64, written down once more."""
    values = X.astype(np.float64)
    for place, (weights, bias) in enumerate(network.now.layers):
        values = values @ weights.astype(np.float64) + bias
        if place < len(network.now.layers) - 1:
            values = np.maximum(values, 0)
            if network.now.norms:
                norm = network.now.norms[place]
                standard = (values - values.mean(axis=0)) / np.sqrt(values.var(axis=0) + 1e-5)
                values = standard * norm.scale + norm.shift
    return values


def loss_of(scores: Any, y: Any, task: str) -> float:
    """Return the mean loss whose gradient a step follows."""
    if task == "regression":
        return float(((scores - y) ** 2).mean() / 2)
    if task == "binary":
        return float(np.logaddexp(0, np.where(y > 0.5, -scores, scores)).mean())
    peak = scores.max(axis=1, keepdims=True)
    logs = scores - peak - np.log(np.exp(scores - peak).sum(axis=1, keepdims=True))
    return float(-(logs * y).sum(axis=1).mean())


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("task", ["regression", "binary", "multiclass"])
def test_gradients_are_those_of_differences(task: str, batch_norm: bool) -> None:
    network, X = made(batch_norm, 3 if task == "multiclass" else 1)
    rng = np.random.default_rng(1)
    if task == "multiclass":
        y = np.eye(3, dtype=np.float32)[rng.integers(0, 3, 40)]
    else:
        y = rng.integers(0, 2, (40, 1)).astype(np.float32)
    gradients = [gradient.copy() for gradient in network._gradients(X, y, task)]
    step = 1e-3
    for array, gradient in zip(network._learnt(), gradients, strict=True):
        assert gradient.shape == array.shape
        for place in np.ndindex(array.shape):
            before = array[place]
            array[place] = before + step
            above = loss_of(scores_of(network, X), y, task)
            array[place] = before - step
            below = loss_of(scores_of(network, X), y, task)
            array[place] = before
            # Where a unit is just at its bend, the difference sees both sides of it.
            assert gradient[place] == pytest.approx((above - below) / (2 * step), abs=5e-3)


def test_what_is_read_off_predicts_as_the_normalised_network_does() -> None:
    network, X = made(True, 3)
    for norm in network.now.norms:
        norm.scale += 0.5
        norm.shift -= 0.2
    # So often that the moments of the batches are those of this one.
    for _ in range(300):
        network._gradients(X, np.eye(3, dtype=np.float32)[np.arange(40) % 3], "multiclass")
    read = network.now.folded()
    np.testing.assert_allclose(forward(read, X), scores_of(network, X), rtol=1e-3, atol=1e-3)


def test_an_earlier_moment_is_not_changed_by_later_steps() -> None:
    network, X = made(True, 1)
    earlier = network.now.copy()
    kept = [array.copy() for layer in earlier.folded() for array in layer]
    y = X[:, :1].copy()
    assert network.epoch(X, y, "regression")
    found = [array for layer in earlier.folded() for array in layer]
    assert all((one == other).all() for one, other in zip(kept, found, strict=True))
    network.restart(earlier)
    assert network.rate == pytest.approx(PARAMS["learning_rate"] / 4)
