"""Whole numbers that name something, and others that do not."""

import time

import numpy as np
import pandas as pd
import pytest

from regatta.artifacts.state import State
from regatta.dataset.schema import Column, Schema
from regatta.features import RowFeatures, encoders
from regatta.features.encoders.identifiers import identifiers
from regatta.features.encoders.targets import TargetMeans, target_columns

N_ROWS = 6_000
COLUMNS = ("shop", "age", "weight", "ticket", "few")


def made(seed: int = 0) -> tuple[RowFeatures, pd.DataFrame, np.ndarray]:
    """Return rows of shops that sell more or less, and other numbers."""
    rng = np.random.default_rng(seed)
    effects = np.random.default_rng(9).normal(0, 1, 300)
    shop = rng.integers(0, 300, N_ROWS)
    table = pd.DataFrame(
        {
            # Far from 0, where float32 is not exact.
            "shop": shop * 7 + 90_000_000,
            "age": rng.integers(18, 95, N_ROWS),
            "weight": rng.random(N_ROWS).round(3) * 500,
            "ticket": rng.permutation(N_ROWS),
            "few": rng.integers(0, 20, N_ROWS),
        }
    )
    y = effects[shop] + table["age"].to_numpy() / 40 + rng.normal(0, 0.5, N_ROWS)
    table.loc[::50, "shop"] = np.nan
    kinds = [
        Column(name, "numeric", "float64", minimum=table[name].min(), maximum=table[name].max())
        for name in COLUMNS
    ]
    rows = RowFeatures.plan(Schema("regression", "y", (), tuple(kinds), N_ROWS))
    return rows, rows.transform(table), y


def test_only_what_says_more_by_its_values_than_by_its_order_names_something():
    rows, frame, y = made()
    targets = target_columns(y, "regression", 1)
    assert identifiers(frame, rows.columns, targets, 0) == ["shop"]
    shuffled = np.random.default_rng(1).permutation(targets)
    assert identifiers(frame, rows.columns, shuffled, 0) == []


@pytest.mark.parametrize("key", ["tree", "dense"])
def test_its_values_have_means_for_new_rows_and_for_one_alone(key, tmp_path):
    rows, frame, y = made()
    encoder = encoders.create(key, rows)
    X = encoder.fit_transform(frame, y, "regression", 1, 0, time.time() + 60)
    place = encoder.names.index("shop:target0")
    _, unseen, target = made(seed=1)
    encoder.save(tmp_path)
    stored = encoders.load(tmp_path)
    again = stored.transform(unseen)
    known = ~unseen["shop"].isna().to_numpy()
    for matrix, truth in ((X, y), (again, target)):
        assert np.corrcoef(matrix[known, place], truth[known])[0, 1] > 0.6
    alone = {name: unseen[name].to_numpy()[5:6] for name in COLUMNS}
    np.testing.assert_allclose(stored.transform(alone), again[5:6], atol=1e-5)
    strange = {**alone, "shop": np.array([12.5], np.float32)}
    assert np.isfinite(stored.transform(strange)[:, place]).all()


def test_an_encoder_of_an_earlier_version_knew_none():
    means = TargetMeans(["shop"], [["7"]], [np.zeros((3, 2), np.float32)], ["shop"])
    now = means.state("means")
    assert TargetMeans.from_state(State(now), "means").numbers == ["shop"]
    del now["means.numbers"]
    assert TargetMeans.from_state(State(now), "means").numbers == []
