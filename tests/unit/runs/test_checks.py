import sys

import pytest

from regatta.runs.checks import checks


@pytest.mark.parametrize(
    ("version", "will_do"), [((3, 10), False), ((3, 11), True), ((3, 13), True), ((3, 14), False)]
)
def test_python_is_new_enough_and_not_too_new(
    monkeypatch: pytest.MonkeyPatch, version: tuple[int, int], will_do: bool
) -> None:
    monkeypatch.setattr(sys, "version_info", (*version, 2, "final", 0))
    python = next(checks())
    assert (python.name, python.ok) == ("Python", will_do)
    assert python.fix == "install Python 3.11, 3.12 or 3.13"
