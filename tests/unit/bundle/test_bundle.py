"""Bundles: written once, verified, and the one way to predict."""

import json
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from regatta import bundle
from regatta.artifacts import write_json, writing
from regatta.bundle import BundleSpec, FitSpec, MemberSpec
from regatta.bundle import bundle as module
from regatta.dataset import conform
from regatta.errors import ArtifactError, RequestError
from tests import toy_bundle


@pytest.fixture(scope="module", params=["binary", "multiclass", "regression"])
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp(request.param) / "bundle"
    toy_bundle.build(path, request.param)
    return path


@pytest.fixture(scope="module")
def binary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("two") / "bundle"
    toy_bundle.build(path, "binary", learners=("lightgbm", "extra_trees", "linear"))
    return path


def table_of(loaded: bundle.Bundle, n_rows: int = 60) -> pd.DataFrame:
    return toy_bundle.table_of(loaded.task).head(n_rows)


def test_prediction_is_the_weighted_mean_of_all_fits(built: Path) -> None:
    loaded = bundle.load(built)
    table = table_of(loaded)
    features = loaded.features.transform(conform(table, loaded.signature))
    expected = sum(
        share * model.predict(part.encoder.transform(features))
        for part in loaded.parts
        for share, model in part.models
    )
    found = loaded.predict_array(table)
    assert found.shape == (60, loaded.n_outputs)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert sum(share for part in loaded.parts for share, _ in part.models) == pytest.approx(1)


def changed(source: Path, folder: Path, **values: object) -> bundle.Bundle:
    """Load a copy of a bundle whose bundle.json says something else; None: nothing."""
    copy = _copy(source, folder)
    said = json.loads((copy / "bundle.json").read_text()) | values
    write_json(copy / "bundle.json", {key: said[key] for key in said if said[key] is not None})
    return bundle.load(copy, verify=False)


def test_logarithms_are_pooled(binary: Path, tmp_path: Path) -> None:
    pooling = {"kind": "log", "slope": 1.5, "bias": [0.25, -0.25]}
    loaded = changed(binary, tmp_path, pooling=pooling)
    table = table_of(loaded)
    features = loaded.features.transform(conform(table, loaded.signature))
    logs = sum(
        share * np.log(np.clip(model.predict(part.encoder.transform(features)), 1e-6, 1))
        for part in loaded.parts
        for share, model in part.models
    )
    odds = np.exp(1.5 * (logs[:, 1] - logs[:, 0]) - 0.5)
    np.testing.assert_allclose(loaded.predict_array(table)[:, 1], odds / (1 + odds), rtol=1e-9)


def test_a_bundle_of_format_1_averages(binary: Path, tmp_path: Path) -> None:
    assert changed(binary, tmp_path, pooling=None).pooling == bundle.LINEAR


def test_columns_of_a_prediction(built: Path) -> None:
    loaded = bundle.load(built)
    table = table_of(loaded).sample(frac=1, random_state=1)
    predicted = loaded.predict(table)
    assert predicted.index.equals(table.index)
    wanted = ["prediction", *(f"proba_{label}" for label in loaded.classes)]
    assert predicted.columns.tolist() == wanted
    if loaded.classes:
        probabilities = predicted.iloc[:, 1:].to_numpy()
        np.testing.assert_allclose(probabilities.sum(axis=1), 1)
        labels = np.array(loaded.classes)[probabilities.argmax(axis=1)]
        assert predicted["prediction"].tolist() == labels.tolist()
        truth = table["outcome"]
        assert (predicted["prediction"] == truth).mean() > 0.7


def test_rows_do_not_depend_on_each_other(built: Path) -> None:
    loaded = bundle.load(built)
    table = table_of(loaded, 40)
    together = loaded.predict_array(table)
    alone = np.vstack([loaded.predict_array(table.iloc[[row]]) for row in range(len(table))])
    np.testing.assert_allclose(alone, together, atol=1e-6)


