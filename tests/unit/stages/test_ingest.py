import hashlib
import json

import pytest

from regatta.artifacts.base import open_artifact, read_json
from regatta.errors import DataError, SettingsError, StoreError, TargetError
from regatta.stages import ingest
from regatta.store import Location, connect
from regatta.testing.tables import binary_table
from tests.object_store import object_store

__all__ = ["object_store"]


def settings(source, target="outcome", **data):
    return json.dumps({"data": {"source": str(source), "target": target, **data}})


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "table.csv"
    binary_table(100).to_csv(path, index=False)
    return path


def test_the_dataset_artifact(tmp_path, source):
    numbers = ingest.run(settings(source), str(tmp_path / "out" / "dataset"))
    artifact = open_artifact(tmp_path / "out" / "dataset", "dataset")

    assert (
        artifact.metadata
        == numbers
        == {
            "source": "table.csv",
            "format": "csv",
            "fingerprint": hashlib.sha256(source.read_bytes()).hexdigest(),
            "n_rows": 100,
            "n_columns": 10,
        }
    )
    assert artifact.file("table.parquet").stat().st_size > 0
    reading = read_json(artifact.file("reading.json"))
    assert reading["delimiter"] == ","
    assert reading["na_values"]["age"]


@pytest.mark.parametrize(
    ("content", "error"),
    [("", DataError), ("a,b\n1,2\n1\n", DataError), ("a,b\n1,2\n", TargetError)],
)
def test_nothing_is_left_on_an_error(tmp_path, content, error):
    path = tmp_path / "bad.csv"
    path.write_text(content)
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(error):
        ingest.run(settings(path), str(out / "dataset"))

    assert list(out.iterdir()) == []


def test_what_is_not_given(tmp_path):
    with pytest.raises(DataError, match="no table is given"):
        ingest.run("{}", str(tmp_path / "dataset"))
    with pytest.raises(SettingsError):
        ingest.run('{"dat": 1}', str(tmp_path / "dataset"))


def test_an_older_dataset_is_replaced(tmp_path, source):
    for _ in range(2):
        ingest.run(settings(source), str(tmp_path / "dataset"))

    assert open_artifact(tmp_path / "dataset", "dataset").metadata["n_rows"] == 100


def test_a_table_in_an_object_store(tmp_path, source, object_store, monkeypatch):
    for name, value in object_store.environment.items():
        monkeypatch.setenv(name, value)
    bucket = f"tables-{tmp_path.name.replace('_', '-')}"
    object_store.make_bucket(bucket)
    store = connect()
    store.upload_file(source, Location(bucket, "2024/table.csv"))
    numbers = ingest.run(
        settings(f"s3://{bucket}/2024/table.csv"), str(tmp_path / "out" / "dataset")
    )

    assert numbers["source"] == "table.csv"
    assert numbers["fingerprint"] == hashlib.sha256(source.read_bytes()).hexdigest()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["dataset"]
    with pytest.raises(StoreError, match="no such object"):
        ingest.run(settings(f"s3://{bucket}/tabel.csv"), str(tmp_path / "other"))
