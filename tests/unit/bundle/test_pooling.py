"""How predictions of several models become one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax

from regatta.bundle.pooling import LINEAR, Pooling

LOG = Pooling("log")


def rows(seed: int, n_classes: int, n_rows: int = 20) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.full(n_classes, 0.3), n_rows)


def test_logarithmic_pool_is_the_normalised_geometric_mean() -> None:
    one, two = rows(0, 3), rows(1, 3)
    found = LOG.pool(0.3 * LOG.terms(one) + 0.7 * LOG.terms(two))
    geometric = np.clip(one, 1e-6, 1) ** 0.3 * np.clip(two, 1e-6, 1) ** 0.7
    np.testing.assert_allclose(found, geometric / geometric.sum(axis=1, keepdims=True), rtol=1e-12)


def test_slope_and_biases_are_those_of_a_logistic_regression() -> None:
    p = rows(2, 4)
    bias = (0.5, -0.5, 0.0, 0.1)
    found = Pooling("log", 1.7, bias).pool(LOG.terms(p))
    np.testing.assert_allclose(
        found, softmax(1.7 * np.log(np.clip(p, 1e-6, 1)) + np.array(bias), axis=1), rtol=1e-12
    )


@given(st.integers(0, 10_000), st.integers(2, 6))
def test_one_sure_model_does_not_rule_a_class_out(seed: int, n_classes: int) -> None:
    p, sure = rows(seed, n_classes), np.eye(n_classes)[np.arange(20) % n_classes]
    found = LOG.pool((LOG.terms(p) + LOG.terms(sure)) / 2)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-12)
    assert (found > 0).all()
    assert np.isfinite(found).all()
    # One model alone is what it was.
    whole = np.clip(p, 1e-6, 1)
    np.testing.assert_allclose(LOG.pool(LOG.terms(p)), whole / whole.sum(axis=1, keepdims=True))


def test_values_are_averaged() -> None:
    values = np.array([[1.0], [-3.0]], dtype=np.float32)
    assert LINEAR.pool(LINEAR.terms(values)).tolist() == values.tolist()
    assert LINEAR.pool(values).dtype == np.float64


@given(
    st.builds(
        Pooling,
        st.sampled_from(["linear", "log"]),
        st.floats(0.1, 10),
        st.lists(st.floats(-5, 5), max_size=4).map(tuple),
    )
)
def test_what_is_written_is_read(pooling: Pooling) -> None:
    assert Pooling.from_dict(pooling.to_dict()) == pooling


@pytest.mark.parametrize(
    "values",
    [
        {"kind": "median", "slope": 1, "bias": []},
        {"kind": "log", "slope": float("nan"), "bias": []},
        {"kind": "log", "slope": 1, "bias": ["x"]},
        {"kind": "log", "slope": 1},
        {"kind": "log", "slope": None, "bias": []},
    ],
)
def test_nonsense_is_refused(values) -> None:
    with pytest.raises((ValueError, TypeError, KeyError)):
        Pooling.from_dict(values)
