"""Stacking: what it learns, and planted cases in which it must not be believed."""

import numpy as np
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from regatta.ensemble.stacking import Stack, stack_if_better

FOLDS = 5


def logs_of(*chances: np.ndarray) -> np.ndarray:
    """Return logarithms of both classes' probabilities, a member each, from that of class 1."""
    pairs = [np.column_stack([1 - chance, chance]) for chance in chances]
    return np.log(np.clip(np.stack(pairs), 1e-6, 1))


def learnt(logs: np.ndarray, y: np.ndarray, prior=None, **options) -> Stack | None:
    prior = np.full(len(logs), 1 / len(logs)) if prior is None else np.array(prior)
    folds = np.arange(len(y)) % FOLDS

    def loss(rows, p):
        return log_loss(y[rows], p[:, 1], labels=[0, 1])

    return stack_if_better(logs, y, prior, folds, loss, **options)


def scored(n_rows: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.random.Generator]:
    """Return logits, targets drawn by them, and the generator."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0.3, 2.0, n_rows)
    return logits, (rng.random(n_rows) < expit(logits)).astype(float), rng


def test_a_member_that_is_not_sure_enough_is_calibrated() -> None:
    logits, y, _ = scored(20_000)
    stack = learnt(logs_of(expit(logits / 2 - 0.4)), y)
    assert stack is not None
    golden = LogisticRegression(C=np.inf).fit((logits / 2 - 0.4)[:, None], y)
    # 50 rows of 20,000 are for leaving it as it is.
    assert stack.weights[0] == pytest.approx(golden.coef_[0, 0], rel=0.03)
    assert stack.bias[1] - stack.bias[0] == pytest.approx(golden.intercept_[0], abs=0.03)


def test_a_member_that_says_nothing_gets_nothing() -> None:
    logits, y, rng = scored(5_000)
    stack = learnt(logs_of(expit(logits / 2), expit(rng.normal(0, 2, len(y)))), y)
    assert stack is not None
    assert stack.weights[1] < 0.05
    assert (stack.weights >= 0).all()


def test_rows_that_are_there_twice_say_no_more() -> None:
    logits, y, _ = scored(200)
    logs = logs_of(expit(logits / 3))
    twice = np.tile(logs, (1, 2, 1)), np.tile(y, 2)
    once, both = learnt(logs, y), learnt(*twice, n_repeats=2)
    surer = learnt(*twice)
    assert once is not None
    assert both is not None
    assert surer is not None
    np.testing.assert_allclose(both.weights, once.weights, rtol=1e-3)
    assert surer.weights[0] > once.weights[0] * 1.01
    assert learnt(np.tile(logs[:, :30], (1, 2, 1)), np.tile(y[:30], 2), n_repeats=2) is None


def test_what_is_calibrated_stays_as_it_is() -> None:
    logits, y, _ = scored(2_000, seed=1)
    assert learnt(logs_of(expit(logits)), y) is None


def test_many_members_on_few_rows_are_noise() -> None:
    rng = np.random.default_rng(2)
    y = np.tile([0.0, 1.0], 30)
    assert learnt(logs_of(*(expit(rng.normal(0, 1, 60)) for _ in range(8))), y) is None


def test_leak_a_constant_that_is_the_mean_of_the_other_folds() -> None:
    """Its out-of-fold predictions tell the folds apart, and so what their targets are like."""
    rng = np.random.default_rng(3)
    folds = np.arange(1_000) % FOLDS
    y = (rng.random(1_000) < np.array([0.3, 0.7, 0.35, 0.65, 0.5])[folds]).astype(float)
    others = np.array([y[folds != fold].mean() for fold in range(FOLDS)])[folds]
    honest = np.full(1_000, 0.5)
    assert learnt(logs_of(honest, others, others**3), y, prior=[1.0, 0.0, 0.0]) is None


def test_leak_a_member_that_knows_the_targets_of_some_folds() -> None:
    logits, y, rng = scored(2_000, seed=4)
    folds = np.arange(2_000) % FOLDS
    noise = expit(rng.normal(0, 3, len(y)))
    knows = np.where(folds == 0, noise, np.where(y > 0, 0.999, 0.001))
    # Where it knows nothing it would be believed most; the other member is honest everywhere.
    stack = learnt(logs_of(expit(logits), knows), y)
    assert stack is None


@pytest.mark.parametrize(("n_rows", "parts"), [(1, 5), (40, 5), (500, 1)])
def test_few_rows_or_one_part_teach_nothing(n_rows: int, parts: int) -> None:
    logits, y, _ = scored(n_rows)
    folds = np.arange(n_rows) % parts
    assert stack_if_better(logs_of(expit(logits / 2)), y, np.ones(1), folds, lambda *_: 0.0) is None


def test_there_is_none_when_time_is_up_or_the_loss_is_undefined() -> None:
    logits, y, _ = scored(500)
    logs = logs_of(expit(logits / 2))
    assert learnt(logs, y, seconds=-1) is None
    folds = np.arange(500) % FOLDS
    assert stack_if_better(logs, y, np.ones(1), folds, lambda *_: np.nan) is None


def test_weighted_rows_count_as_repeated_ones() -> None:
    logits, y, rng = scored(2_000, 5)
    logs = logs_of(expit(logits / 2), expit(rng.normal(size=2_000)))
    counts = rng.integers(1, 4, 2_000)
    folds = np.arange(2_000) % FOLDS
    prior = np.full(2, 0.5)
    rows = np.repeat(np.arange(2_000), counts)

    def loss(at, p):
        return log_loss(y[at], p[:, 1], labels=[0, 1], sample_weight=counts[at])

    def loss_repeated(at, p):
        return log_loss(y[rows][at], p[:, 1], labels=[0, 1])

    weighted = stack_if_better(logs, y, prior, folds, loss, weights=counts.astype(float))
    repeated = stack_if_better(logs[:, rows], y[rows], prior, folds[rows], loss_repeated)
    assert weighted is not None
    assert repeated is not None
    assert weighted.weights == pytest.approx(repeated.weights, rel=1e-3, abs=1e-4)
    assert weighted.bias == pytest.approx(repeated.bias, rel=1e-3, abs=1e-4)
