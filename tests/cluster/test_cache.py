"""What a second run takes from the cache of Kubeflow Pipelines, and what it must not."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from regatta.store import Location, Store
from regatta.testing.tables import binary_table
from tests.cluster.conftest import Ended

CACHED = ("prepare", "trial", "ensemble")
"""Tasks that depend on the table and the settings alone."""


@pytest.fixture(scope="module")
def put(place: str, store: Store, tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], str]:
    """Write a table of so many rows to the one place."""

    def write(rows: int) -> str:
        path = tmp_path_factory.mktemp("table") / "changing.csv"
        binary_table(rows).to_csv(path, index=False)
        store.upload_file(path, Location.parse(f"{place}/tables/changing.csv"))
        return f"{place}/tables/changing.csv"

    return write


@pytest.fixture(scope="module")
def first(
    session: str,
    put: Callable[[int], str],
    submit: Callable[..., Ended],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """The folder of a run on a table of 800 rows."""
    out = tmp_path_factory.mktemp("first") / "out"
    ended = submit(f"{session}-cache", "--deploy", "none", "--out", out, source=put(800))
    assert ended.code == 0, ended.output + ended.error
    assert from_the_cache(ended) == set()
    return out


def from_the_cache(ended: Ended) -> set[str]:
    """Return the tasks that were told as taken from the cache."""
    words = [line.split() for line in ended.output.splitlines()]
    return {line[0] for line in words if "cached" in line[1:3]}


def board(out: Path) -> Any:
    return json.loads((out / "leaderboard.json").read_text())["trials"]


def test_a_second_run_is_served_from_the_cache(
    first: Path, session: str, place: str, submit: Callable[..., Ended], tmp_path: Path
) -> None:
    source = f"{place}/tables/changing.csv"
    ended = submit(f"{session}-cache", "--deploy", "none", "--out", tmp_path / "out", source=source)
    assert ended.code == 0, ended.output + ended.error
    assert from_the_cache(ended) == set(CACHED)
    assert board(tmp_path / "out") == board(first)


def test_a_run_may_leave_the_cache_alone(
    first: Path, session: str, place: str, submit: Callable[..., Ended], tmp_path: Path
) -> None:
    options = ("--deploy", "none", "--argument", "run_cached=false", "--out", tmp_path / "out")
    source = f"{place}/tables/changing.csv"
    ended = submit(f"{session}-cache", *options, source=source)
    assert ended.code == 0, ended.output + ended.error
    assert from_the_cache(ended) == set()


def test_a_changed_file_is_not_served_from_the_cache(
    first: Path,
    session: str,
    put: Callable[[int], str],
    submit: Callable[..., Ended],
    tmp_path: Path,
) -> None:
    ended = submit(
        f"{session}-cache", "--deploy", "none", "--out", tmp_path / "out", source=put(900)
    )
    assert ended.code == 0, ended.output + ended.error
    assert from_the_cache(ended) == set()
    started = min(trial["started_at"] for trial in board(tmp_path / "out"))
    assert started > max(trial["started_at"] for trial in board(first))
