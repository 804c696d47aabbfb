"""Bad input, one by one: one message with a fix, exit code 2, nothing half-written."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from regatta.testing.tables import binary_table

GOOD = binary_table(120).drop(columns=["review", "joined", "key"])
Write = Callable[[Path], object]


def text(content: str, encoding: str = "utf-8") -> Write:
    return lambda path: path.write_text(content, encoding=encoding)


def csv(table: pd.DataFrame, **options: Any) -> Write:
    return lambda path: table.to_csv(path, index=False, **options)


def with_target(values: Any) -> Write:
    return csv(GOOD.assign(outcome=values))


def many_classes() -> Write:
    labels = [f"class {number % 1000}" for number in range(5000)]
    return csv(pd.DataFrame({"a": range(5000), "b": np.arange(5000) % 7, "outcome": labels}))


def huge_field(path: Path) -> None:
    """A quote that is never closed makes one field of the rest of the file."""
    with path.open("w") as file:
        file.write('a,b,outcome\n1,2,yes\n3,"')
        for _ in range(12):
            file.write("lorem ipsum, " * 80_000)


def double_names(path: Path) -> None:
    path.write_text("a,b,a,outcome\n" + "1,2,3,yes\n4,5,6,no\n" * 30)


def ragged(path: Path) -> None:
    path.write_text("a,b,outcome\n" + "1,2,yes\n3,4,no\n" * 20 + "5,6\n" + "1,2,yes\n" * 3)


def latin1(path: Path) -> None:
    GOOD.assign(city="Köln").to_csv(path, index=False, encoding="latin-1")


def infinite(path: Path) -> None:
    GOOD.assign(income=GOOD["income"].where(GOOD.index != 7, np.inf)).to_csv(path, index=False)


def mixed(path: Path) -> None:
    """A text in one of many rows of numbers."""
    GOOD.assign(income=GOOD["income"].astype(str).where(GOOD.index != 7, "much")).to_csv(path)


LOOKS_BAD: dict[str, Write] = {
    "semicolons": csv(GOOD, sep=";"),
    "tabs": csv(GOOD, sep="\t"),
    "UTF-16 with a byte-order mark": csv(GOOD, encoding="utf-16"),
    "quoted newlines": csv(GOOD.assign(city="first line\nsecond, line")),
    "an all-missing column": csv(GOOD.assign(income=None)),
}

CASES: dict[str, tuple[Write, list[str], str]] = {
    "empty file": (text(""), [], "empty"),
    "header only": (text("a,b,outcome\n"), [], "no rows"),
    "one row": (text("a,b,outcome\n1,2,yes\n"), [], "1 row"),
    "target not there": (csv(GOOD), ["--target", "outcom"], "did you mean 'outcome'"),
    "target all missing": (with_target(None), [], "outcome"),
    "target of one class": (with_target("yes"), [], "yes"),
    "class with one row": (
        with_target(["rare", *(["yes", "no"] * 60)[:119]]),
        [],
        "rare",
    ),
    "a thousand classes": (many_classes(), ["--task", "multiclass"], "1,?000"),
    "text for a regression": (csv(GOOD), ["--task", "regression"], "regression"),
    "double names": (double_names, [], "'a'"),
    "constant features": (
        csv(pd.DataFrame({"a": 1, "b": "x", "outcome": ["yes", "no"] * 40})),
        [],
        "constant",
    ),
    "infinite values": (infinite, [], "income"),
    "mixed types": (mixed, [], "income"),
    "huge field": (huge_field, [], "quote"),
    "latin-1": (latin1, [], "encoding"),
    "ragged rows": (ragged, [], "line 42"),
    "binary file": (lambda path: path.write_bytes(bytes(range(256)) * 40), [], "binary|text"),
    "metric of another task": (csv(GOOD), ["--metric", "rmse"], "rmse"),
    "unknown learner": (csv(GOOD), ["--set", "search.learners=lihgtgbm"], "did you mean"),
    "budget too small": (csv(GOOD), ["--budget", "6s"], "at least"),
}

EARLY: dict[str, tuple[list[str], str]] = {
    "missing file": (["nowhere.csv"], "no file 'nowhere.csv'"),
    "unknown metric": (["good.csv", "--metric", "acuracy"], "did you mean 'accuracy'"),
    "unknown setting": (["good.csv", "--set", "search.max_trails=3"], "did you mean"),
    "value out of range": (["good.csv", "--workers", "0"], "search.lanes"),
    "unwritable folder": (["good.csv", "--out", "/proc/regatta"], "nothing can be written"),
    "no length of time": (["good.csv", "--budget", "soon"], "length of time"),
}


def check(ended: Any, pattern: str) -> None:
    """One message, with a fix, in place of a traceback."""
    message = ended.error.strip()
    assert ended.code == 2, message
    assert pd.Series([message]).str.contains(pattern, case=False).all(), message
    assert "To fix: " in message
    assert "Traceback" not in ended.error + ended.output
    assert len(message.splitlines()) == 1


@pytest.mark.parametrize("case", CASES)
def test_a_table_that_cannot_be_learnt_from(case: str, regatta: Any, tmp_path: Path) -> None:
    write, options, pattern = CASES[case]
    write(tmp_path / "table.csv")
    target = [] if "--target" in options else ["--target", "outcome"]
    budget = [] if "--budget" in options else ["--budget", "30s"]
    command = ["run", tmp_path / "table.csv", *target, *budget, "--no-deploy", *options]
    check(regatta(*command, "--out", tmp_path / "runs" / "out"), pattern)
    assert [path.name for path in tmp_path.iterdir()] == ["table.csv"]


@pytest.mark.parametrize("case", EARLY)
def test_what_is_known_before_the_run(
    case: str, regatta: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options, pattern = EARLY[case]
    csv(GOOD)(tmp_path / "good.csv")
    monkeypatch.chdir(tmp_path)
    ended = regatta("run", "--target", "outcome", *options)
    check(ended, pattern)
    assert [path.name for path in tmp_path.iterdir()] == ["good.csv"]


@pytest.mark.parametrize("case", LOOKS_BAD)
def test_what_only_looks_bad(case: str, tmp_path: Path) -> None:
    from regatta.dataset import load_frame
    from regatta.stages import ingest, validate

    LOOKS_BAD[case](tmp_path / "table.csv")
    settings = json.dumps({"data": {"source": str(tmp_path / "table.csv"), "target": "outcome"}})
    paths = [str(tmp_path / name) for name in ("dataset", "schema")]
    ingest.run(settings, paths[0])
    validate.run(paths[0], settings, paths[1])
    frame = load_frame(paths[0])
    assert list(frame.columns) == list(GOOD.columns)
    assert len(frame) == len(GOOD)


def test_debug_shows_the_traceback(regatta: Any, tmp_path: Path) -> None:
    ended = regatta("--debug", "run", tmp_path / "none.csv", "--target", "y")
    assert ended.code == 1
    assert "Traceback" in ended.error
