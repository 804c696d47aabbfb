import json
from pathlib import Path

import pytest

from regatta.artifacts import open_artifact, read_json
from regatta.errors import ArtifactError, SettingsError
from regatta.stages import plan
from tests.unit.search.fakes import write_features


def test_plan_is_written_with_all_settings(tmp_path: Path):
    write_features(tmp_path / "features")
    settings = {"search": {"lanes": 2, "max_trials": 5, "metric": "log_loss"}, "seed": 7}
    numbers = plan.run(str(tmp_path / "features"), json.dumps(settings), str(tmp_path / "plan"))
    assert numbers["lanes"] == 2
    assert numbers["recipes"] == 5
    assert numbers["metric"] == "log_loss"
    values = read_json(open_artifact(tmp_path / "plan", "plan").file("plan.json"))
    assert values["task"] == "binary"
    assert values["n_folds"] == 3
    assert values["settings"]["seed"] == 7
    assert values["settings"]["budget"]["seconds"] == 300
    assert [len(lane) for lane in values["lanes"]] == [3, 2]
    assert values["limits"]["max_trials"] == [3, 2]
    assert values["tail_seconds"] > 5


def test_nothing_is_written_after_a_mistake(tmp_path: Path):
    write_features(tmp_path / "features")
    settings = json.dumps({"search": {"learners": ["xgbost"]}})
    with pytest.raises(SettingsError, match="did you mean 'xgboost'"):
        plan.run(str(tmp_path / "features"), settings, str(tmp_path / "plan"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["features"]


def test_changed_features_are_refused(tmp_path: Path):
    features = write_features(tmp_path / "features")
    (features / "folds.npy").write_bytes((features / "target.npy").read_bytes())
    with pytest.raises(ArtifactError, match=r"folds\.npy"):
        plan.run(str(features), "{}", str(tmp_path / "plan"))
