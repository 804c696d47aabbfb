"""The features artifact: training rows only, in the order of the table."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from regatta.artifacts.base import open_artifact, read_json
from regatta.dataset import Schema, conform, load_frame
from regatta.errors import ArtifactError
from regatta.features import RowFeatures
from regatta.search.table import TrainingTable
from regatta.splits import Splits
from regatta.stages import featurize, ingest, split, validate
from regatta.testing.tables import TARGET, binary_table, regression_table


def staged(folder, table, **settings):
    source = folder / "table.parquet"
    table.to_parquet(source)
    data = {"source": str(source), "target": TARGET, **settings.pop("data", {})}
    values = {"data": data, **settings}
    text = json.dumps(values)
    paths = {name: str(folder / name) for name in ("dataset", "schema", "splits", "features")}
    ingest.run(text, paths["dataset"])
    validate.run(paths["dataset"], text, paths["schema"])
    split.run(paths["dataset"], paths["schema"], text, paths["splits"])
    return paths


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    table = binary_table(400)
    table.loc[5, TARGET] = None
    table["ended"] = table["joined"] + pd.Timedelta(days=2)
    paths = staged(tmp_path_factory.mktemp("run"), table, split={"folds": 5})
    numbers = featurize.run(**paths)
    return paths, table, numbers


def read(paths):
    artifact = open_artifact(paths["features"], "features")
    frame = pq.read_table(artifact.file("frame.parquet")).to_pandas()
    y = np.load(artifact.file("target.npy"))
    folds = np.load(artifact.file("folds.npy"))
    rows = RowFeatures.from_dict(read_json(artifact.file("features.json")))
    schema = Schema.from_dict(read_json(artifact.file("schema.json")))
    return artifact, frame, y, folds, rows, schema


def test_the_artifact_holds_the_training_rows(made):
    paths, table, numbers = made
    artifact, frame, y, folds, rows, schema = read(paths)
    splits = Splits.open(paths["splits"])
    train = splits.train()
    assert numbers == {"n_rows": len(train), "n_columns": len(rows.columns), "n_folds": 5}
    assert artifact.metadata["n_folds"] == 5
    assert len(frame) == len(y) == folds.shape[1] == len(train)
    assert y.dtype == np.float64
    assert folds.dtype == np.int16
    assert set(np.unique(folds)) == set(range(5))
    wanted = (table[TARGET].iloc[train] == schema.classes[1]).to_numpy()
    np.testing.assert_array_equal(y, wanted)
    np.testing.assert_array_equal(frame["age"], table["age"].iloc[train].astype("float32"))


def test_no_locked_row_gets_through(made):
    paths, table, _ = made
    _, frame, *_ = read(paths)
    locked = table.iloc[Splits.open(paths["splits"]).assignment[0] == -1]
    assert not set(locked["income"].dropna().astype("float32")) & set(frame["income"].dropna())


def test_what_is_stored_is_what_is_served(made):
    paths, _, _ = made
    _, frame, _, _, rows, schema = read(paths)
    train = Splits.open(paths["splits"]).train()
    raw = load_frame(paths["dataset"], rows=train[:50])
    served = rows.transform(conform(raw, schema.features))
    assert list(frame.columns) == list(served.columns)
    for feature in rows.columns:
        stored, fresh = frame[feature.name][:50], served[feature.name]
        if feature.kind == "numeric":
            assert stored.dtype == np.float32
            np.testing.assert_array_equal(stored, fresh)
        elif feature.kind == "categorical":
            assert isinstance(stored.dtype, pd.CategoricalDtype)
            assert [None if pd.isna(v) else v for v in stored] == fresh.tolist()
        else:
            for one, other in zip(stored, fresh, strict=True):
                assert (one is None) == (other is None)
                assert one is None or one.tolist() == other.tolist()


def test_dates_have_their_distance(made):
    _, frame, *_ = read(made[0])
    found = frame["joined:minus ended"].dropna()
    assert len(found)
    np.testing.assert_allclose(found, -2)


def test_column_by_column_is_the_same(made, tmp_path, monkeypatch):
    paths, _, _ = made
    _, frame, *_ = read(paths)
    monkeypatch.setattr(featurize, "CELLS_AT_ONCE", 1)
    featurize.run(**{**paths, "features": str(tmp_path / "features")})
    _, slowly, *_ = read({"features": str(tmp_path / "features")})
    pd.testing.assert_frame_equal(
        frame.drop(columns="review"), slowly.drop(columns="review"), check_categorical=False
    )


def test_values_of_a_regression_are_kept(tmp_path):
    table = regression_table(200)
    paths = staged(tmp_path, table, split={"folds": 1})
    numbers = featurize.run(**paths)
    _, _, y, folds, *_ = read(paths)
    train = Splits.open(paths["splits"]).train()
    np.testing.assert_array_equal(y, table[TARGET].iloc[train])
    assert numbers["n_folds"] == 1
    assert set(np.unique(folds)) == {0, 1}


def test_a_missing_artifact_leaves_nothing_behind(made, tmp_path):
    paths, _, _ = made
    with pytest.raises(ArtifactError):
        featurize.run(
            paths["dataset"], str(tmp_path / "none"), paths["splits"], str(tmp_path / "f")
        )
    assert not list(tmp_path.iterdir())


def test_weights_are_written_where_there_are_some(made, tmp_path):
    paths, _, _ = made
    assert not (Path(paths["features"]) / "weights.npy").exists()
    assert TrainingTable.open(paths["features"]).weights is None
    table = binary_table(200)
    table["w"] = np.arange(200) % 5 * 0.5
    weighted = staged(tmp_path, table, data={"weight": "w"}, split={"folds": 5})
    featurize.run(**weighted)
    found = TrainingTable.open(weighted["features"])
    train = Splits.open(weighted["splits"]).train()
    assert found.weights is not None
    assert found.weights.tolist() == table["w"].to_numpy()[train].tolist()
    assert found.weights.min() > 0
    assert "w" not in [feature.source for feature in found.features.columns]


def test_groups_of_the_training_rows_are_kept(tmp_path):
    table = binary_table(300)
    table["customer"] = [f"c{i // 6}" for i in range(300)]
    table.loc[::50, "customer"] = None
    paths = staged(tmp_path, table, split={"group": "customer", "folds": 3})
    featurize.run(**paths)
    train = Splits.open(paths["splits"]).train()
    found = TrainingTable.open(paths["features"])

    assert found.groups is not None
    wanted = table["customer"].iloc[train]
    known = wanted.notna().to_numpy()
    pairs = set(zip(wanted[known], found.groups[known], strict=True))
    assert len(pairs) == wanted.nunique() == len(set(found.groups[known]))
    assert len(set(found.groups)) == wanted.nunique() + (~known).sum()
    assert "customer" not in [feature.source for feature in found.features.columns]
    for fold in range(3):
        assert not set(found.groups[found.train(fold)]) & set(found.groups[found.valid(fold)])


def test_without_groups_there_is_no_such_file(made):
    paths, *_ = made
    assert not (Path(paths["features"]) / "groups.npy").exists()
    assert TrainingTable.open(paths["features"]).groups is None
