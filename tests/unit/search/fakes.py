"""Learners and an encoder for tests of the race: each does one thing, really."""

import ctypes
import os
import signal
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from regatta.artifacts import write_json, writing
from regatta.dataset.schema import Column, Schema
from regatta.errors import TrialSkipped
from regatta.features.encoders.base import Encoder
from regatta.features.rows import RowFeatures
from regatta.learners.base import FitData, Learner, Model, Param, Shape
from regatta.search.budget import Tail
from regatta.search.plan import Plan
from regatta.search.table import TrainingTable
from regatta.search.toolbox import Toolbox
from regatta.settings import RunSettings

ACCIDENTS = (
    *("seconds", "fit_seconds", "encode_seconds", "predict_seconds_per_row"),
    *("peak_memory_bytes", "started_at"),
)
"""What of a record depends on the clock."""


class PlainEncoder(Encoder):
    """All columns as they are."""

    key = "tree"

    def fit_transform(self, frame, y, task, n_outputs, seed, deadline):
        self.names = list(frame.columns)
        return self.transform(frame)

    def transform(self, frame):
        return frame.to_numpy(dtype=np.float32)

    def state(self) -> dict[str, Any]:
        return {"names": self.names}

    @classmethod
    def from_state(cls, state):
        raise NotImplementedError

    def save(self, folder: Path) -> None:
        write_json(folder / "encoder.json", self.state())


class LineModel(Model):
    def __init__(self, weights, n_outputs):
        self.weights, self.n_outputs = weights, n_outputs

    def predict(self, X):
        values = np.column_stack([X, np.ones(len(X))]).astype(np.float64) @ self.weights
        if self.n_outputs == 1:
            return values[:, None]
        positive = 1 / (1 + np.exp(-4 * (values - 0.5)))
        return np.column_stack([1 - positive, positive])

    def save(self, folder):
        np.save(folder / "weights.npy", self.weights)

    @classmethod
    def load(cls, folder):
        raise NotImplementedError


class Line(Learner):
    """Ridge regression on the target."""

    key = "line"
    encoding: ClassVar = "tree"
    model = LineModel

    def defaults(self, shape: Shape) -> dict[str, Any]:
        return {"alpha": 1.0, "noise": 0.0}

    def space(self, shape: Shape):
        return {"alpha": Param("float", 1e-3, 1e3, log=True), "noise": Param("float", 0, 1)}

    def memory_bytes(self, shape, params):
        return 1_000

    def fit_seconds(self, shape, params):
        return 1e-6 * shape.n_rows

    def fit(self, data: FitData, params, *, seed, threads, deadline):
        self.before()
        X = np.column_stack([data.X, np.ones(len(data.X))]).astype(np.float64)
        gram = X.T @ X + params["alpha"] * np.eye(X.shape[1])
        weights = np.linalg.solve(gram, X.T @ data.y)
        noise = np.random.default_rng(seed).normal(size=weights.shape)
        return LineModel(weights + params["noise"] * noise, data.n_outputs)

    def before(self) -> None:
        """What happens before the fit."""


class Slow(Line):
    """Takes a while for each fold."""

    key = "slow"

    def before(self):
        time.sleep(0.3)


class Raises(Line):
    key = "raises"

    def before(self):
        raise ValueError("the matrix is not to my taste\nsecond line")


class Skips(Line):
    key = "skips"

    def before(self):
        raise TrialSkipped("too few rows for me", fix="bring more")


class Huge(Line):
    """Says beforehand that it needs more memory than there is."""

    key = "huge"

    def memory_bytes(self, shape, params):
        return 10**15


class Nan(Line):
    key = "nan"

    def fit(self, data, params, *, seed, threads, deadline):
        return LineModel(np.full(data.X.shape[1] + 1, np.nan), data.n_outputs)


class Hangs(Line):
    """Does not stop, and cannot be interrupted politely."""

    key = "hangs"

    def before(self):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while True:
            time.sleep(0.01)


class Hogs(Line):
    """Takes memory until somebody stops it."""

    key = "hogs"

    def before(self):
        hoard = []
        while True:
            hoard.append(np.ones(2_500_000))
            time.sleep(0.02)


class HogsInChild(Line):
    """Has a child of its own take the memory."""

    key = "hogs_in_child"

    def before(self):
        pid = os.fork()
        if pid == 0:
            Hogs().before()
        os.waitpid(pid, 0)


class CannotAllocate(Line):
    key = "cannot_allocate"

    def before(self):
        np.ones(1 << 50)


class Segfaults(Line):
    key = "segfaults"

    def before(self):
        import faulthandler

        faulthandler.disable()
        ctypes.string_at(0)


class Exits(Line):
    """Leaves the process, as a native library may."""

    key = "exits"

    def before(self):
        os._exit(3)


