"""Lanes tell each other through a real object store what came of their trials."""

import json
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from regatta.artifacts import read_json
from regatta.artifacts.records import Recipe, TrialRecord, write_record
from regatta.errors import StoreError
from regatta.search.hearing import heard
from regatta.search.resuming import NOTES
from regatta.stages import plan, telling, trial
from regatta.stages.handover import Handover, handover_at
from regatta.stages.telling import Telling, telling_beside
from regatta.store import Location, connect
from tests.object_store import ObjectStore, object_store, running
from tests.unit.search.fakes import write_features

__all__ = ["object_store"]


def record_of(lane: int, number: int) -> TrialRecord:
    name = f"{lane:02d}-{number:03d}-line"
    return TrialRecord(name, lane, number, Recipe("line", {"alpha": 0.5}), 7, "ok", score=0.25)


def finish(folder: Path, record: TrialRecord) -> TrialRecord:
    write_record(folder / record.id, record)
    return record


def new(path: Path) -> Path:
    """Make the folder of a lane that has begun."""
    (path / NOTES).mkdir(parents=True)
    return path


@pytest.fixture
def lanes(object_store: ObjectStore, request: pytest.FixtureRequest) -> Iterator[list[Telling]]:
    """Return two lanes of a run."""
    root, made = f"minio://models/{request.node.name}", []
    for lane in range(2):
        handover = handover_at(f"{root}/trial/attempt-{lane}/trials", object_store.environment)
        assert handover is not None
        one = telling_beside(handover, lane)
        assert one is not None
        made.append(one)
    yield made
    for one in made:
        one.clear()


def keys(one: Telling) -> list[str]:
    return [entry.location.name for entry in one._store.list(one._place)]


def test_lanes_hear_of_each_other_and_not_of_themselves(lanes: list[Telling], tmp_path: Path):
    first, second = new(tmp_path / "first"), new(tmp_path / "second")
    mine, other = finish(first, record_of(0, 0)), finish(second, record_of(1, 0))
    (first / ".00-001-line.x").mkdir()
    (first / ".00-001-line.x" / "trial.json").write_text("{}")
    lanes[0].exchange(first)
    lanes[1].exchange(second)
    lanes[0].exchange(first)
    assert list(heard(first, {})) == [other]
    assert list(heard(second, {})) == [mine]
    assert list(heard(second, {mine.id})) == []
    assert keys(lanes[0]) == keys(lanes[1]) == ["00-000-line.json", "01-000-line.json"]
    # The place is beside the attempts: neither counts as a file of an artifact.
    assert lanes[0]._place.key.endswith("/trial-told")
    lanes[0].clear()
    assert keys(lanes[1]) == ["01-000-line.json"]


def test_a_lane_that_is_tried_again_does_not_hear_itself(lanes: list[Telling], tmp_path: Path):
    first, again = new(tmp_path / "first"), new(tmp_path / "again")
    finish(first, record_of(0, 0))
    lanes[0].exchange(first)
    later = Telling(lanes[0]._store, lanes[0]._place, 0)
    later.exchange(again)
    assert list(heard(again, {})) == []


def test_what_is_no_record_is_left_out(lanes: list[Telling], tmp_path: Path, caplog):
    store, place = lanes[0]._store, lanes[0]._place
    good = json.dumps(record_of(1, 0).to_dict()).encode()
    bad = {
        "01-001-line.json": good,
        "01-002-line.json": b"{",
        "01-003-line.json": b'{"id": "../../evil"}',
        "01-004-line.json": b"[]",
        "01-005-line.json": b" " * telling.MOST_BYTES + good,
    }
    for name, data in {**bad, "01-000-line.json": good, "a b.json": good}.items():
        store.write(place / name, data)
    store.write(place / "deeper/01-006-line.json", good)
    (tmp_path / NOTES).mkdir()
    for _ in range(2):
        lanes[0].exchange(tmp_path)
    assert [record.id for record in heard(tmp_path, {})] == ["01-000-line"]
    assert caplog.text.count("is no record and is left out") == 5


def test_a_store_that_is_away_is_warned_of_once(tmp_path: Path, monkeypatch, caplog):
    monkeypatch.setattr(Telling, "poll_seconds", 0.05)
    with running(new(tmp_path / "minio")) as server:
        server.make_bucket("models")
        store = connect(server.environment, patience_seconds=0, answer_seconds=1)
        one = Telling(store, Location("models", "run/trial-told"), 0)
        server.stop()
        folder = new(tmp_path / "lane")
        finish(folder, record_of(0, 0))
        with one.attended(folder):
            time.sleep(0.6)
            server.start()
            until = time.time() + 10
            while not one._told:
                assert time.time() < until
                time.sleep(0.05)
        one.clear()
        assert list(store.list(one._place)) == []
    assert caplog.text.count("the lanes cannot tell each other") == 1


def test_a_lane_that_has_ended_hears_no_more(lanes: list[Telling], tmp_path: Path):
    first, second = new(tmp_path / "first"), new(tmp_path / "second")
    with lanes[0].attended(first):
        shutil.rmtree(first / NOTES)
        other = finish(second, record_of(1, 0))
        lanes[1].exchange(second)
        lanes[0].exchange(first)
    assert list(first.iterdir()) == []
    # It was not taken for heard.
    (first / NOTES).mkdir()
    again = Telling(lanes[0]._store, lanes[0]._place, 0)
    again.exchange(first)
    assert list(heard(first, {})) == [other]


def test_a_record_that_could_not_be_read_is_heard_later(
    lanes: list[Telling], tmp_path: Path, monkeypatch
):
    first, second = new(tmp_path / "first"), new(tmp_path / "second")
    other = finish(second, record_of(1, 0))
    lanes[1].exchange(second)

    def away(*_: object, **__: object) -> None:
        raise StoreError("the store is away", fix="wait")

    with monkeypatch.context() as patched:
        patched.setattr(lanes[0]._store, "read", away)
        with pytest.raises(StoreError):
            lanes[0].exchange(first)
    lanes[0].exchange(first)
    assert list(heard(first, {})) == [other]


def test_a_place_of_another_form_tells_nobody(object_store: ObjectStore):
    store = connect(object_store.environment)
    assert telling_beside(Handover(store, Location("models", "trials-handed")), 0) is None


@pytest.mark.slow
def test_lanes_side_by_side_learn_from_each_other(object_store, tmp_path: Path, monkeypatch):
    for name, value in object_store.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(Telling, "poll_seconds", 0.2)
    features = str(write_features(tmp_path / "features", n_rows=200))
    search = {"cores": 1, "lanes": 2, "learners": ["linear", "lightgbm"]}
    settings = {"search": search, "budget": {"seconds": 25}}
    plan.run(features, json.dumps(settings), str(tmp_path / "plan"))

    def race(lane: int) -> None:
        place = f"minio://models/told/trial/{lane}/trials"
        trial.run(features, str(tmp_path / "plan"), lane, 0.0, str(tmp_path / str(lane)), place)

    threads = [threading.Thread(target=race, args=(lane,)) for lane in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    summaries = [read_json(tmp_path / str(lane) / "lane.json") for lane in range(2)]
    assert all(summary["heard"] > 0 for summary in summaries)
    assert list(connect(object_store.environment).list(Location("models", "told"))) == []
