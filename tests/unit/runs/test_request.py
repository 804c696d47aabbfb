import contextlib
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regatta.errors import BudgetError, DataError, SettingsError, StoreError, UsageError
from regatta.runs.request import Request, name_of, parse_seconds, process_started_at
from regatta.settings import RunSettings


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "churn.csv"
    path.write_text("a,y\n1,no\n")
    return path


def settings(source: Path | str, **search: object) -> RunSettings:
    return RunSettings.from_values(
        {"data": {"source": str(source), "target": "y"}, "search": search}
    )


@given(st.integers(0, 99), st.integers(0, 59), st.integers(1, 59))
def test_lengths_of_time_add_up(hours: int, minutes: int, seconds: int) -> None:
    wanted = hours * 3600 + minutes * 60 + seconds
    assert parse_seconds(f"{hours}h{minutes}m{seconds}s") == wanted
    assert parse_seconds(str(wanted)) == wanted


@given(st.text(max_size=12))
def test_any_text_is_a_length_of_time_or_a_usage_error(text: str) -> None:
    with contextlib.suppress(BudgetError):
        assert parse_seconds(text) >= 0


@pytest.mark.parametrize("text", ["", "m", "5x", "-5", "5m3h", "1e3", "five"])
def test_what_is_no_length_of_time(text: str) -> None:
    with pytest.raises(BudgetError, match="length of time"):
        parse_seconds(text)


@given(st.text())
def test_every_file_name_gives_a_name(text: str) -> None:
    assert RunSettings.from_values({"name": name_of(text + ".csv")})


def test_the_clock_begins_with_the_process() -> None:
    assert 0 < time.time() - process_started_at() < 3600
    assert abs(process_started_at() - process_started_at()) < 0.05


def test_a_request_is_complete(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    request = Request.checked(settings("churn.csv", lanes=2))
    assert request.settings.data.source == str(table)
    assert request.settings.budget.started_at == pytest.approx(process_started_at(), abs=0.1)
    assert request.out.parent == tmp_path / "runs"
    assert not request.out.parent.exists()


def test_a_missing_file_names_the_nearest(table: Path) -> None:
    with pytest.raises(DataError, match=r"did you mean 'churn\.csv'"):
        Request.checked(settings(table.with_name("chrun.csv")))


def test_a_folder_is_no_table(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is a folder"):
        Request.checked(settings(tmp_path))


def test_a_target_must_be_named(table: Path) -> None:
    with pytest.raises(SettingsError, match="--target"):
        Request.checked(RunSettings.from_values({"data": {"source": str(table)}}))


def test_a_metric_must_exist(table: Path) -> None:
    with pytest.raises(SettingsError, match="did you mean 'roc_auc'"):
        Request.checked(settings(table, metric="roc-auc"))


def test_a_budget_must_hold_a_run(table: Path) -> None:
    short = settings(table).merged({"budget": {"seconds": 4.9}})
    with pytest.raises(BudgetError, match="at least 5 s"):
        Request.checked(short)


def test_a_folder_with_other_things_is_left_alone(table: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no run"):
        Request.checked(settings(table), out=tmp_path, overwrite=True)


def test_an_earlier_run_is_replaced_only_on_demand(table: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    assert Request.checked(settings(table), out=out).out == out
    (out / "run.json").write_text("{}")
    with pytest.raises(UsageError, match="--overwrite"):
        Request.checked(settings(table), out=out)
    assert Request.checked(settings(table), out=out, overwrite=True).overwrite


def test_an_output_folder_below_a_file(table: Path) -> None:
    with pytest.raises(UsageError, match="is a file"):
        Request.checked(settings(table), out=table / "out")


def test_an_unwritable_output_folder(table: Path) -> None:
    # Rights do not stop root, but nobody can write to /proc.
    with pytest.raises(UsageError, match="nothing can be written"):
        Request.checked(settings(table), out=Path("/proc/out"))


def test_an_unwritable_registry_is_found_before_the_race(table: Path, tmp_path: Path) -> None:
    asked = settings(table).merged({"deploy": {"registry": "/proc/registry"}})
    with pytest.raises(UsageError, match="--registry"):
        Request.checked(asked, out=tmp_path / "out")


@pytest.mark.parametrize(
    ("given", "wanted"),
    [("", ""), ("models", "{here}/models"), ("/tmp/models", "/tmp/models")],
)
def test_tasks_work_elsewhere_and_find_the_registry(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str, wanted: str
) -> None:
    monkeypatch.chdir(tmp_path)
    asked = settings(table).merged({"deploy": {"registry": given}})
    found = Request.checked(asked, out=tmp_path / "out").settings.deploy.registry
    assert found == wanted.format(here=tmp_path)


def test_a_link_to_a_folder_stays_a_link(table: Path, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert Request.checked(settings(table), out=tmp_path / "link").out == tmp_path / "real"


def test_a_link_to_nowhere_is_no_folder(table: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.symlink_to(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="is a link to"):
        Request.checked(settings(table), out=out)


def test_a_text_that_is_no_utf_8_is_refused() -> None:
    # What Python makes of an argument under a locale that does not know its bytes.
    with pytest.raises(SettingsError, match="no UTF-8"):
        RunSettings.from_values({"data": {"target": "\udcff"}})


def test_a_store_that_does_not_answer_is_told_before_the_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setattr("regatta.runs.request.PATIENCE_SECONDS", 0.0)
    with pytest.raises(StoreError, match=r"127\.0\.0\.1:1"):
        Request.checked(settings("s3://tables/x.csv"), out=tmp_path / "out")
