"""How well a run keeps its budget: ``python benchmarks/budget.py``.

Tables of several sizes are trained on with several budgets, without and with a service. A budget
is kept where the whole command takes at most a tenth or 5 s longer. The load of the machine is
printed beside it: on one that is busy with other things the clock says little.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from regatta.testing.tables import TARGET, binary_table, multiclass_table, numeric_table

TABLES: dict[str, Callable[[], pd.DataFrame]] = {
    "mixed-500": lambda: binary_table(500),
    "mixed-20k": lambda: multiclass_table(20_000),
    "numeric-10k-by-20": lambda: numeric_table(10_000, 20),
    "numeric-300k-by-20": lambda: numeric_table(300_000, 20),
    "wide-1k-by-2000": lambda: numeric_table(1_000, 2_000),
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Wall-clock of runs against their budgets.")
    parser.add_argument("--budgets", type=float, nargs="+", default=[20, 60])
    parser.add_argument("--tables", nargs="+", choices=list(TABLES), default=list(TABLES))
    parser.add_argument("--deploy", action="store_true", help="start a service, too")
    options = parser.parse_args()
    print(f"{'table':20} {'budget':>7} {'took':>8} {'over':>7}  kept  exit  load")
    for name in options.tables:
        with tempfile.TemporaryDirectory() as folder:
            table = Path(folder) / "table.csv"
            TABLES[name]().to_csv(table, index=False)
            for budget in options.budgets:
                code, took = measure(table, Path(folder), budget, deploy=options.deploy)
                over = took - budget
                kept = "yes" if over <= max(5.0, budget / 10) else "NO"
                print(
                    f"{name:20} {budget:6.0f}s {took:7.1f}s {over:+6.1f}s  {kept:4}  {code:4}"
                    f"  {os.getloadavg()[0]:.1f}",
                    flush=True,
                )


def measure(table: Path, folder: Path, budget: float, *, deploy: bool) -> tuple[int, float]:
    """Run once; return the exit code and the seconds."""
    environment = os.environ | {"REGATTA_HOME": str(folder / "home")}
    command = [sys.executable, "-m", "regatta.cli"]
    wanted = ["--target", TARGET, "--budget", f"{budget:.0f}s", "--overwrite"]
    place = ["--out", str(folder / "run"), *([] if deploy else ["--no-deploy"])]
    began = time.perf_counter()
    ended = subprocess.run(
        [*command, "run", str(table), *wanted, *place],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    took = time.perf_counter() - began
    if ended.returncode:
        print(ended.stderr.strip().splitlines()[-1:], file=sys.stderr)
    if deploy:
        subprocess.run(
            [*command, "stop", "table"], env=environment, capture_output=True, check=False
        )
    return ended.returncode, took


if __name__ == "__main__":
    main()