class OnMany(Line):
    """Gets into trouble with many rows only."""

    def fit(self, data, params, **options):
        if len(data.X) > 600:
            self.suffer()
        return super().fit(data, params, **options)

    def suffer(self) -> None:
        """What many rows do to it."""


class KilledByMany(OnMany):
    key = "killed_by_many"

    def suffer(self):
        os.kill(os.getpid(), signal.SIGKILL)


class HangsOnMany(OnMany):
    key = "hangs_on_many"

    def suffer(self):
        Hangs().before()


class HogsOnMany(OnMany):
    key = "hogs_on_many"

    def suffer(self):
        Hogs().before()


class SlowOnMany(OnMany):
    key = "slow_on_many"

    def suffer(self):
        time.sleep(1.0)


class RaisesIfNoisy(Line):
    key = "raises_if_noisy"

    def fit(self, data, params, **options):
        if params["noise"]:
            raise ValueError("noise")
        return super().fit(data, params, **options)


class NanIfNoisy(Line):
    key = "nan_if_noisy"

    def fit(self, data, params, **options):
        return (Nan() if params["noise"] else Line()).fit(data, params, **options)


class Deaf(Line):
    """Does not heed weights, and says so."""

    key = "deaf"
    weighted = False


class Regression(Line):
    key = "only_regression"
    tasks = frozenset({"regression"})


LEARNERS: dict[str, Learner] = {
    kind.key: kind()
    for kind in (
        Line, Slow, Raises, Skips, Huge, Nan, Hangs, Hogs, HogsInChild, CannotAllocate, Segfaults,
        Exits, Regression, KilledByMany, HangsOnMany, HogsOnMany, SlowOnMany, RaisesIfNoisy,
        NanIfNoisy, Deaf,
    )
}  # fmt: skip

TOOLBOX = Toolbox(
    learner=LEARNERS.__getitem__,
    encoder=lambda key, features: PlainEncoder(features.columns),
    learners_for=lambda task: [k for k, v in LEARNERS.items() if not task or task in v.tasks],
)


def write_features(
    path: Path,
    n_rows: int = 120,
    n_folds: int = 3,
    task: str = "binary",
    seed: int = 0,
    n_repeats: int = 1,
    weighted: bool = False,
) -> Path:
    """Write a features artifact of numeric columns; `n_folds` are those of one repeat."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(rng.normal(size=(n_rows, 4)).astype(np.float32), columns=list("abcd"))
    signal_ = frame["a"] - 0.5 * frame["b"] + rng.normal(0, 0.5, n_rows)
    y = (signal_ > 0).to_numpy(dtype=np.float64) if task == "binary" else signal_.to_numpy(float)
    folds = np.arange(n_rows) % n_folds if n_folds > 1 else (np.arange(n_rows) % 5 > 0)
    others = [number * n_folds + rng.permutation(folds) for number in range(1, n_repeats)]
    columns = tuple(Column(name, "numeric", "float64") for name in frame.columns)
    target = Column("y", "categorical", "string", used=False, reason="target")
    classes = ("no", "yes") if task == "binary" else ()
    schema = Schema(
        task,  # type: ignore[arg-type]
        *("y", classes, (*columns, target), n_rows),
        weight="w" if weighted else "",
    )
    with writing(path, "features", n_folds=n_folds * n_repeats, fingerprint="f" * 64) as folder:
        frame.to_parquet(folder / "frame.parquet")
        np.save(folder / "target.npy", y.astype(np.float64))
        np.save(folder / "folds.npy", np.array([folds, *others], dtype=np.int16))
        if weighted:
            np.save(folder / "weights.npy", rng.choice([1.0, 2.0, 6.0], n_rows))
        write_json(folder / "features.json", RowFeatures.plan(schema).to_dict())
        write_json(folder / "schema.json", asdict(schema))
    return path


def open_features(path: Path, **options: Any) -> TrainingTable:
    """Write and open a features artifact."""
    return TrainingTable.open(write_features(path, **options))


def plan_of(table: TrainingTable, recipes, *, refine="none", lanes=1, **settings: Any) -> Plan:
    """Return a plan with these recipes in its first lane."""
    values = {"budget": {"seconds": 30.0}, **settings}
    run = RunSettings.from_values(values)
    return Plan(
        settings=run,
        metric="roc_auc" if table.task == "binary" else "rmse",
        shape=table.shape,
        n_folds=table.n_folds,
        n_train_rows=table.n_rows,
        learners=tuple(dict.fromkeys(recipe.learner for recipe in recipes)),
        lanes=(tuple(recipes), *[()] * (lanes - 1)),
        refine=refine,
        max_trials=(run.search.max_trials,) * lanes,
        tail=Tail(1.0, 0.0),
    )
