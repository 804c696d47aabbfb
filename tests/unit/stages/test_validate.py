import json

import pytest

from regatta.artifacts.base import open_artifact, read_json
from regatta.dataset import Schema
from regatta.errors import ArtifactError, SettingsError, TargetError
from regatta.stages import ingest, validate
from regatta.testing.tables import binary_table


def settings(source, **values):
    data = {"source": str(source), "target": "outcome", **values.pop("data", {})}
    return json.dumps({"data": data, **values})


@pytest.fixture
def dataset(tmp_path):
    path = tmp_path / "table.csv"
    binary_table(100).to_csv(path, index=False)
    ingest.run(settings(path), str(tmp_path / "dataset"))
    return tmp_path / "dataset"


def test_the_schema_artifact(tmp_path, dataset):
    numbers = validate.run(str(dataset), settings("x"), str(tmp_path / "schema"))
    artifact = open_artifact(tmp_path / "schema", "schema")
    schema = Schema.from_dict(read_json(artifact.file("schema.json")))

    assert numbers == {"task": "binary", "n_features": 8, "n_classes": 2, "n_warnings": 0}
    assert artifact.metadata == numbers
    assert schema.classes == ("no", "yes")
    assert "?" in schema.column("age").na_values
    assert set(read_json(artifact.file("profile.json"))) == {c.name for c in schema.columns}
    findings = read_json(artifact.file("findings.json"))
    assert {"level", "column", "code", "message"} == set(findings[0])


@pytest.mark.parametrize(
    ("metric", "message"), [("rmse", "does not fit"), ("rok_auc", "did you mean 'roc_auc'")]
)
def test_the_metric_is_checked(tmp_path, dataset, metric, message):
    wanted = settings("x", search={"metric": metric})
    with pytest.raises(SettingsError, match=message):
        validate.run(str(dataset), wanted, str(tmp_path / "schema"))

    assert not (tmp_path / "schema").exists()


def test_nothing_is_left_on_an_error(tmp_path, dataset):
    before = sorted(tmp_path.iterdir())
    with pytest.raises(TargetError):
        validate.run(str(dataset), settings("x", data={"task": "regression"}), str(tmp_path / "s"))

    assert sorted(tmp_path.iterdir()) == before


def test_a_changed_dataset_is_refused(tmp_path, dataset):
    (dataset / "table.parquet").write_bytes(b"PAR1")
    with pytest.raises(ArtifactError, match="was changed"):
        validate.run(str(dataset), settings("x"), str(tmp_path / "schema"))
