"""``regatta models``."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from regatta.artifacts import write_json, writing
from regatta.cli import app, main
from regatta.errors import RegattaError, ServiceError
from regatta.registry import Registry


@pytest.fixture
def registry(tmp_path: Path, regatta_home: Path) -> Registry:
    with writing(tmp_path / "bundle", "bundle") as folder:
        write_json(folder / "bundle.json", {})
    found = Registry(regatta_home / "registry")
    for verdict in ("promote", "promote", "keep"):
        found.register(
            tmp_path / "bundle",
            "churn",
            verdict=verdict,
            task="binary",
            metric="roc_auc",
            score=0.95,
            locked_score=0.912345,
        )
    return found


def invoke(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["models", *arguments], env={"COLUMNS": "200"})
    if isinstance(result.exception, RegattaError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def test_list(registry: Registry) -> None:
    lines = invoke("list").splitlines()
    assert "champion on locked rows" in lines[0]
    assert lines[0].split()[:4] == ["model", "champion", "challenger", "versions"]
    assert lines[1].split()[:6] == ["churn", "2", "3", "3", "roc_auc", "0.9123"]
    (model,) = json.loads(invoke("list", "--json"))
    assert model == {
        "name": "churn",
        "versions": 3,
        "latest": 3,
        "champion": 2,
        "challenger": 3,
        "previous": 1,
    }


def test_empty_registry(tmp_path: Path) -> None:
    assert "is empty" in invoke("list", "--registry", str(tmp_path / "none"))
    assert json.loads(invoke("list", "--json", "--registry", str(tmp_path / "none"))) == []


def test_show(registry: Registry) -> None:
    lines = invoke("show", "churn").splitlines()
    assert "on locked rows" in lines[0]
    assert "roc_auc 0.9123" in lines[1]
    assert [line.split()[:2] for line in lines[1:4]] == [
        ["3", "challenger"],
        ["2", "champion"],
        ["1", "previous"],
    ]
    versions = json.loads(invoke("show", "churn", "--json"))
    assert [version["version"] for version in versions] == [1, 2, 3]
    assert versions[1]["aliases"] == ["champion"]


def test_a_narrow_terminal_breaks_lines_rather_than_columns(registry: Registry) -> None:
    result = CliRunner().invoke(app, ["models", "show", "churn"], env={"COLUMNS": "20"})
    assert result.exit_code == 0
    assert "roc_auc 0.9123" in result.output


def test_promote_and_roll_back(registry: Registry) -> None:
    first, second = invoke("promote", "churn", "challenger").splitlines()
    assert first == "Version 3 is the champion of churn."
    assert second.startswith("No running service follows. One that `regatta serve churn` runs")
    assert registry.aliases("churn") == {"champion": 3, "previous": 2}
    assert json.loads(invoke("rollback", "churn", "--json"))["version"] == 2
    assert registry.aliases("churn") == {"champion": 2, "previous": 3}


def test_who_is_not_asked_to_follow_is_told_how(registry: Registry) -> None:
    other = str(registry.root)
    text = invoke("promote", "churn", "1", "--no-deploy", "--registry", other)
    command = f"regatta models promote churn 1 --registry {other}"
    assert text.endswith(f"A running service keeps its version. To let it follow: {command}\n")


def test_the_aliases_stay_with_a_cluster_that_has_followed(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(champion: object) -> None:
        raise ServiceError("it is not ready", fix="read its log")

    served = [{"url": "http://churn", "version": 3}]
    monkeypatch.setattr("regatta.cli.models._follow_on_cluster", lambda *_: served)
    monkeypatch.setattr("regatta.deployment.follow_here", fail)
    with pytest.raises(ServiceError) as caught:
        invoke("promote", "churn", "3")
    assert caught.value.__notes__ == [
        "The service on the cluster has followed, and the aliases stay."
    ]
    assert registry.aliases("churn") == {"champion": 3, "previous": 2}


def test_notes_are_part_of_what_is_printed(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["regatta", "serve", "chrun"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 3
    message, note = capsys.readouterr().err.splitlines()
    assert "did you mean 'churn'" in message
    assert note == "'chrun' is no folder with a bundle either"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("show", "chrun"), 3, "did you mean 'churn'"),
        (("promote", "churn", "9"), 3, "no version 9"),
        (("rollback", "other"), 3, "no registered model"),
    ],
)
def test_what_is_not_there(
    registry: Registry, arguments: tuple[str, ...], code: int, message: str
) -> None:
    with pytest.raises(RegattaError, match=message) as caught:
        invoke(*arguments)
    assert caught.value.exit_code == code
