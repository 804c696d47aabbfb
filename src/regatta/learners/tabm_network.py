"""How `tabm` trains: forward and backward in PyTorch, AdamW, the best weights kept.

PyTorch is imported here only when a network is made. Arrays go in and come out, so that nothing
else needs it.
"""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from regatta.features.glm import softmax
from regatta.learners.base import Array, FitData, Loss, Params
from regatta.learners.epochs import Pace, Schedule, best_epoch, follow

__all__ = ["Block", "Floats", "Weights", "train"]

Floats = npt.NDArray[np.float32]

# Batches between two looks at the clock.
LOOK_EVERY = 4
# Longest gradient.
CLIP = 1.0
# Of the usual spread of a last layer: at first it predicts the mean and little else.
HEAD_SPREAD = 0.1
# Numbers of one layer that a validation holds at a time.
VALID_CELLS = 4_000_000


@dataclass(frozen=True)
class Block:
    """A layer whose matrix all submodels share, with what each has of its own.

    Submodel j makes ``relu(((x * inward[j]) @ weights) * outward[j] + bias[j])`` of a row x.

    Attributes
    ----------
    weights : ndarray of shape (n_in, n_out), float32
        What is shared.
    inward : ndarray of shape (n_submodels, n_in), float32
        Factors of what goes in.
    outward, bias : ndarray of shape (n_submodels, n_out), float32
        Factors and summands of what comes out.
    """

    weights: Any
    inward: Any
    outward: Any
    bias: Any

    def parts(self) -> tuple[Any, Any, Any, Any]:
        """Return the arrays in the order of the fields."""
        return self.weights, self.inward, self.outward, self.bias


@dataclass(frozen=True)
class Weights:
    """All that a network has learnt.

    Attributes
    ----------
    blocks : list of Block
        Hidden layers.
    head : ndarray of shape (n_submodels, width, n_scores), float32
        The last layer, of which nothing is shared.
    bias : ndarray of shape (n_submodels, n_scores), float32
        What the last layer adds.
    """

    blocks: list[Block]
    head: Any
    bias: Any

    @classmethod
    def drawn(
        cls, n_columns: int, prior: Array, params: Params, rng: np.random.Generator
    ) -> "Weights":
        """Draw weights to begin with.

        Submodels differ by the signs of what goes into the first layer, and by their heads.

        Parameters
        ----------
        n_columns : int
            Columns of X.
        prior : ndarray of shape (n_scores,), float64
            Scores that say what is known without a row.
        params : mapping
            Parameters of the learner.
        rng : Generator
            Source of all draws.
        """
        k, width = int(params["submodels"]), int(params["width"])
        blocks, n_in = [], n_columns
        for place in range(int(params["depth"])):
            spread = 1 / np.sqrt(max(n_in, 1))
            inward = np.ones((k, n_in)) if place else rng.choice((-1.0, 1.0), (k, n_in))
            bias = np.tile(rng.uniform(-spread, spread, width), (k, 1))
            weights = rng.uniform(-spread, spread, (n_in, width))
            parts = (weights, inward, np.ones((k, width)), bias)
            blocks.append(Block(*(part.astype(np.float32) for part in parts)))
            n_in = width
        spread = HEAD_SPREAD / np.sqrt(n_in)
        head = rng.uniform(-spread, spread, (k, n_in, len(prior))).astype(np.float32)
        return cls(blocks, head, np.tile(prior, (k, 1)).astype(np.float32))

    def parts(self) -> list[Any]:
        """Return all arrays, in the order in which `of` takes them."""
        return [part for block in self.blocks for part in block.parts()] + [self.head, self.bias]

    @classmethod
    def of(cls, parts: list[Any]) -> "Weights":
        """Return the weights of which these are the parts."""
        places = range(0, len(parts) - 2, 4)
        return cls([Block(*parts[place : place + 4]) for place in places], parts[-2], parts[-1])


