"""What each part of a run adds: ``python benchmarks/ablation.py``.

Each table is trained on as it is, and with one part switched off; folder, split and seeds are as
in quality.py. A difference is the loss without the part minus the loss of the whole run on the
same split, so that more than 0 says that the part helps. Loss is 1 − AUC, log-loss or RMSE.

What is switched off:

- ``portfolio``: recipes are refined from the start (``search.strategy=bayes``);
- ``refinement``: random draws after the portfolio (``search.refine=random``);
- ``both``: random draws from the start (``search.strategy=random``);
- ``order``: many recipes on few rows, the best of them on more (``search.strategy=halving``);
- ``stopping``: no trial is given up on its first folds (``search.median_stopping=false``);
- ``ensemble``: the best trial alone (``ensemble.max_members=1``);
- ``stacking``: weights are those of the greedy selection (``ensemble.stacking=false``);
- ``refit``: nothing learns from the locked rows (``ensemble.refit=false``);
- ``folds``: one holdout instead of folds (``split.folds=1``).
"""

import argparse
from collections.abc import Sequence
from functools import partial
from statistics import fmean
from typing import Any

from engine_runs import Run, add_options, results_of
from measured_tables import MeasuredTable, find_tables
from quality import failures
from scores import loss, markdown, mean_spread

PARTS: dict[str, tuple[str, ...]] = {
    "portfolio": ("search.strategy=bayes",),
    "refinement": ("search.refine=random",),
    "both": ("search.strategy=random",),
    "order": ("search.strategy=halving",),
    "stopping": ("search.median_stopping=false",),
    "ensemble": ("ensemble.max_members=1",),
    "stacking": ("ensemble.stacking=false",),
    "refit": ("ensemble.refit=false",),
    "folds": ("split.folds=1",),
}
Records = Sequence[dict[str, Any]]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Runs with one part switched off.")
    add_options(parser)
    parser.add_argument("--parts", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--budget", type=float, default=60)
    parser.add_argument("--seeds", type=int, nargs="+", default=[42, 43, 44])
    options = parser.parse_args()
    tables = find_tables(options.tables, options.only)
    measured = [(table, measure_parts(table, options)) for table in tables]
    seeds = " ".join(map(str, options.seeds))
    print(f"{options.budget:g} s, {options.cores} cores, seeds {seeds}\n")
    print(difference_table(measured, options.parts), end="\n\n")
    print(failures([each for _, parts in measured for found in parts.values() for each in found]))


def measure_parts(table: MeasuredTable, options: argparse.Namespace) -> dict[str, Records]:
    """Return the records of a table by the part that was switched off; ``""`` is the whole run."""
    settings = {"": (), **{part: PARTS[part] for part in options.parts}}
    make = partial(Run, table.name, "regatta", options.budget, cores=options.cores)
    # A seed's runs are beside each other in time, too.
    runs = [make(seed=seed, settings=each) for seed in options.seeds for each in settings.values()]
    records = results_of(runs, [table], options.results, {})
    return {
        part: [each for each in records if tuple(each["settings"]) == values]
        for part, values in settings.items()
    }


def difference_table(
    measured: Sequence[tuple[MeasuredTable, dict[str, Records]]], parts: Sequence[str]
) -> str:
    """Return the differences by table and part, and their shares of the loss."""
    rows = []
    shares: dict[str, list[float]] = {part: [] for part in parts}
    for table, records in measured:
        whole = [loss(table.task, each["score"]) for each in records[""] if "score" in each]
        row = [table.name, mean_spread(whole)]
        for part in parts:
            changes = differences(records[""], records[part])
            row.append(mean_spread(changes, sign="+"))
            if changes and fmean(whole) > 0:
                shares[part].append(fmean(changes) / fmean(whole))
        rows.append(row)
    means = [mean_spread(shares[part], ".1%", sign="+") for part in parts]
    helped = [
        f"{sum(value > 0 for value in shares[part])} of {len(shares[part])}" for part in parts
    ]
    rows += [["share of the loss, mean over tables", "", *means], ["helps on", "", *helped]]
    header = ["table", "loss of the whole run", *(f"without {part}" for part in parts)]
    return markdown(header, rows)


def differences(whole: Records, without: Records) -> list[float]:
    """Return the losses without a part minus those of the whole run, seed by seed.

    Examples
    --------
    >>> run = {"task": "binary", "seed": 1, "score": 0.75}
    >>> differences([run], [run | {"score": 0.5}, run | {"seed": 2}])
    [0.25]
    """
    losses = {each["seed"]: loss(each["task"], each["score"]) for each in whole if "score" in each}
    return [
        loss(each["task"], each["score"]) - losses[each["seed"]]
        for each in without
        if "score" in each and each["seed"] in losses
    ]


if __name__ == "__main__":
    main()
