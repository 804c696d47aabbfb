"""Every error has a code, a fix and a row in the operations page."""

import inspect
import re
from pathlib import Path

import pytest

from regatta import errors

ROOT = Path(__file__).parents[2]
CLASSES = [
    value
    for value in vars(errors).values()
    if inspect.isclass(value) and issubclass(value, errors.RegattaError)
]


@pytest.mark.parametrize("error", CLASSES[1:], ids=lambda error: error.__name__)
def test_the_operations_page_has_its_row(error: type[errors.RegattaError]) -> None:
    page = (ROOT / "docs/operations.md").read_text()
    row = f"| `{error.__name__}` | `{error.code}` | {error.exit_code} | {error.http_status} |"
    assert row in page


def test_codes_are_unique() -> None:
    codes = [error.code for error in CLASSES]
    assert len(set(codes)) == len(codes)


def test_a_fix_is_required() -> None:
    with pytest.raises(TypeError, match="fix"):
        errors.DataError("found")  # type: ignore[call-arg]


def test_every_raise_in_the_library_names_a_fix() -> None:
    names = "|".join(error.__name__ for error in CLASSES if error is not errors.RegattaError)
    for path in (ROOT / "src").rglob("*.py"):
        for match in re.finditer(rf"raise ({names})\(", path.read_text()):
            call = path.read_text()[match.start() : match.start() + 900]
            assert "fix=" in call or "**" in call, f"{path}: {call[:80]}"
