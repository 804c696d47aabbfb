"""The command that images start."""

import pytest

from regatta.serving.__main__ import main


@pytest.mark.parametrize("name", ["", "a/b", "../x", "-a", "a b", "x" * 300])
def test_a_name_that_no_address_can_hold_is_refused(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([f"--model_name={name}", "--model_dir=/nowhere"]) == 2
    assert "--model_name is" in capsys.readouterr().err
