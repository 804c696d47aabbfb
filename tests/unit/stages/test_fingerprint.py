"""What the cache of a pipeline knows of a table and of an image."""

import json

import pytest

from regatta.errors import DataError, SettingsError, StoreError, UsageError
from regatta.stages import fingerprint, ingest
from regatta.stages.fingerprint import image_identity, table_tag
from regatta.store import Location, connect
from regatta.testing.tables import binary_table
from tests.object_store import object_store

__all__ = ["object_store"]


def settings(source):
    return json.dumps({"data": {"source": str(source), "target": "outcome"}})


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "table.csv"
    binary_table(100).to_csv(path, index=False)
    return path


def test_the_same_file_has_the_same_name_and_a_changed_one_has_not(source):
    first, second = (fingerprint.run(settings(source)) for _ in range(2))
    with source.open("a") as stream:
        stream.write(source.read_text().splitlines()[1] + "\n")
    changed = fingerprint.run(settings(source))

    assert first == second
    assert first["memory"] == "2Gi"
    assert first["fingerprint"] != changed["fingerprint"]
    assert first["fingerprint"].partition("@")[2] == image_identity()


def test_without_the_cache_every_run_has_a_name_of_its_own(source):
    found = {fingerprint.run(settings(source), cached=False)["fingerprint"] for _ in range(2)}
    assert len(found) == 2
    assert len({table_tag(one) for one in found}) == 1


def test_a_registry_that_would_be_lost_is_refused_first(source, monkeypatch):
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.delenv("REGATTA_MODELS", raising=False)
    with pytest.raises(UsageError, match="lost with the pod"):
        fingerprint.run(settings(source))
    monkeypatch.setenv("REGATTA_MODELS", "s3://models/regatta")
    assert fingerprint.run(settings(source))["bytes"] > 0


def test_other_code_has_another_name(monkeypatch):
    before = image_identity()
    image_identity.cache_clear()
    monkeypatch.setattr("importlib.metadata.distributions", lambda: [])
    try:
        assert image_identity() != before
    finally:
        image_identity.cache_clear()


def test_what_is_not_there_or_no_quantity_is_told(tmp_path, source):
    with pytest.raises(DataError, match="there is no file"):
        fingerprint.run(settings(tmp_path / "none.csv"))
    with pytest.raises(DataError, match="no table is given"):
        fingerprint.run("{}")
    with pytest.raises(SettingsError, match="no quantity of memory"):
        fingerprint.run(settings(source), memory="a lot")


def test_a_table_that_changes_between_the_tasks_is_not_read(
    tmp_path, source, object_store, monkeypatch
):
    for name, value in object_store.environment.items():
        monkeypatch.setenv(name, value)
    bucket = f"tables-{tmp_path.name.replace('_', '-')}"
    object_store.make_bucket(bucket)
    store, place = connect(), Location(bucket, "table.csv")
    store.upload_file(source, place)
    before = fingerprint.run(settings(place.uri))
    tag = table_tag(before["fingerprint"])
    ingest.run(settings(place.uri), str(tmp_path / "dataset"), tag)
    binary_table(200).to_csv(source, index=False)
    store.upload_file(source, place)

    assert fingerprint.run(settings(place.uri))["fingerprint"] != before["fingerprint"]
    with pytest.raises(StoreError, match="has changed since"):
        ingest.run(settings(place.uri), str(tmp_path / "other"), tag)
    with pytest.raises(StoreError, match="no such object"):
        fingerprint.run(settings(f"s3://{bucket}/tabel.csv"))
