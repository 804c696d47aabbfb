from pathlib import Path

from regatta.runs.results import _into_place


def finished(folder: Path) -> Path:
    final = folder / ".work" / "out"
    final.mkdir(parents=True)
    (final / "run.json").write_text("new")
    return final


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    out = _into_place(finished(tmp_path), tmp_path / "run", overwrite=False)
    assert out == tmp_path / "run"
    assert (out / "run.json").read_text() == "new"


def test_what_another_run_left_meanwhile_stays(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text("other")
    out = _into_place(finished(tmp_path), tmp_path / "run", overwrite=False)
    assert out == tmp_path / "run-2"
    assert (tmp_path / "run" / "run.json").read_text() == "other"


def test_an_earlier_run_goes_on_demand(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text("old")
    out = _into_place(finished(tmp_path), tmp_path / "run", overwrite=True)
    assert (out / "run.json").read_text() == "new"
    assert not (tmp_path / "run-2").exists()
