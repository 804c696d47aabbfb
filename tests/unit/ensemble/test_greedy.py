import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regatta.ensemble.greedy import greedy_weights


def rmse(y):
    return lambda blend: float(np.sqrt(np.mean((blend[:, 0] - y) ** 2)))


def noisy(n_candidates: int, n_rows: int = 500, seed: int = 0, spread=0.5):
    """Return a target and candidates that err independently."""
    rng = np.random.default_rng(seed)
    y = rng.normal(size=n_rows)
    return y, y[None, :, None] + rng.normal(0, spread, (n_candidates, n_rows, 1))


def test_independent_errors_are_averaged():
    y, predictions = noisy(8)
    weights = greedy_weights(predictions, rmse(y), iterations=50, max_members=8)
    assert weights.sum() == pytest.approx(1)
    assert np.count_nonzero(weights) >= 6
    blend = np.tensordot(weights, predictions, 1)
    assert rmse(y)(blend) < 0.5 * min(rmse(y)(p) for p in predictions)


def test_number_of_members_is_bounded():
    y, predictions = noisy(12)
    weights = greedy_weights(predictions, rmse(y), iterations=50, max_members=3)
    assert np.count_nonzero(weights) == 3


def test_clear_winner_stays_alone():
    y, predictions = noisy(4)
    predictions[2, :, 0] = y
    weights = greedy_weights(predictions, rmse(y), iterations=20, max_members=4)
    assert weights.tolist() == [0, 0, 1, 0]


def test_ties_go_to_the_earlier_one():
    y, predictions = noisy(1)
    same = np.repeat(predictions, 3, axis=0)
    assert greedy_weights(same, rmse(y), iterations=9, max_members=3).tolist() == [1, 0, 0]


def test_undefined_loss_is_the_worst():
    y, predictions = noisy(3)
    predictions[0] = np.nan
    weights = greedy_weights(predictions, rmse(y), iterations=20, max_members=3)
    assert weights[0] == 0


def test_time_limit_gives_the_best_single():
    y, predictions = noisy(6)
    losses = [rmse(y)(p) for p in predictions]
    weights = greedy_weights(predictions, rmse(y), iterations=50, max_members=6, seconds=0)
    assert np.flatnonzero(weights).tolist() == [int(np.argmin(losses))]


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 6), st.integers(2, 30), st.integers(0, 1000), st.integers(1, 20))
def test_blend_is_never_worse_than_the_best_single(n_candidates, n_rows, seed, iterations):
    y, predictions = noisy(n_candidates, n_rows, seed)
    weights = greedy_weights(predictions, rmse(y), iterations=iterations, max_members=4)
    best = min(rmse(y)(p) for p in predictions)
    assert rmse(y)(np.tensordot(weights, predictions, 1)) <= best + 1e-12
    assert np.count_nonzero(weights) <= 4


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 6), st.integers(0, 1000), st.lists(st.floats(0.01, 1.5), min_size=6))
def test_members_keep_the_limits_together(n_candidates, seed, costs):
    y, predictions = noisy(n_candidates, 20, seed)
    shares = np.column_stack([costs[:n_candidates], costs[5::-1][:n_candidates]])
    shares[0] = 0.5
    weights = greedy_weights(predictions, rmse(y), iterations=20, max_members=6, shares=shares)
    assert (shares[weights > 0].sum(axis=0) <= 1 + 1e-9).all()
    fitting = [rmse(y)(p) for p, share in zip(predictions, shares, strict=True) if share.max() <= 1]
    assert rmse(y)(np.tensordot(weights, predictions, 1)) <= min(fitting) + 1e-12
