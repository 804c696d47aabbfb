"""Peak memory of a run on a large table: ``python benchmarks/memory.py``.

A table of 1,000,000 rows and 20 numeric columns is trained on with two workers. What counts is the
memory of all processes of the run together, shared pages once: the sum of their proportional set
sizes, looked at every quarter of a second.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from regatta.testing.tables import numeric_table

GIB = 2**30


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Peak memory of a run.")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--columns", type=int, default=20)
    parser.add_argument("--budget", default="3m")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "table.csv"
        numeric_table(options.rows, options.columns).to_csv(table, index=False)
        print(f"{table.stat().st_size / GIB:.2f} GiB of CSV")
        command = [sys.executable, "-m", "regatta.cli", "run", str(table), "--target", "outcome"]
        command += ["--budget", options.budget, "--workers", str(options.workers), "--no-deploy"]
        command += ["--out", str(Path(folder) / "run")]
        environment = {**os.environ, "REGATTA_HOME": str(Path(folder) / "home")}
        began = time.perf_counter()
        process = subprocess.Popen(command, env=environment)
        peak, when = watch(process)
        print(f"\npeak memory {peak / GIB:.2f} GiB, {when - began:.0f} s after the start")
    sys.exit(process.returncode)


def watch(process: "subprocess.Popen[bytes]") -> tuple[int, float]:
    """Return the highest memory of the process and its descendants in bytes, and when it was."""
    peak, when = 0, 0.0
    while process.poll() is None:
        total = used(psutil.Process(process.pid))
        if total > peak:
            peak, when = total, time.perf_counter()
        time.sleep(0.25)
    return peak, when


def used(root: psutil.Process) -> int:
    """Return the proportional set size of a tree of processes, in bytes."""
    total = 0
    try:
        family = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    for process in family:
        try:
            total += process.memory_full_info().pss
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return total


if __name__ == "__main__":
    main()
