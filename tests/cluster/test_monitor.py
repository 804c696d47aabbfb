"""Served rows are compared with those of training by a run of the pipeline ``monitor``."""

import os
from pathlib import Path

from regatta.artifacts import read_json
from regatta.store import Location, Store
from regatta.testing.tables import binary_table
from tests.cluster.conftest import RUNS, Trained, regatta, state_of


def test_a_column_that_has_moved_is_found(
    trained: Trained, place: str, store: Store, tmp_path: Path
) -> None:
    rows = binary_table(400, seed=1)
    rows["age"] += 40
    rows.to_csv(tmp_path / "served.csv", index=False)
    source = f"{place}/tables/served.csv"
    store.upload_file(tmp_path / "served.csv", Location.parse(source))
    ended = regatta(
        *("submit", "monitor", trained.name, "--host", os.environ["REGATTA_KFP_HOST"]),
        *("--namespace", RUNS, "--source", source, "--registry", f"{place}/registry"),
    )
    assert ended.code == 0, ended.error
    run = next(line.split()[1] for line in ended.output.splitlines() if line.startswith("run "))
    assert state_of(run) == "SUCCEEDED"
    written = store.list(Location("mlpipeline", f"v2/artifacts/monitor/{run}"))
    drift = next(e.location for e in written if e.location.key.endswith("/drift.json"))
    store.download_file(drift, tmp_path / "drift.json")
    found = read_json(tmp_path / "drift.json")
    assert [column["name"] for column in found["columns"] if column["drifted"]] == ["age"]
    assert found["verdict"]["decision"] in ("drifted", "retrain")
    assert (found["name"], found["n_rows"]) == (trained.name, 400)
