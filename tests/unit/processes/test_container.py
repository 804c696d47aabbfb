"""What a container may use, read from control groups of both versions."""

from pathlib import Path

import pytest

from regatta.learners.threads import available_cores
from regatta.processes import container
from regatta.search import machine


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(container, "CGROUP", tmp_path)
    return tmp_path


def test_a_machine_without_limits(groups: Path) -> None:
    assert container.cores() >= 1
    assert container.memory_left() is None
    assert machine.free_memory() > 100_000_000


def test_a_container_with_limits(groups: Path) -> None:
    (groups / "cpu.max").write_text("50000 100000\n")
    (groups / "memory.max").write_text("1000\n")
    (groups / "memory.current").write_text("400\n")
    assert container.cores() == 1
    assert machine.free_memory() == container.memory_left() == 600
    (groups / "cpu.max").write_text("max 100000\n")
    (groups / "memory.max").write_text("max\n")
    assert container.cores() >= 1
    assert machine.free_memory() > 600


def test_the_cache_of_files_is_free(groups: Path) -> None:
    (groups / "memory.max").write_text("1000\n")
    (groups / "memory.current").write_text("900\n")
    (groups / "memory.stat").write_text("anon 200\nfile 700\ninactive_file 650\nactive_file 50\n")
    assert container.memory_left() == 750


def test_the_first_version_of_control_groups(groups: Path) -> None:
    (groups / "cpu").mkdir()
    (groups / "memory").mkdir()
    (groups / "cpu/cpu.cfs_quota_us").write_text("-1\n")
    (groups / "cpu/cpu.cfs_period_us").write_text("100000\n")
    (groups / "memory/memory.limit_in_bytes").write_text("1000\n")
    (groups / "memory/memory.usage_in_bytes").write_text("900\n")
    (groups / "memory/memory.stat").write_text("cache 300\ntotal_inactive_file 100\n")
    assert container.cores() >= 1
    assert container.memory_left() == 200


def test_models_use_no_more_threads_than_are_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("regatta.learners.threads.cores", lambda: 8)
    for wanted, threads in (("3", 3), ("16", 8), ("0", 1), ("4,2", 8), ("", 8)):
        monkeypatch.setenv("OMP_NUM_THREADS", wanted)
        assert available_cores() == threads