def train(
    start: Weights,
    data: FitData,
    targets: tuple[Array, Array],
    params: Params,
    rng: np.random.Generator,
    *,
    threads: int,
    deadline: float,
) -> tuple[Weights, bool, Schedule]:
    """Train a network until its validation loss falls no more, or until the deadline.

    Parameters
    ----------
    start : Weights
        What it begins with.
    data : FitData
        Encoded rows.
    targets : tuple of two ndarray of shape (n_rows,), float64
        Class codes, or standardised values, of the rows to fit and to validate.
    params : mapping
        Parameters of the learner.
    rng : Generator
        Source of all draws.
    threads : int
        Threads of PyTorch, exactly.
    deadline : float
        When to end, in seconds since the epoch.

    Returns
    -------
    Weights, bool, Schedule
        The weights of the lowest validation loss, whether the deadline ended it, and how it came
        there. Where `params` name a schedule, what comes of that.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        return _train(_Network(torch, start, data.loss, params, rng), data, targets, deadline)
    finally:
        torch.set_num_threads(before)


def _train(
    network: "_Network", data: FitData, targets: tuple[Array, Array], deadline: float
) -> tuple[Weights, bool, Schedule]:
    """Pass over the rows until there is no gain; see `train`."""
    y, y_valid = targets
    # Of mean 1, so that steps are of one size.
    weights = None if data.weights is None else data.weights / data.weights.mean()
    began = time.time()
    if began >= deadline:
        return network.copy(), True, Schedule(())
    if known := Schedule.among(network.params):
        pace = Pace(deadline, known.planned)
        return *follow(network, lambda: network.epoch(data.X, y, pace, weights), known), known
    first_loss = network.valid_loss(data.X_valid, y_valid, data.weights_valid)
    # The last loss takes time, too.
    pace = Pace(deadline - min(2 * (time.time() - began), 0.2 * (deadline - began)), began=began)
    return best_epoch(
        network,
        lambda: network.epoch(data.X, y, pace, weights),
        lambda: network.valid_loss(data.X_valid, y_valid, data.weights_valid),
        network.params,
        best_loss=first_loss if np.isfinite(first_loss) else np.inf,
    )


class _Network:
    """Tensors that learn, with their optimiser."""

    def __init__(
        self, torch: Any, start: Weights, kind: Loss, params: Params, rng: np.random.Generator
    ) -> None:
        self.torch, self.kind, self.params, self.rng = torch, kind, params, rng
        self.rate = float(params["learning_rate"])
        self._take(start)

    def copy(self) -> Weights:
        """Return the weights as arrays of their own."""
        return Weights.of([part.detach().numpy().copy() for part in self.now.parts()])

    def restart(self, earlier: Weights) -> None:
        """Go on from earlier weights with a quarter of the learning rate."""
        self.rate /= 4
        self._take(earlier)

    def _take(self, weights: Weights) -> None:
        """Learn from these weights on, with an optimiser that remembers nothing."""
        torch = self.torch
        parts = [torch.tensor(part, requires_grad=True) for part in weights.parts()]
        self.now = Weights.of(parts)
        shared = [block.weights for block in self.now.blocks] + [self.now.head]
        own = [part for part in parts if all(part is not other for other in shared)]
        decay = float(self.params["weight_decay"])
        groups = [{"params": shared, "weight_decay": decay}, {"params": own, "weight_decay": 0.0}]
        self.optimiser = torch.optim.AdamW(groups, lr=self.rate, fused=True)

    def epoch(self, X: Floats, y: Array, pace: Pace, weights: Array | None = None) -> bool:
        """Pass once over the rows; return whether there was time for all."""
        order = self.rng.permutation(len(y))
        batch = int(self.params["batch"])
        for number, start in enumerate(range(0, len(y), batch)):
            if number % LOOK_EVERY == 0:
                share = pace.share(start / len(y))
                if not share:
                    return False
                for group in self.optimiser.param_groups:
                    group["lr"] = self.rate * share
            rows = order[start : start + batch]
            self._step(X[rows], y[rows], None if weights is None else weights[rows])
        pace.done += 1
        return True

    def _step(self, X: Floats, y: Array, weights: Array | None) -> None:
        """Take one step of AdamW."""
        torch = self.torch
        self.optimiser.zero_grad(set_to_none=True)
        loss = self.loss(torch.from_numpy(X), y, weights)
        # A batch that holds what is not finite would leave no weight that is.
        if not np.isfinite(loss.item()):
            return
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.now.parts(), CLIP)
        self.optimiser.step()

    def loss(self, X: Any, y: Array, weights: Array | None = None) -> Any:
        """Return the mean of the submodels' losses: each learns as if it were alone."""
        if weights is not None:
            each = self.torch.from_numpy(weights.astype(np.float32))
            return (self._losses(X, y, "none").reshape(-1, len(y)) * each).mean()
        return self._losses(X, y, "mean")

    def _losses(self, X: Any, y: Array, reduction: str) -> Any:
        """Return the losses of the rows for each submodel in turn, or their mean."""
        torch = self.torch
        scores = self._scores(X, learning=True)
        k, n_rows, n_scores = scores.shape
        losses = torch.nn.functional
        if self.kind == "multiclass":
            codes = torch.from_numpy(y.astype(np.int64)).repeat(k)
            return losses.cross_entropy(
                scores.reshape(k * n_rows, n_scores), codes, reduction=reduction
            )
        wanted = torch.from_numpy(y.astype(np.float32)).expand(k, n_rows)
        if self.kind == "binary":
            return losses.binary_cross_entropy_with_logits(
                scores[:, :, 0], wanted, reduction=reduction
            )
        error = losses.l1_loss if self.kind == "median" else losses.mse_loss
        return error(scores[:, :, 0], wanted, reduction=reduction)

    def _scores(self, X: Any, *, learning: bool) -> Any:
        """Return scores of shape (n_submodels, n_rows, n_scores).

        The factors are multiplied into the shared matrices, which are smaller than a batch's rows
        times the submodels.
        """
        torch = self.torch
        values = X.expand(len(self.now.head), *X.shape)
        for block in self.now.blocks:
            weights = block.inward[:, :, None] * block.weights * block.outward[:, None, :]
            values = torch.baddbmm(block.bias[:, None, :], values, weights).relu()
            if learning:
                values = self._dropped(values)
        return torch.baddbmm(self.now.bias[:, None, :], values, self.now.head)

    def _dropped(self, values: Any) -> Any:
        """Return values of which some became 0 (dropout).

        A draw decides on eight values by a byte for each; PyTorch's own takes longer than the
        layer.
        """
        cut = min(round(256 * float(self.params["dropout"])), 255)
        if not cut:
            return values
        n_values = values.numel()
        draws = self.rng.integers(0, 2**64 - 1, n_values // 8 + 1, np.uint64, endpoint=True)
        kept = draws.view(np.uint8)[:n_values] >= cut
        mask = kept.astype(np.float32) * np.float32(256 / (256 - cut))
        return values * self.torch.from_numpy(mask).view(values.shape)

    def valid_loss(self, X: Floats, y: Array, weights: Array | None = None) -> float:
        """Return log-loss or mean squared error of the submodels' mean prediction."""
        k, width = int(self.params["submodels"]), int(self.params["width"])
        chunk = max(1, VALID_CELLS // (k * max(X.shape[1], width, self.now.head.shape[2])))
        total = 0.0
        with self.torch.no_grad():
            for start in range(0, len(X), chunk):
                rows = slice(start, start + chunk)
                part = X[rows].copy()
                scores = self._scores(self.torch.from_numpy(part), learning=False)
                found = scores.double().numpy()
                each = None if weights is None else weights[rows]
                total += _loss_sum(found, y[rows], self.kind, each)
        return total / (max(len(X), 1) if weights is None else float(weights.sum()))


def _loss_sum(scores: Array, y: Array, kind: Loss, weights: Array | None = None) -> float:
    """Return the sum of the rows' losses, from scores of shape (n_submodels, n_rows, n_scores)."""
    if kind in ("regression", "median"):
        apart = scores[:, :, 0].mean(axis=0) - y
        losses = np.abs(apart) if kind == "median" else apart**2
        return float((losses if weights is None else losses * weights).sum())
    if kind == "binary":
        chance = (1 / (1 + np.exp(-np.clip(scores[:, :, 0], -500, 500)))).mean(axis=0)
        chosen = np.where(y > 0.5, chance, 1 - chance)
    else:
        picked = np.arange(len(y)), y.astype(np.intp)
        chosen = np.mean([softmax(part)[picked] for part in scores], axis=0)
    logs = np.log(np.clip(chosen, 1e-15, 1))
    return -float((logs if weights is None else logs * weights).sum())
