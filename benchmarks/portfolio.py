"""The order of the portfolio, learnt from many tables: ``python benchmarks/portfolio.py``.

Each recipe of a pool (every learner's defaults, the variations that the portfolio has, and random
draws) is tried on each table; no fit is cut short. Then the recipes are ranked greedily, by what
they are worth to an ensemble: the first is the best by itself, each further one is the one that
takes most off the loss of an ensemble of it and those before it, for its time. Losses are scaled:
0 is an ensemble of the whole pool on that table, 1 the middle one of the recipes alone.

All is on out-of-fold rows. A pool that is good on tables of one kind says little about others: name
tables of many sizes and tasks, and none that results are reported on. What the order in
`regatta.search.portfolio` was learnt from is written there.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
from measured_tables import MeasuredTable, find_tables
from prepared import prepared
from scores import markdown

from regatta.artifacts import writing
from regatta.artifacts.records import Recipe
from regatta.ensemble.candidates import read_lanes
from regatta.ensemble.greedy import greedy_weights
from regatta.ensemble.select import pooling_for
from regatta.evaluation.metrics import Metric, get_metric
from regatta.learners import get_learner, learners_for
from regatta.learners.base import Shape
from regatta.search.plan import make_plan
from regatta.search.portfolio import variations, varied
from regatta.search.race import race
from regatta.search.space import draw
from regatta.search.table import TrainingTable

Floats = npt.NDArray[np.float64]
Pool = list[tuple[str, dict[str, Any]]]

# What random draws are drawn for.
REFERENCE = Shape("binary", 5_000, 20, 2, n_categories=100)
# Rows that are enough to tell ensembles apart, and steps of their selection.
ROWS, STEPS, MEMBERS = 3_000, 12, 8


def main() -> None:
    """Try the pool on each table and print the order."""
    parser = argparse.ArgumentParser(description="The order of the portfolio.")
    parser.add_argument("--tables", type=Path, help="folder with a datasets.json")
    parser.add_argument("--only", nargs="+", default=[], help="names of tables")
    parser.add_argument("--rows", type=int, default=0, help="most rows of a table; 0: all")
    parser.add_argument("--folds", type=int, default=0, help="folds of a table; 0: by its size")
    parser.add_argument("--draws", type=int, default=3, help="random recipes of each learner")
    parser.add_argument("--keep", type=int, default=16, help="recipes to rank")
    parser.add_argument("--results", type=Path, default=Path("build/portfolio"))
    options = parser.parse_args()
    options.results.mkdir(parents=True, exist_ok=True)
    pool = make_pool(options.draws)
    tried = []
    for table in find_tables(options.tables, options.only):
        file = options.results / f"{table.name}.npz"
        if not file.exists():
            np.savez(file, **try_all(table, pool, options.rows, options.folds))
            print(table.name, flush=True)
        tried.append(Tried.read(file))
    print(f"\n{len(tried)} tables\n")
    print(ranking(pool, tried, options.keep))


def make_pool(draws: int) -> Pool:
    """Return learners with changes of their defaults; a table takes those that it has."""
    rng = np.random.default_rng(0)
    pool: Pool = []
    for key in learners_for("multiclass"):
        learner = get_learner(key)
        if learner.installed():
            drawn = (draw(learner.space(REFERENCE), rng) for _ in range(draws))
            pool += [(key, rounded(each)) for each in ({}, *variations(key), *drawn)]
    return pool


def rounded(params: dict[str, Any]) -> dict[str, Any]:
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


def try_all(table: MeasuredTable, pool: Pool, most_rows: int, folds: int) -> dict[str, Any]:
    """Return what `Tried` reads: of each recipe its predictions of some rows, and its seconds."""
    with TemporaryDirectory(prefix="portfolio-") as scratch:
        folder = Path(scratch)
        features, settings = prepared(table, folder, most_rows=most_rows, folds=folds)
        plan = make_plan(features, settings)
        recipes = recipes_of(pool, plan.shape)
        lanes = (tuple(recipe for recipe in recipes if recipe is not None),)
        plan = replace(plan, lanes=lanes, max_trials=(len(lanes[0]),))
        with writing(folder / "lane", "trials", lane=0) as lane:
            (lane / "encoders").mkdir()
            race(features, plan, 0, lane)
        return outcome(features, plan.objective, folder / "lane", len(pool))


def recipes_of(pool: Pool, shape: Shape) -> list[Recipe | None]:
    """Return the recipes of a table; None for what is no other than one before it."""
    found: list[Recipe | None] = []
    known = set()
    for number, (key, changes) in enumerate(pool):
        learner = get_learner(key)
        params = varied(learner, shape, changes) if shape.task in learner.tasks else None
        name = f"{key} {params}"
        fresh = params is not None and name not in known
        known.add(name)
        found.append(Recipe(key, params or {}, number=number) if fresh else None)
    return found


def outcome(table: TrainingTable, metric: Metric, lane: Path, count: int) -> dict[str, Any]:
    """Return the outcome of a race: see `Tried`."""
    rng = np.random.default_rng(0)
    trials = [trial for trial in read_lanes([lane]).comparable if "retry" not in trial.record.id]
    scored = np.flatnonzero(np.isfinite(trials[0].oof()[:, 0]))
    rows = np.sort(rng.choice(scored, min(ROWS, len(scored)), replace=False))
    pooling = pooling_for(metric)
    width = trials[0].oof().shape[1]
    terms = np.full((count, len(rows), width), np.nan, dtype=np.float32)
    seconds = np.full(count, np.nan)
    for trial in trials:
        terms[trial.record.number] = pooling.terms(trial.oof()[rows])
        seconds[trial.record.number] = trial.record.seconds
    return {
        "terms": terms,
        "seconds": seconds,
        "y": table.y[rows % table.n_rows],
        "metric": np.array(metric.key),
        "task": np.array(table.task),
    }


@dataclass(frozen=True)
class Tried:
    """What the pool did on one table.

    Attributes
    ----------
    terms : ndarray of shape (n_recipes, n_rows, n_outputs), float32
        Out-of-fold predictions, as they are pooled; NaN of what gave no model.
    seconds : ndarray of shape (n_recipes,), float64
        What each took.
    y : ndarray of shape (n_rows,), float64
        Class codes or values.
    metric : Metric
        What is optimised.
    """

    terms: npt.NDArray[np.float32]
    seconds: Floats
    y: Floats
    metric: Metric

    @classmethod
    def read(cls, file: Path) -> "Tried":
        """Read what `try_all` returned."""
        with np.load(file) as found:
            metric = get_metric(str(found["metric"]), str(found["task"]))
            return cls(found["terms"], found["seconds"], found["y"], metric)

    def loss(self, recipes: Sequence[int]) -> float:
        """Return the loss of an ensemble of some recipes; infinity where none gave a model."""
        found = [number for number in recipes if np.isfinite(self.terms[number, 0, 0])]
        if not found:
            return np.inf
        terms = self.terms[found]
        weights = greedy_weights(terms, self._pooled, iterations=STEPS, max_members=MEMBERS)
        return self._pooled(np.tensordot(weights, terms.astype(np.float64), 1))

    def _pooled(self, blend: npt.NDArray[np.floating]) -> float:
        predicted = pooling_for(self.metric).pool(blend).astype(np.float64)
        return self.metric.loss(self.metric.score(self.y, predicted))


def rank(tried: Sequence[Tried], count: int) -> list[tuple[int, float]]:
    """Rank recipes greedily; return each with the mean scaled loss of the ensemble so far."""
    n_recipes = len(tried[0].seconds)
    alone = [np.array([each.loss([number]) for number in range(n_recipes)]) for each in tried]
    middle = [float(np.median(losses[np.isfinite(losses)])) for losses in alone]
    best = [
        each.loss(np.argsort(losses)[:25].tolist())
        for each, losses in zip(tried, alone, strict=True)
    ]
    # Time counts by the middle recipe of a table, and half of it for whatever is begun.
    price = 0.5 + shares_of_time(tried)

    def reached(recipes: Sequence[int]) -> float:
        scaled = [
            min((each.loss(recipes) - low) / max(high - low, 1e-12), 2.0)
            for each, low, high in zip(tried, best, middle, strict=True)
        ]
        return float(np.mean(scaled))

    order: list[tuple[int, float]] = []
    now = 2.0
    ran = np.flatnonzero(np.isfinite(price)).tolist()
    while len(order) < min(count, len(ran)):
        chosen = [number for number, _ in order]
        after = {n: reached([*chosen, n]) for n in ran if n not in chosen}
        found = max(after, key=lambda number: (now - after[number]) / price[number])
        now = after[found]
        order.append((found, now))
    return order


def shares_of_time(tried: Sequence[Tried]) -> Floats:
    """Return what each recipe takes beside the middle one of a table; infinity of what never ran.

    Returns
    -------
    ndarray of shape (n_recipes,), float64
        The median over tables.
    """
    shares = np.array([each.seconds / np.nanmedian(each.seconds) for each in tried])
    ran = np.isfinite(shares).any(axis=0)
    found = np.full(len(ran), np.inf)
    found[ran] = np.nanmedian(shares[:, ran], axis=0)
    return found


def ranking(pool: Pool, tried: Sequence[Tried], count: int) -> str:
    """Return the order as a Markdown table."""
    share = shares_of_time(tried)
    rows = [
        [
            str(place),
            pool[number][0],
            json.dumps(pool[number][1]),
            f"{reached:.3f}",
            f"{share[number]:.2f}",
        ]
        for place, (number, reached) in enumerate(rank(tried, count), start=1)
    ]
    return markdown(["", "learner", "changes", "ensemble so far", "time / median"], rows)


if __name__ == "__main__":
    main()
