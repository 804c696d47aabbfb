"""Only ``evaluate`` may read the locked rows, and ``refit``, for what is released after it."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
SPLITS = ROOT / "src/regatta/splits"
EVALUATE = Path("src/regatta/stages/evaluate.py")
OPENING = Path("src/regatta/stages/locked.py")
REFIT = Path("src/regatta/stages/refit.py")


def sources() -> Iterator[Path]:
    """Yield every module outside the folder that owns the splits."""
    for folder in ("src", "components", "pipelines"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            if not path.is_relative_to(SPLITS):
                yield path


def calls_of_locked(path: Path) -> list[int]:
    """Return the lines that call a method ``locked`` without arguments, as `Splits` has it."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "locked"
        and not node.args
    ]


def names_the_mark(path: Path) -> bool:
    """Return whether a module imports the number that marks a locked row."""
    return any(
        isinstance(node, ast.ImportFrom)
        and (node.module or "").startswith("regatta.splits")
        and any(name.name == "LOCKED" for name in node.names)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    )


def test_only_evaluate_and_refit_call_locked() -> None:
    callers = {path.relative_to(ROOT) for path in sources() if calls_of_locked(path)}
    assert callers == {OPENING, REFIT}


def test_each_calls_it_once() -> None:
    for path in (OPENING, REFIT):
        assert len(calls_of_locked(ROOT / path)) == 1


def test_only_evaluate_opens_them_and_once() -> None:
    opened = {
        path.relative_to(ROOT): path.read_text("utf-8").count("open_locked(") for path in sources()
    }
    assert {path: count for path, count in opened.items() if count} == {EVALUATE: 1, OPENING: 1}


def test_only_evaluate_begins_a_refit() -> None:
    # No trial, no ensemble: what is measured was finished before.
    beginners = {p.relative_to(ROOT) for p in sources() if "refit.begun(" in p.read_text("utf-8")}
    assert beginners == {EVALUATE}


def test_the_mark_of_locked_rows_stays_in_splits() -> None:
    assert not {path.relative_to(ROOT) for path in sources() if names_the_mark(path)}


def test_splits_are_opened_by_few() -> None:
    openers = {p.stem for p in sources() if "Splits.open(" in p.read_text(encoding="utf-8")}
    assert openers <= {"featurize", "locked", "refit"}
