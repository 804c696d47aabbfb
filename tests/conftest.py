"""What all tests share."""

import os
from pathlib import Path

import pytest

# Tests run side by side; a pool of threads in each of them would only be in the others' way.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")


@pytest.fixture(autouse=True)
def regatta_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A registry of the test's own; the user's is never touched."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("REGATTA_HOME", str(home))
    names = ("EVENTS", "DEBUG", "MODELS", "REGISTRY", "TAG")
    for name in (*names, *(f"DIGEST_{one}" for one in ("data", "train", "serve", "ops"))):
        monkeypatch.delenv(f"REGATTA_{name}", raising=False)
    return home
