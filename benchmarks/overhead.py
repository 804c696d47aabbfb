"""What a run costs beside its trials: ``python benchmarks/overhead.py``.

A table of 10,000 rows and 20 columns is trained on with a budget of 60 s. Overhead is the time of
the whole command without trials, ensemble fit and evaluation. The part of Kubeflow Pipelines is
measured apart, on a pipeline of the same shape whose tasks are empty; what else lies between the
stages is the start of the command and what each task imports.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from regatta.testing.tables import numeric_table

NOT_OVERHEAD = ("ensemble", "evaluate")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Overhead of a run, by stage.")
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--columns", type=int, default=20)
    parser.add_argument("--budget", type=float, default=60)
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    print(f"import of regatta.cli: {import_seconds() * 1000:.0f} ms")
    print(f"Kubeflow Pipelines alone: {kfp_seconds():.2f} s")
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "table.csv"
        numeric_table(options.rows, options.columns).to_csv(table, index=False)
        out = Path(folder) / "run"
        seconds = run(table, out, options.budget, options.workers)
        show(out, seconds, options.budget)


def import_seconds() -> float:
    """Return the fastest of five imports of the command line, the interpreter's start apart."""
    code = (
        "import time; t = time.perf_counter(); import regatta.cli; print(time.perf_counter() - t)"
    )
    command = [sys.executable, "-c", code]
    return min(float(subprocess.check_output(command)) for _ in range(5))


def kfp_seconds() -> float:
    """Return how long a pipeline of empty tasks takes, kfp's import and compiling included."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [sys.executable, str(Path(__file__).with_name("empty_pipeline.py")), folder],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    return time.perf_counter() - began


def run(table: Path, out: Path, budget: float, workers: int) -> float:
    """Run the command; return its seconds."""
    command = [sys.executable, "-m", "regatta.cli", "run", str(table), "--target", "outcome"]
    command += ["--budget", f"{budget}", "--workers", f"{workers}", "--out", str(out)]
    home = {"REGATTA_HOME": str(out.parent / "home")}
    began = time.perf_counter()
    subprocess.run(command, check=True, env={**os.environ, **home})
    seconds = time.perf_counter() - began
    stop = [sys.executable, "-m", "regatta.cli", "stop", "table"]
    subprocess.run(stop, check=True, env={**os.environ, **home})
    return seconds


def show(out: Path, seconds: float, budget: float) -> None:
    """Print where the time went."""
    record = json.loads((out / "run.json").read_text(encoding="utf-8"))
    trials = json.loads((out / "leaderboard.json").read_text(encoding="utf-8"))["trials"]
    # The refit is a part of the evaluation.
    stages = {name: value for name, value in record["stages"].items() if name != "refit"}
    in_trials = union((t["started_at"], t["started_at"] + t["seconds"]) for t in trials)
    between = seconds - sum(stages.values())
    rows = {
        name: value - in_trials if name == "trial" else value
        for name, value in stages.items()
        if name not in NOT_OVERHEAD
    }
    print(f"\n{'whole command':<24}{seconds:8.2f} s of {budget:g} s")
    print(f"{'inside trials':<24}{in_trials:8.2f} s")
    for name in NOT_OVERHEAD:
        print(f"{name:<24}{stages.get(name, 0):8.2f} s")
    print("\noverhead by stage")
    for name, value in rows.items():
        print(f"  {name if name != 'trial' else 'trial, but the trials':<22}{value:8.2f} s")
    print(f"  {'between the stages':<22}{between:8.2f} s")
    for name, value in gaps(out / "events.jsonl", record["started_at"], seconds):
        print(f"    {name:<20}{value:8.2f} s")
    overhead = between + sum(rows.values())
    print(f"{'overhead':<24}{overhead:8.2f} s, {overhead / budget:.0%} of the budget")


def union(spans: Iterable[tuple[float, float]]) -> float:
    """Return the length of the union of spans of time, in seconds."""
    total, end = 0.0, 0.0
    for begin, finish in sorted(spans):
        total += max(0.0, finish - max(begin, end))
        end = max(end, finish)
    return total


def gaps(path: Path, started_at: float, seconds: float) -> Iterable[tuple[str, float]]:
    """Yield what lies between the stages, named by what comes next."""
    at = started_at
    open_stages = 0
    for line in path.read_text(encoding="utf-8").splitlines():
        event: dict[str, Any] = json.loads(line)
        if event["event"] == "stage_started":
            if not open_stages:
                yield f"before {event['stage']}", event["time"] - at
            open_stages += 1
        elif event["event"] == "stage_done":
            open_stages -= 1
            at = event["time"]
    yield "at the end", started_at + seconds - at


if __name__ == "__main__":
    main()
