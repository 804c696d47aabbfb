"""Engines at equal wall-clock on the same tables: ``python benchmarks/quality.py``.

Each table is split 80/20 by each seed. An engine fits on the training part within the budget, and
predicts the test part in a second process. Peers need an interpreter that has them::

    python benchmarks/quality.py --tables FOLDER --budget 60 \
        --engines histgb regatta autogluon-medium flaml \
        --python autogluon=/path/to/python --python flaml=/path/to/python

A run that is in the results is not repeated, a failed one neither: name another file to measure
another version, or delete the lines. The scores of one engine mean little: what counts is how
engines compare that were measured on the same machine and splits.
"""

import argparse
import os
from collections.abc import Sequence
from statistics import fmean, median
from typing import Any

from engine_runs import ENGINES, Run, add_options, check_engines, read_pythons, results_of
from measured_tables import find_tables
from scores import MAIN_SCORES, first_places, loss, markdown, mean_spread, normalised

BASELINE = "histgb"
Records = list[dict[str, Any]]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Engines at equal wall-clock on tables.")
    add_options(parser)
    parser.add_argument(
        "--engines", nargs="+", choices=list(ENGINES), default=["histgb", "regatta"]
    )
    parser.add_argument("--budget", type=float, default=60)
    parser.add_argument("--seeds", type=int, nargs="+", default=[42, 43, 44])
    parser.add_argument(
        "--python", action="append", default=[], help="interpreter of a peer: ENGINE=PATH"
    )
    options = parser.parse_args()
    pythons = read_pythons(options.python)
    check_engines(options.engines, pythons)
    tables = find_tables(options.tables, options.only)
    # Engines take turns on a split, so that a busy hour of the machine falls on all of them.
    runs = [
        Run(table.name, engine, options.budget, seed, options.cores)
        for table in tables
        for seed in options.seeds
        for engine in options.engines
    ]
    records = results_of(runs, tables, options.results, pythons)
    seeds = " ".join(map(str, options.seeds))
    print(f"{options.budget:g} s, {options.cores} cores of {os.cpu_count()}, seeds {seeds}\n")
    print(score_table(records, options.engines), end="\n\n")
    print(normalised_table(records, options.engines), end="\n\n")
    print(time_table(records, options.engines, options.budget), end="\n\n")
    print(failures(records))


def score_table(records: Records, engines: Sequence[str]) -> str:
    """Return the main scores by table and engine."""
    rows = []
    for table in _names(records):
        task = next(each["task"] for each in records if each["table"] == table)
        row = [table, MAIN_SCORES[task]]
        for engine in engines:
            tried = _of(records, table, engine)
            values = [each["score"] for each in tried if "score" in each]
            failed = len(tried) - len(values)
            row.append(mean_spread(values) + (f" ({failed} failed)" if failed else ""))
        rows.append(row)
    return markdown(["table", "score", *engines], rows)


def normalised_table(records: Records, engines: Sequence[str]) -> str:
    """Return the normalised scores, their means and the first places."""
    if BASELINE not in engines:
        return f"Not normalised: {BASELINE}, which is 0, is not among the engines."
    rows, scales = [], []
    firsts, behind = dict.fromkeys(engines, 0), dict.fromkeys(engines, 0)
    for table in _names(records):
        losses = table_losses(_of(records, table))
        failed = {each["engine"] for each in _of(records, table) if "failed" in each}
        for engine, value in losses.items():
            firsts[engine] += engine in first_places(losses) - failed
            behind[engine] += engine in failed or value > losses[BASELINE]
        scale = normalised(losses, BASELINE) if losses else {}
        rows.append([table, *(f"{scale[each]:.2f}" if scale else "–" for each in engines)])
        scales += [scale] if scale else []
    means = {each: fmean(scale[each] for scale in scales) for each in engines if scales}
    rows.append(
        [f"mean of {len(scales)}", *(f"{means[each]:.3f}" if means else "–" for each in engines)]
    )
    rows.append(["first on", *(f"{firsts[engine]}" for engine in engines)])
    rows.append([f"behind {BASELINE} on", *(f"{behind[engine]}" for engine in engines)])
    told = (
        f"Normalised: {BASELINE} = 0, the best engine of a table = 1; a failed run counts as"
        f" {BASELINE} does on that split. A table where nothing beats {BASELINE} has no scale (–),"
        " and is not in the mean. With a failed run an engine is first nowhere, and behind."
    )
    return f"{markdown(['table', *engines], rows)}\n\n{told}"


def table_losses(records: Records) -> dict[str, float]:
    """Return the mean loss of each engine on one table, failures replaced by the baseline.

    Empty where the baseline itself failed.

    Examples
    --------
    >>> split = {"task": "regression", "seed": 1}
    >>> default = split | {"engine": "histgb", "score": 3.0}
    >>> table_losses([default, split | {"engine": "a", "failed": "killed"}])
    {'histgb': 3.0, 'a': 3.0}
    """
    zero = {each["seed"]: each for each in records if each["engine"] == BASELINE}
    if any("score" not in each for each in zero.values()):
        return {}
    losses: dict[str, list[float]] = {}
    for each in records:
        counted = each if "score" in each else zero[each["seed"]]
        losses.setdefault(each["engine"], []).append(loss(each["task"], counted["score"]))
    return {engine: fmean(values) for engine, values in losses.items()}


def time_table(records: Records, engines: Sequence[str], budget: float) -> str:
    """Return what fitting and predicting took, the start of the process included."""
    rows = []
    for engine in engines:
        tried = [each for each in records if each["engine"] == engine]
        fits = [each["fit_seconds"] for each in tried if "fit_seconds" in each]
        predicts = [each["predict_seconds"] for each in tried if "predict_seconds" in each]
        times = ["–"] * 4
        if fits:
            longest = max(fits)
            times = [f"{median(fits):.1f}", f"{longest:.1f}", f"{longest / budget:.2f}"]
            times.append(f"{median(predicts):.1f}")
        version = next((each["version"] for each in tried if each.get("version")), "")
        load = f"{fmean(each['load'] for each in tried):.1f}"
        rows.append([engine, version, *times, load, f"{len(tried) - len(fits)} of {len(tried)}"])
    header = ["engine", "version", "fit s, median", "longest", "longest / budget"]
    return markdown([*header, "predict s, median", "load before", "failures"], rows)


def failures(records: Records) -> str:
    """Return the reasons of all failures."""
    lines = [
        f"- {each['engine']} on {each['table']}, seed {each['seed']}: {each['failed']}"
        for each in records
        if "failed" in each
    ]
    return "\n".join(["Failures:", *lines]) if lines else "No failures."


def _names(records: Records) -> list[str]:
    """Return the tables in their order."""
    return list(dict.fromkeys(each["table"] for each in records))


def _of(records: Records, table: str, engine: str = "") -> Records:
    """Return the records of a table, or those of one engine on it."""
    return [each for each in records if each["table"] == table and engine in ("", each["engine"])]


if __name__ == "__main__":
    main()
