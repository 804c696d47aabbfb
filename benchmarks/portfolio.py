"""The order of the portfolio, learnt from many tables: ``python benchmarks/portfolio.py``.

Each recipe of a pool (every learner's defaults, the variations that the portfolio has, and random
draws) is tried on each table by ``regatta run --trials``, which cuts no fit short. Then the recipes
are ranked greedily: the first is the one that is best on average, each further one adds most to
what those before it have reached together. What is reached is the regret of the best recipe so far
on out-of-fold rows: 0 is the best of the pool on that table, 1 the middle one.

A pool that is good on tables of one kind says little about others: name tables of many sizes and
tasks, and none that results are reported on. What the order in `regatta.search.portfolio` was
learnt from is written there.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
from measured_tables import MeasuredTable, find_tables
from scores import markdown

from regatta.evaluation.metrics import get_metric
from regatta.learners import get_learner, learners_for
from regatta.learners.base import Shape
from regatta.search.portfolio import variations
from regatta.search.space import draw

Floats = npt.NDArray[np.float64]
Pool = list[dict[str, Any]]

# What random draws are drawn for.
REFERENCE = Shape("binary", 5_000, 20, 2, n_categories=100)
BUDGET_SECONDS = 3_600


def main() -> None:
    """Try the pool on each table and print the order."""
    parser = argparse.ArgumentParser(description="The order of the portfolio.")
    parser.add_argument("--tables", type=Path, help="folder with a datasets.json")
    parser.add_argument("--only", nargs="+", default=[], help="names of tables")
    parser.add_argument("--draws", type=int, default=3, help="random recipes of each learner")
    parser.add_argument("--keep", type=int, default=16, help="recipes to rank")
    parser.add_argument("--results", type=Path, default=Path("build/portfolio.jsonl"))
    options = parser.parse_args()
    options.results.parent.mkdir(parents=True, exist_ok=True)
    pool = make_pool(options.draws)
    for table in find_tables(options.tables, options.only):
        if table.name not in read(options.results):
            line = {"table": table.name, **race(table, pool)}
            with options.results.open("a") as file:
                file.write(json.dumps(line) + "\n")
            print(f"{table.name}: {sum(x is not None for x in line['losses'])} recipes", flush=True)
    results = read(options.results)
    regrets = np.array([regret(line["losses"]) for line in results.values()])
    seconds = np.array([line["seconds"] for line in results.values()], dtype=float)
    print(f"\n{len(results)} tables: {', '.join(results)}\n")
    print(ranking(pool, regrets, seconds, options.keep))


def make_pool(draws: int) -> Pool:
    """Return the recipes to try, as ``search.recipes`` takes them."""
    rng = np.random.default_rng(0)
    pool: Pool = []
    for key in learners_for("binary"):
        space = get_learner(key).space(REFERENCE)
        changes = [{}, *variations(key), *(draw(space, rng) for _ in range(draws))]
        pool += [{"learner": key, "params": rounded(params)} for params in changes]
    return pool


def rounded(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters with two digits.

    Examples
    --------
    >>> rounded({"rate": 0.034567, "leaves": 123, "extra": True})
    {'rate': 0.035, 'leaves': 123, 'extra': True}
    """
    return {
        name: float(f"{value:.2g}") if isinstance(value, float) else value
        for name, value in params.items()
    }


def race(table: MeasuredTable, pool: Pool) -> dict[str, list[float | None]]:
    """Return the loss and the seconds of each recipe on a table; None where it gave no model."""
    with TemporaryDirectory(prefix="portfolio-") as scratch:
        file, out = Path(scratch, "table.csv"), Path(scratch, "out")
        table.load().to_csv(file, index=False)
        settings = {
            "search.recipes": json.dumps(pool),
            "search.warm_start": "false",
            "ensemble.refit": "false",
            "deploy.registry": str(Path(scratch, "registry")),
        }
        command = [sys.executable, "-m", "regatta.cli", "run", str(file), "--target", table.target]
        command += ["--task", table.task, "--trials", str(len(pool)), "--no-deploy"]
        command += ["--budget", f"{BUDGET_SECONDS}s", "--out", str(out)]
        command += [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        board = json.loads((out / "leaderboard.json").read_text())
    metric = get_metric(board["metric"], table.task)
    losses: list[float | None] = [None] * len(pool)
    seconds: list[float | None] = [None] * len(pool)
    for row in board["trials"]:
        if row["status"] == "ok" and not row["id"].endswith("-retry"):
            losses[row["number"]] = metric.loss(row["score"])
            seconds[row["number"]] = row["seconds"]
    return {"losses": losses, "seconds": seconds}


def read(file: Path) -> dict[str, dict[str, Any]]:
    """Return the results so far by table."""
    lines = file.read_text().splitlines() if file.exists() else []
    return {found["table"]: found for found in map(json.loads, lines)}


def regret(losses: Sequence[float | None]) -> Floats:
    """Return how far each recipe is from the best: 0 is the best, 1 the middle one or worse.

    Examples
    --------
    >>> regret([0.2, None, 0.1, 0.3]).tolist()
    [0.5, 1.0, 0.0, 1.0]
    """
    found = np.array([np.nan if loss is None else loss for loss in losses])
    best, middle = np.nanmin(found), np.nanmedian(np.where(np.isnan(found), np.inf, found))
    span = max(float(middle - best) if np.isfinite(middle) else 0.0, 1e-12)
    scaled = (found - best) / span
    return np.nan_to_num(np.clip(scaled, 0, 1), nan=1.0)


def rank(regrets: Floats, count: int) -> list[tuple[int, float]]:
    """Rank recipes greedily; return each with the mean regret of the best so far.

    Parameters
    ----------
    regrets : ndarray of shape (n_tables, n_recipes), float64
        See `regret`.
    count : int
        How many.

    Examples
    --------
    >>> rank(np.array([[0.0, 1.0, 0.1], [1.0, 0.0, 0.1]]), 2)
    [(2, 0.1), (0, 0.05)]
    """
    reached = np.full(len(regrets), np.inf)
    order: list[tuple[int, float]] = []
    for _ in range(min(count, regrets.shape[1])):
        after = np.minimum(reached[:, None], regrets)
        mean = after.mean(axis=0)
        # Where nothing is gained any more, the recipe that is better by itself comes first.
        mean[[place for place, _ in order]] = np.inf
        chosen = int(np.lexsort((regrets.mean(axis=0), mean))[0])
        reached = after[:, chosen]
        order.append((chosen, round(float(reached.mean()), 4)))
    return order


def ranking(pool: Pool, regrets: Floats, seconds: Floats, count: int) -> str:
    """Return the order as a Markdown table."""
    share = seconds / np.nanmedian(seconds, axis=1, keepdims=True)
    rows = [
        [
            str(place),
            pool[number]["learner"],
            json.dumps(pool[number]["params"]),
            f"{reached:.3f}",
            f"{regrets[:, number].mean():.3f}",
            f"{np.nanmedian(share[:, number]):.2f}",
        ]
        for place, (number, reached) in enumerate(rank(regrets, count), start=1)
    ]
    names = ["", "learner", "changes", "regret so far", "regret alone", "time / median"]
    return markdown(names, rows)


if __name__ == "__main__":
    main()
