"""What a container may use of its machine: processors and memory, as control groups say."""

import os
from pathlib import Path

__all__ = ["cores", "memory_left"]

CGROUP = Path("/sys/fs/cgroup")
# Limit, use, and the line of the statistics with the file cache that is given up first.
_MEMORY = (
    ("memory.max", "memory.current", "memory.stat", "inactive_file"),
    (
        "memory/memory.limit_in_bytes",
        "memory/memory.usage_in_bytes",
        "memory/memory.stat",
        "total_inactive_file",
    ),
)


def cores() -> int:
    """Return the cores that this process may use: its affinity, cut by a container's quota."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    quota = _quota()
    return max(1, min(allowed or 1, quota or allowed or 1))


def memory_left() -> int | None:
    """Return the memory that a container's limit leaves, in bytes; None without a limit.

    The cache of files that nobody has read lately counts as free, as it does for kubelet: files
    that a notebook has read hours ago are no reason to end a trial.
    """
    left = []
    for limit, used, statistics, line in _MEMORY:
        most, now = _number(CGROUP / limit), _number(CGROUP / used)
        if most is not None and now is not None:
            left.append(max(0, most - max(0, now - _statistic(CGROUP / statistics, line))))
    return min(left, default=None)


def _quota() -> int | None:
    """Return the container's processor quota in whole cores, rounded up; None without one."""
    try:
        share, period = (CGROUP / "cpu.max").read_text().split()
    except (OSError, ValueError):
        quota = _number(CGROUP / "cpu/cpu.cfs_quota_us")
        every = _number(CGROUP / "cpu/cpu.cfs_period_us")
    else:
        quota, every = (int(share) if share.isdigit() else None), int(period)
    return -(-quota // every) if quota and every and quota > 0 else None


def _statistic(file: Path, line: str) -> int:
    """Read one line of a control group's statistics; 0 where it is not there."""
    try:
        lines = file.read_text().splitlines()
    except OSError:
        return 0
    found = [words[1] for words in map(str.split, lines) if len(words) == 2 and words[0] == line]
    return int(found[0]) if found and found[0].isdigit() else 0


def _number(file: Path) -> int | None:
    """Read a file that holds one whole number; None for anything else."""
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return None
