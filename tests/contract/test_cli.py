"""The command line: instant, complete, and clear about what it was given."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from regatta import __version__
from regatta.cli import app

HEAVY = {
    "kfp",
    "kserve",
    "lightgbm",
    "matplotlib",
    "numpy",
    "optuna",
    "pandas",
    "pyarrow",
    "pydantic",
    "sklearn",
}
MOST_MODULES = 400
COMMANDS = ["run", "predict", "serve", "monitor", "report", "compile", "doctor", "models"]
OPTIONS = {
    "run": "--target --weight --group --time --task --metric --budget --trials --workers --cores "
    "--name --seed --out --set --overwrite --no-deploy --registry",
    "predict": "--out",
    "serve": "--port --grpc-port --max-body-bytes",
    "monitor": "--out --fail-on --registry --set",
    "compile": "--check",
}


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200"})
    return result.exit_code, result.output


def test_importing_it_is_light() -> None:
    code = "import json, sys, regatta.cli; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules = json.loads(done.stdout)
    assert not HEAVY.intersection(modules)
    # Time depends on the machine; the number of modules is what it is made of.
    assert len(modules) < MOST_MODULES


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_explains_itself(command: str) -> None:
    code, text = run(command, "--help")
    assert code == 0
    for option in OPTIONS.get(command, "").split():
        assert option in text


@pytest.mark.parametrize("command", [("run",), ("plan",), ("submit", "train")])
def test_the_metrics_are_listed(command: tuple[str, ...]) -> None:
    from regatta.evaluation.metrics import METRICS, default_metric

    _, text = run(*command, "--help")
    words = " ".join(word for word in text.split() if word != "│")
    listed = re.search(r"Metric to optimise: (.+?)\. \[default: \((.+?)\)\]", words)
    assert listed
    assert re.findall(r"[a-z]\w*(?=[,;]| \(|$)", listed[1]) == list(METRICS)
    defaults = [default_metric(task).key for task in ("binary", "multiclass", "regression")]
    assert re.findall(r"(\w+) for", listed[2]) == defaults


def test_models_has_its_verbs() -> None:
    _, text = run("models", "--help")
    assert all(verb in text for verb in ("list", "show", "promote", "rollback"))


def test_version() -> None:
    assert run("--version") == (0, f"regatta {__version__}\n")


def test_an_unknown_option_ends_with_2() -> None:
    code, _ = run("run", "table.csv", "--tagret", "y")
    assert code == 2


def test_compile_check_passes(tmp_path: Path) -> None:
    code, text = run("compile", "--check")
    assert (code, text) == (0, "all compiled files are current\n")


def test_doctor_finds_this_machine_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    code, text = run("doctor")
    assert code == 0
    assert "Local runs: ready" in text
