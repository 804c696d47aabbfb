import webbrowser

import pytest
import typer
from typer.testing import CliRunner

from regatta.cli import report
from regatta.errors import ArtifactError, UsageError

app = typer.Typer()
report.register(app)


def invoke(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def opened(monkeypatch):
    addresses = []
    monkeypatch.setattr(webbrowser, "open", addresses.append)
    return addresses


@pytest.fixture
def run(tmp_path):
    (tmp_path / "report.html").write_text("<!doctype html>")
    return tmp_path


def test_path_is_printed_and_nothing_opened_where_output_is_no_terminal(run, opened, monkeypatch):
    monkeypatch.setenv("DISPLAY", ":0")
    result = invoke(run)
    assert result.exit_code == 0
    assert result.stdout == f"{run / 'report.html'}\n"
    assert opened == []


def test_open(run, opened, monkeypatch):
    monkeypatch.setenv("DISPLAY", ":0")
    assert invoke(run, "--open").exit_code == 0
    assert opened == [(run / "report.html").as_uri()]


def test_print_and_the_file_itself(run, opened):
    assert invoke(run / "report.html", "--print").stdout == f"{run / 'report.html'}\n"
    assert opened == []


@pytest.mark.skipif("sys.platform != 'linux'")
def test_open_without_display(run, opened, monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    result = invoke(run, "--open")
    assert isinstance(result.exception, UsageError)
    assert opened == []


def test_no_such_folder(tmp_path):
    error = invoke(tmp_path / "gone").exception
    assert isinstance(error, UsageError)
    assert error.exit_code == 2


def test_folder_without_report(tmp_path):
    error = invoke(tmp_path).exception
    assert isinstance(error, ArtifactError)
    assert error.exit_code == 3
    assert "has no report.html" in str(error)
