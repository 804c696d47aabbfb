"""``regatta monitor``."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from regatta.cli import app
from regatta.cli.monitor import DRIFTED
from regatta.errors import RegattaError
from regatta.registry import Registry
from tests.unit.stages.test_evaluate import Inputs, make


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    inputs = make(tmp_path_factory.mktemp("run"), "binary", learners=("linear",))
    inputs.run()
    inputs.table.to_csv(inputs.folder / "same.csv", index=False)
    served = inputs.table.drop(columns="outcome").assign(age=inputs.table["age"] + 40)
    served.to_csv(inputs.folder / "moved.csv", index=False)
    return inputs


def monitor(model: object, table: Path, *options: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["monitor", str(model), str(table), *options])
    if isinstance(result.exception, RegattaError):
        raise result.exception
    return result.exit_code, result.output


@pytest.mark.parametrize(
    ("table", "options", "code"),
    [
        ("same.csv", (), 0),
        ("same.csv", ("--fail-on", "drifted"), 0),
        ("moved.csv", (), 0),
        ("moved.csv", ("--fail-on", "drifted"), DRIFTED),
        ("moved.csv", ("--fail-on", "retrain"), DRIFTED),
        ("moved.csv", ("--fail-on", "retrain", "--set", "monitor.importance=1"), 0),
        ("moved.csv", ("--fail-on", "drifted", "--set", "monitor.importance=1"), DRIFTED),
    ],
)
def test_the_exit_code_is_what_was_asked_for(
    released: Inputs, tmp_path: Path, table: str, options: tuple[str, ...], code: int
) -> None:
    model = released.folder / "model"
    found, text = monitor(model, released.folder / table, "--out", str(tmp_path / "out"), *options)
    assert found == code
    assert ("verdict      steady" in text) == (table == "same.csv")
    assert (tmp_path / "out" / "report.html").is_file()


def test_it_says_what_has_moved_and_where_the_report_is(
    released: Inputs, tmp_path: Path, regatta_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Registry(regatta_home / "registry").register(
        released.folder / "model", "toy", verdict="promote"
    )
    monkeypatch.chdir(tmp_path)
    code, text = monitor("toy@1", released.folder / "moved.csv")
    assert code == 0
    assert "rows         200 against 200 of toy@1" in text
    assert "columns      1 of 8 drifted\n  age: psi " in text
    assert "'age' has drifted." in text
    (folder,) = (tmp_path / "runs").iterdir()
    assert folder.name.startswith("toy-monitor-")
    assert {path.name for path in folder.iterdir()} == {"drift", "metrics.json", "report.html"}
    assert CliRunner().invoke(app, ["report", str(folder), "--print"]).exit_code == 0


def test_a_folder_that_cannot_be_is_refused_first(released: Inputs, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RegattaError, match="cannot be made") as caught:
        monitor("nothing", released.folder / "same.csv", "--out", str(tmp_path / "file" / "out"))
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("setting", ["data.na_values=NA,-999", 'data.kinds={"age": "text"}'])
def test_what_values_mean_is_not_to_be_set(released: Inputs, tmp_path: Path, setting: str) -> None:
    served, out = released.folder / "same.csv", tmp_path / "out"
    with pytest.raises(RegattaError, match=r"was settled in training.*leave it out") as caught:
        monitor(released.folder / "model", served, "--out", str(out), "--set", setting)
    assert caught.value.exit_code == 2
    assert not (out / "drift").exists()
    delimiter = ("--set", "data.delimiter=,")
    assert monitor(released.folder / "model", served, "--out", str(out), *delimiter)[0] == 0


def test_unknown_models_and_tables(released: Inputs, tmp_path: Path) -> None:
    with pytest.raises(RegattaError, match="no registered model"):
        monitor("nothing", released.folder / "same.csv", "--out", str(tmp_path))
    with pytest.raises(RegattaError, match="no file"):
        monitor(released.folder / "model", tmp_path / "none.csv", "--out", str(tmp_path))
