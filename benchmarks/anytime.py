"""Scores against time: ``python benchmarks/anytime.py``.

The same table and split at growing budgets, for each engine; otherwise all is as in quality.py,
whose results it shares: a run that is there is not repeated. An engine that ignores the budget has
one score at all of them. In parentheses: seconds of the fit, the start of the process included.
"""

import argparse
from collections.abc import Sequence
from statistics import fmean
from typing import Any

from engine_runs import ENGINES, Run, add_options, check_engines, read_pythons, results_of
from measured_tables import find_tables
from quality import failures
from scores import MAIN_SCORES, markdown, mean_spread


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Scores of engines against their budgets.")
    add_options(parser)
    parser.add_argument(
        "--engines", nargs="+", choices=list(ENGINES), default=["histgb", "regatta"]
    )
    parser.add_argument("--budgets", type=float, nargs="+", default=[20, 30, 60, 120, 240])
    parser.add_argument("--seeds", type=int, nargs="+", default=[42])
    parser.add_argument(
        "--python", action="append", default=[], help="interpreter of a peer: ENGINE=PATH"
    )
    options = parser.parse_args()
    pythons = read_pythons(options.python)
    check_engines(options.engines, pythons)
    for table in find_tables(options.tables, options.only):
        runs = [
            Run(table.name, engine, budget, seed, options.cores)
            for seed in options.seeds
            for budget in options.budgets
            for engine in options.engines
        ]
        records = results_of(runs, [table], options.results, pythons)
        print(f"{table.name}, {MAIN_SCORES[table.task]}\n")
        print(budget_table(records, options.engines, options.budgets), end="\n\n")
        print(failures(records), end="\n\n", flush=True)


def budget_table(
    records: Sequence[dict[str, Any]], engines: Sequence[str], budgets: Sequence[float]
) -> str:
    """Return scores and seconds of one table, a line a budget.

    Examples
    --------
    >>> run = {"engine": "a", "budget": 20.0, "score": 0.5, "fit_seconds": 18.0}
    >>> print(budget_table([run], ["a"], [20.0]))
    | budget | a |
    | --- | --: |
    | 20 s | 0.5000 (18 s) |
    """
    rows = []
    for budget in budgets:
        row = [f"{budget:g} s"]
        for engine in engines:
            done = [
                each
                for each in records
                if (each["engine"], each["budget"]) == (engine, budget) and "score" in each
            ]
            took = f" ({fmean(each['fit_seconds'] for each in done):.0f} s)" if done else ""
            row.append(mean_spread(each["score"] for each in done) + took)
        rows.append(row)
    return markdown(["budget", *engines], rows)


if __name__ == "__main__":
    main()
