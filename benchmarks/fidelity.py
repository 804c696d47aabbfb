"""What a cheap look at a recipe says of its loss: ``python benchmarks/fidelity.py``.

Recipes drawn from the spaces of LightGBM and XGBoost are fitted on three folds. Their order by mean
loss is compared with their order by what is known sooner: the first fold; a fit of a quarter of its
rows; the loss on the first fold after a few rounds (boosting has done some *work*: the sum of the
learning rates of its rounds, of which most tables need 20). For each look it prints the rank
correlation, and how many of the best quarter are lost by a rule that gives up what looks worse than
half of the others.
"""

import argparse
import math
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import numpy as np
import numpy.typing as npt
from measured_tables import MeasuredTable, find_tables
from prepared import prepared
from scipy.stats import spearmanr
from scores import markdown

from regatta.learners import get_learner
from regatta.learners.base import FitData, Learner, Shape
from regatta.learners.stopping import Stopping
from regatta.search.cache import EncodedFolds
from regatta.search.space import draw
from regatta.search.toolbox import Toolbox

Floats = npt.NDArray[np.float64]
Curve = list[tuple[float, float]]

LEARNERS = "lightgbm", "xgboost"
FOLDS = 3
WORKS = 2.0, 4.0, 8.0
LOOKS = "first fold", "a quarter of its rows", *(f"work of {work:g}" for work in WORKS)
HOUR = 3_600.0


def main() -> None:
    """Print a line for each table and learner."""
    parser = argparse.ArgumentParser(description="What a cheap look at a recipe says.")
    parser.add_argument("--tables", type=Path, help="folder with a datasets.json")
    parser.add_argument("--only", nargs="+", default=[], help="names of tables")
    parser.add_argument("--rows", type=int, default=12_000, help="most rows of a table; 0: all")
    parser.add_argument("--draws", type=int, default=24, help="recipes of each learner")
    options = parser.parse_args()
    print(f"Rank correlation with the mean loss of {FOLDS} folds, and how many of the best quarter")
    print("are not in the better half.\n")
    print(markdown(["table", "learner", *LOOKS], []), flush=True)
    for table in find_tables(options.tables, options.only):
        for key in LEARNERS:
            found = looks(table, get_learner(key), options)
            print(f"| {' | '.join([table.name, key, *found])} |", flush=True)


def looks(table: MeasuredTable, learner: Learner, options: argparse.Namespace) -> list[str]:
    """Return what each look says of the recipes of a learner on a table."""
    with TemporaryDirectory(prefix="fidelity-") as scratch:
        folder = Path(scratch)
        rows, _ = prepared(table, folder, most_rows=options.rows, folds=FOLDS)
        cache = EncodedFolds(rows, folder / "encoded", folder / "encoders", 0, Toolbox())
        deadline = time.time() + HOUR
        folds = [cache.fold(learner.encoding, n, 0, deadline).data for n in range(FOLDS)]
        part = cache.fold(learner.encoding, 0, len(rows.train(0)) // 4, deadline).data
        found = np.array(
            [
                seen(learner, params, folds, part)
                for params in drawn(learner, folds[0], options.draws)
            ]
        )
    return [verdict(found[:, 0], look) for look in found[:, 1:].T]


def drawn(learner: Learner, data: FitData, count: int) -> list[dict[str, Any]]:
    """Return the defaults of a learner, and draws from its space."""
    shape = Shape(data.task, *np.shape(data.X), data.n_outputs)
    rng = np.random.default_rng(0)
    changes = [{}, *(draw(learner.space(shape), rng) for _ in range(count - 1))]
    return [{**learner.defaults(shape), **change} for change in changes]


def seen(
    learner: Learner, params: dict[str, Any], folds: list[FitData], part: FitData
) -> list[float]:
    """Return the mean loss of all folds, and what was known of it sooner."""
    curves = [losses(learner, params, data) for data in folds]
    least = [min(loss for _, loss in curve) for curve in curves]
    sampled = min(loss for _, loss in losses(learner, params, part))
    early = [next((loss for done, loss in curves[0] if done >= work), least[0]) for work in WORKS]
    return [float(np.mean(least)), least[0], sampled, *early]


def losses(learner: Learner, params: dict[str, Any], data: FitData) -> Curve:
    """Fit one fold; return the work that was done after each round, and the loss that it had."""
    curve: Curve = []
    ends: Callable[[Stopping, int, float], bool] = Stopping.ends

    def noted(stopping: Stopping, number: int, loss: float) -> bool:
        curve.append(((number + 1) * stopping.pace, loss))
        return ends(stopping, number, loss)

    with patch.object(Stopping, "ends", noted):
        learner.fit(data, params, seed=0, threads=1, deadline=time.time() + HOUR)
    return curve


def verdict(loss: Floats, look: Floats) -> str:
    """Return how well a look ranks recipes, and how many of the best ones it takes for bad."""
    best = np.argsort(loss)[: math.ceil(len(loss) / 4)]
    lost = int(np.count_nonzero(look[best] > np.median(look)))
    return f"{spearmanr(loss, look).statistic:.2f}, {lost} of {len(best)}"


if __name__ == "__main__":
    main()