def test_chunks_change_nothing(built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = bundle.load(built)
    table = table_of(loaded)
    whole = loaded.predict_array(table)
    monkeypatch.setattr(module, "CHUNK_ROWS", (7, 7))
    np.testing.assert_allclose(loaded.predict_array(table), whole, atol=1e-6)


def test_json_rows_predict_as_the_table_does(built: Path) -> None:
    loaded = bundle.load(built)
    table = table_of(loaded)
    rows = json.loads(table.to_json(orient="records", date_format="iso"))
    found = loaded.predict_array(pd.DataFrame(rows))
    np.testing.assert_allclose(found, loaded.predict_array(table), atol=1e-12)


def test_unseen_and_missing_values_are_fine(built: Path) -> None:
    loaded = bundle.load(built)
    row = dict.fromkeys((column.name for column in loaded.signature), None)
    unseen = {**row, "city": "Atlantis", "review": "zzz", "age": 1e12}
    assert np.isfinite(loaded.predict_array(pd.DataFrame([row, unseen]))).all()


def test_a_missing_column_is_named(built: Path) -> None:
    loaded = bundle.load(built)
    with pytest.raises(RequestError, match="'age'"):
        loaded.predict(table_of(loaded).drop(columns="age"))


def test_no_rows(built: Path) -> None:
    loaded = bundle.load(built)
    assert len(loaded.predict(table_of(loaded).iloc[:0])) == 0


def test_encoders_are_stored_and_used_once(binary: Path) -> None:
    # LightGBM and extra trees read the same matrix: two folds of two encodings are four.
    assert len(list((binary / "encoders").iterdir())) == 4
    loaded = bundle.load(binary)
    assert sorted(len(part.models) for part in loaded.parts) == [1, 1, 2, 2]


def test_thresholds_move_the_labels(binary: Path, tmp_path: Path) -> None:
    loaded = replace(bundle.load(binary), thresholds=(0.9, 0.1))
    predicted = loaded.predict(table_of(loaded))
    assert (predicted["prediction"] == "yes").equals(predicted["proba_yes"] >= 0.1)


def test_threads_share_a_bundle(binary: Path) -> None:
    loaded = bundle.load(binary)
    table = table_of(loaded)
    expected = loaded.predict_array(table)
    differences: list[float] = []

    def work() -> None:
        found = [loaded.predict_array(table) for _ in range(5)]
        differences.extend(float(np.abs(one - expected).max()) for one in found)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(differences) == 20
    assert max(differences) < 1e-9


def test_metadata_says_where_it_came_from(binary: Path) -> None:
    metadata = bundle.load(binary).metadata
    assert metadata["fingerprint"] == "ab" * 32
    assert metadata["columns"][-2:] == ["key", "outcome"]
    assert {"regatta", "python", "numpy"} <= set(metadata["versions"])
    assert [member["learner"] for member in metadata["members"]] == [
        "lightgbm",
        "extra_trees",
        "linear",
    ]


def test_no_pickle_anywhere(binary: Path) -> None:
    for file in binary.rglob("*"):
        assert file.suffix not in (".pkl", ".pickle", ".joblib", ".pt")
        if file.suffix == ".npz":
            with np.load(file, allow_pickle=False) as arrays:
                assert all(arrays[name].dtype != object for name in arrays.files)


def test_a_changed_file_is_refused_before_it_is_read(binary: Path, tmp_path: Path) -> None:
    copy = _copy(binary, tmp_path)
    file = next(copy.glob("models/*/fold-0/*"))
    file.write_bytes(file.read_bytes() + b" ")
    with pytest.raises(ArtifactError, match="was changed"):
        bundle.load(copy)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"task": "ranking"}, "names no task"),
        ({"members": []}, "0 members"),
        ({"signature": [{"name": "age"}]}, "cannot be used"),
        ({"features": {}}, "row features"),
        ({"classes": None}, "cannot be used"),
        ({"learner": "catboot"}, "learner 'catboot'"),
        ({"encoder": "../outside"}, "no folder of the bundle"),
        ({"model": "/etc"}, "no folder of the bundle"),
        ({"weight": float(2)}, "weights"),
        ({"pooling": {"kind": "mode", "slope": 1, "bias": []}}, "unknown pooling"),
        ({"pooling": {"kind": "log", "slope": 1, "bias": [0.0]}}, "1 biases for 2 classes"),
        ({"pooling": "log"}, "cannot be used"),
    ],
)
def test_a_bundle_that_says_nonsense_is_refused(
    binary: Path, tmp_path: Path, change: dict[str, object], message: str
) -> None:
    values = json.loads((binary / "bundle.json").read_text())
    for key, value in change.items():
        if key in ("encoder", "model"):
            values["members"][0]["fits"][0][key] = value
        elif key in ("learner", "weight"):
            values["members"][0][key] = value
        else:
            values[key] = value
    with writing(tmp_path / "bundle", "bundle") as folder:
        for name in ("encoders", "models"):
            (folder / name).symlink_to(binary / name)
        write_json(folder / "bundle.json", values)
    with pytest.raises(ArtifactError, match=message):
        bundle.load(tmp_path / "bundle", verify=False)


@pytest.mark.parametrize("path", ["nothing", "."])
def test_a_folder_that_is_no_bundle(path: str, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="expected a bundle artifact"):
        bundle.load(tmp_path / path)


def test_an_ensemble_that_cannot_predict_is_not_written(tmp_path: Path) -> None:
    table = toy_bundle.table_of("binary")
    spec = BundleSpec("toy", toy_bundle.schema_of(table, "binary"), {}, "log_loss", ())
    with pytest.raises(ArtifactError, match="0 members"):
        bundle.write(tmp_path / "bundle", spec)
    fit = FitSpec(tmp_path / "encoder", tmp_path / "model")
    for members in (
        (MemberSpec("a", "linear", {}, 0.5, (fit,)),),
        (MemberSpec("a", "linear", {}, 1.0, ()),),
        (MemberSpec("a", "linear", {}, 1.0, (fit,)),),
    ):
        with pytest.raises(ArtifactError):
            bundle.write(tmp_path / "bundle", replace(spec, members=members))
    assert list(tmp_path.iterdir()) == []


def _copy(source: Path, folder: Path) -> Path:
    import shutil

    return Path(shutil.copytree(source, folder / "copy"))
