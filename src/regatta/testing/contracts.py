"""What every learner and every encoder promises, as checks that any of them can be put to.

Run them on one of your own:

>>> from regatta.learners.linear import LinearLearner
>>> check_learner(LinearLearner())
"""

import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from regatta.dataset.schema import Column, Kind, Schema
from regatta.errors import ArtifactError, TrialSkipped
from regatta.features import RowFeatures, encoders
from regatta.features.encoders import Encoder
from regatta.learners.base import FitData, Learner, Matrix, Model, Shape
from regatta.settings import Task
from regatta.testing.tables import TARGET, binary_table, multiclass_table, regression_table

__all__ = ["TASKS", "check_encoder", "check_learner", "fit_data", "toy_features", "toy_schema"]

TASKS: tuple[Task, ...] = ("binary", "multiclass", "regression")
SMALL = {"n_rounds": 30, "n_trees": 12, "epochs": 25}
"""Enough for a check of how a learner behaves; not of how good it is."""

_TABLES: dict[str, Callable[..., pd.DataFrame]] = {
    "binary": binary_table,
    "multiclass": multiclass_table,
    "regression": regression_table,
}
_KINDS: dict[str, Kind] = {
    "age": "numeric",
    "income": "numeric",
    "clicks": "numeric",
    "member": "boolean",
    "city": "categorical",
    "plan": "categorical",
    "key": "categorical",
    "review": "text",
    "joined": "datetime",
}


def toy_schema(table: pd.DataFrame, task: Task) -> Schema:
    """Return the schema of a toy table, as validation would find it.

    Parameters
    ----------
    table : DataFrame
        One of `regatta.testing.tables`.
    task : {"binary", "multiclass", "regression"}
        Its task.
    """
    columns = []
    for name, kind in _KINDS.items():
        low = high = None
        if kind == "numeric":
            low, high = float(table[name].min()), float(table[name].max())
        elif kind == "datetime":
            seconds = table[name].dropna().astype("int64") / 1e6
            low, high = float(seconds.min()), float(seconds.max())
        columns.append(Column(name, kind, "", minimum=low, maximum=high))
    classes = () if task == "regression" else tuple(sorted(table[TARGET].unique()))
    columns.append(Column(TARGET, "categorical", "string", used=False, reason="target"))
    return Schema(task, TARGET, classes, tuple(columns), len(table))


@lru_cache(maxsize=8)
def toy_features(
    task: Task, n_rows: int = 300
) -> tuple[RowFeatures, pd.DataFrame, npt.NDArray[np.float64], Schema]:
    """Return the features and targets of a toy table.

    Parameters
    ----------
    task : {"binary", "multiclass", "regression"}
        Which table.
    n_rows : int, default 300
        Its rows.

    Returns
    -------
    RowFeatures, DataFrame, ndarray of shape (n_rows,), Schema
        What is computed, the features, the targets, the schema.
    """
    table = _TABLES[task](n_rows)
    schema = toy_schema(table, task)
    rows = RowFeatures.plan(schema)
    return rows, rows.transform(table), schema.encode_target(table[TARGET]), schema


@lru_cache(maxsize=16)
def fit_data(task: Task, encoding: str) -> FitData:
    """Return a toy table as a learner gets it: 210 rows to fit, 90 to validate."""
    rows, frame, y, schema = toy_features(task)
    train, valid = np.flatnonzero(np.arange(300) % 10 < 7), np.flatnonzero(np.arange(300) % 10 > 6)
    encoder = encoders.create(encoding, rows)
    X = encoder.fit_transform(
        frame.iloc[train], y[train], task, schema.n_outputs, 0, time.time() + 60
    )
    X_valid = encoder.transform(frame.iloc[valid])
    return FitData(task, schema.n_outputs, X, y[train], X_valid, y[valid], encoder.categorical)


def check_learner(learner: Learner) -> None:
    """Check that a learner keeps its promises.

    Parameters
    ----------
    learner : Learner
        The learner.

    Raises
    ------
    AssertionError
        It does not keep one; the message says which.
    """
    for task in sorted(learner.tasks):
        data = fit_data(task, learner.encoding)
        _check_space(learner, _shape(data))
        model = _fit(learner, data)
        predicted = _check_predictions(model, data)
        _check_stored(learner, model, data.X_valid, predicted)
        again = _fit(learner, data).predict(data.X_valid)
        _require(
            np.allclose(again, predicted, rtol=1e-6, atol=1e-8), learner, "same seed, same model"
        )
        _require(_skips(learner, replace(data, y=np.ones(len(data.y)))), learner, "constant target")
        _check_whole(learner, model, data)
        _check_late(learner, data)
        if task == "multiclass":
            _check_absent_class(learner, data)


def check_encoder(key: str) -> None:
    """Check that an encoder keeps its promises.

    Parameters
    ----------
    key : str
        Key of the encoder.

    Raises
    ------
    AssertionError
        It does not keep one; the message says which.
    """
    for task in TASKS:
        rows, frame, y, schema = toy_features(task)
        encoder = encoders.create(key, rows)
        before = frame.copy()
        X = encoder.fit_transform(frame, y, task, schema.n_outputs, 0, time.time() + 60)
        _require(frame.equals(before) or task != "binary", encoder, "the frame is not changed")
        _check_matrix(encoder, X, len(frame))
        every = _dense(encoder.transform(frame))
        _check_matrix(encoder, every, len(frame))
        with tempfile.TemporaryDirectory() as folder:
            encoder.save(Path(folder))
            stored = encoders.load(folder)
            _refuses_damage(encoders.load, Path(folder), encoder)
        _require(stored.names == encoder.names, encoder, "names are stored")
        _require(stored.categorical == encoder.categorical, encoder, "categorical is stored")
        for place in (0, len(frame) // 2):
            row = _dense(stored.transform(frame.iloc[place : place + 1]))
            same = np.allclose(row, every[place], rtol=0, atol=1e-5, equal_nan=True)
            _require(same, encoder, "a row alone is encoded as among others")
        strange = rows.transform(_strange_rows())
        _check_matrix(encoder, stored.transform(strange), len(strange))
        _check_matrix(encoder, stored.transform(frame.iloc[:0]), 0)
    _check_out_of_fold(key)


def _check_space(learner: Learner, shape: Shape) -> None:
    """Check defaults, space and estimates."""
    defaults, space = learner.defaults(shape), learner.space(shape)
    _require(set(space) <= set(defaults), learner, "every name of the space has a default")
    for name, param in space.items():
        value = defaults[name]
        if param.kind == "choice":
            _require(value in param.choices, learner, f"the default of {name} is a choice")
        else:
            fits = param.low < param.high and param.low <= value <= param.high
            _require(fits, learner, f"{name}: {param.low} <= {value} <= {param.high}")
            _require(not param.log or param.low > 0, learner, f"{name} has a logarithm")
    few = learner.memory_bytes(shape, defaults)
    large = replace(shape, n_rows=shape.n_rows * 100, n_columns=shape.n_columns * 10)
    _require(0 < few <= learner.memory_bytes(large, defaults), learner, "memory grows with size")
    short = learner.fit_seconds(shape, defaults)
    _require(0 < short < learner.fit_seconds(large, defaults), learner, "time grows with size")


def _check_predictions(model: Model, data: FitData) -> npt.NDArray[np.float64]:
    """Check shape, type and range of predictions, and that they say something."""
    predicted = model.predict(data.X_valid)
    shape = (len(data.y_valid), data.n_outputs)
    _require(predicted.shape == shape, model, f"shape {shape}, not {predicted.shape}")
    _require(predicted.dtype == np.float64, model, "float64")
    _require(np.isfinite(predicted).all(), model, "finite predictions")
    y = data.y_valid
    if data.task == "regression":
        error = np.mean((predicted[:, 0] - y) ** 2)
        _require(error < 0.9 * y.var(), model, "better than the mean")
    else:
        _require(np.allclose(predicted.sum(axis=1), 1, atol=1e-9), model, "rows add up to 1")
        _require((predicted >= 0).all(), model, "no negative probability")
        right = np.mean(predicted.argmax(axis=1) == y)
        most = np.bincount(y.astype(np.intp)).max() / len(y)
        _require(right > most, model, "better than the most frequent class")
    return predicted


def _check_stored(
    learner: Learner, model: Model, X: Matrix, predicted: npt.NDArray[np.float64]
) -> None:
    """Check that a stored model predicts the same, and that damage is noticed."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model.save(folder)
        _require(not list(folder.rglob("*.pkl")), learner, "no pickle")
        stored = learner.model.load(folder)
        _refuses_damage(learner.model.load, folder, learner)
    scale = max(1.0, float(np.abs(predicted).max()))
    off = float(np.abs(stored.predict(X) - predicted).max())
    _require(off <= 1e-12 * scale, learner, f"stored and loaded, it predicts the same (off {off})")
    row = stored.predict(X[3:4])
    off = float(np.abs(row - predicted[3:4]).max())
    _require(off <= 1e-6 * scale, learner, f"a row alone is predicted as among others (off {off})")


def _refuses_damage(load: Callable[[Path], Any], folder: Path, what: Any) -> None:
    """Check that missing and cut files are an `ArtifactError`."""
    for file in sorted(folder.iterdir()):
        content = file.read_bytes()
        for damaged in (None, b"", content[: len(content) // 2], content[::-1]):
            file.unlink()
            if damaged is not None:
                file.write_bytes(damaged)
            try:
                load(folder)
            except ArtifactError:
                pass
            else:
                _require(False, what, f"a damaged {file.name} is refused")
            file.write_bytes(content)


def _check_whole(learner: Learner, model: Model, data: FitData) -> None:
    """Check that with what a fit has found out, another needs no rows to validate."""
    if model.learnt is None:
        return
    names = all(isinstance(value, float) for value in model.learnt.values())
    _require(names, learner, "what it has learnt are numbers")
    # It is checked on rows that it learns from.
    known = replace(data, X_valid=data.X[:50], y_valid=data.y[:50])
    whole = _fit(learner, known, dict(model.learnt))
    _require(not whole.truncated, learner, "a fit of all rows ends by itself")
    _check_predictions(whole, data)


def _check_late(learner: Learner, data: FitData) -> None:
    """Check that a fit whose time is up ends at once, with a model or a reason."""
    shape = _shape(data)
    began = time.time()
    try:
        model = learner.fit(data, learner.defaults(shape), seed=0, threads=1, deadline=began - 1)
    except TrialSkipped:
        return
    _require(time.time() - began < 5, learner, "it stops at the deadline")
    _require(np.isfinite(model.predict(data.X_valid)).all(), learner, "what there is predicts")


def _check_absent_class(learner: Learner, data: FitData) -> None:
    """Check that a class that the rows of a fold lack still has its column."""
    for absent in range(data.n_outputs):
        rows = np.flatnonzero(data.y != absent)
        model = _fit(learner, replace(data, X=data.X[rows], y=data.y[rows]))
        predicted = model.predict(data.X_valid)
        shape = (len(data.y_valid), data.n_outputs)
        _require(predicted.shape == shape, learner, "a column for a class without rows")
        _require(np.isfinite(predicted).all(), learner, "finite without a class")
        _require(predicted[:, absent].max() < 0.2, learner, "a class without rows is unlikely")


def _check_matrix(encoder: Encoder, X: Matrix, n_rows: int) -> None:
    """Check shape, type and values of an encoded matrix."""
    _require(X.shape == (n_rows, len(encoder.names)), encoder, "a name for each column")
    _require(X.dtype == np.float32, encoder, "float32")
    values = _dense(X)
    if encoder.key == "tree":
        _require(not np.isinf(values).any(), encoder, "no infinite values")
        codes = values[:, list(encoder.categorical)]
        known = codes[~np.isnan(codes)]
        _require((known >= 0).all() and (known % 1 == 0).all(), encoder, "codes are whole")
    else:
        _require(np.isfinite(values).all(), encoder, "finite values")
        _require(not encoder.categorical, encoder, "no codes")


def _check_out_of_fold(key: str) -> None:
    """Check that training rows do not carry their own targets."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"name": rng.integers(0, 400, 2000).astype(str), "size": rng.random(2000)})
    columns = (Column("name", "categorical", "string"), Column("size", "numeric", "float64"))
    rows = RowFeatures.plan(Schema("binary", "y", ("no", "yes"), columns, 2000))
    y = rng.integers(0, 2, 2000).astype(np.float64)
    encoder = encoders.create(key, rows)
    X = _dense(encoder.fit_transform(rows.transform(table), y, "binary", 2, 0, time.time() + 60))
    varying = X.std(axis=0) > 0.05
    related = np.abs(np.corrcoef(X[:, varying].T, y)[-1, :-1])
    _require(related.max() < 0.15, encoder, f"no trace of the target ({related.max():.2f})")


def _strange_rows() -> pd.DataFrame:
    """Return rows of missing values, unknown categories and extreme numbers."""
    table = binary_table(4).drop(columns=TARGET)
    strange: dict[str, Any] = {
        "age": [np.nan, 1e300, -1e300, np.inf],
        "income": [np.nan, 0.0, 1e20, -np.inf],
        "clicks": [np.nan, -5.0, 2.0**40, 0.0],
        "member": [None, True, False, None],
        "city": [None, "Nowhere", "", "Bern"],
        "plan": [None, "☃", "pro", "basic"],
        "key": [None, "k", "k-10000000", ""],
        "review": [None, "", "☃ ☃", "good " * 5000],
        "joined": np.array(["NaT", "1700-01-01", "2250-12-31", "1970-01-01"], "M8[us]"),
    }
    return table.assign(**strange)


def _fit(learner: Learner, data: FitData, learnt: Mapping[str, Any] | None = None) -> Model:
    """Fit with few rounds, or with what another fit has learnt."""
    params = learner.defaults(_shape(data))
    params |= {name: value for name, value in SMALL.items() if name in params}
    params |= learnt or {}
    return learner.fit(data, params, seed=3, threads=1, deadline=time.time() + 60)


def _skips(learner: Learner, data: FitData) -> bool:
    """Return whether a fit is refused with a reason."""
    try:
        _fit(learner, data)
    except TrialSkipped as err:
        return bool(err.found)
    return False


def _shape(data: FitData) -> Shape:
    return Shape(data.task, data.X.shape[0], data.X.shape[1], data.n_outputs)


def _dense(X: Matrix) -> npt.NDArray[np.float32]:
    return X if isinstance(X, np.ndarray) else np.asarray(X.toarray())


def _require(kept: Any, what: Any, promise: str) -> None:
    """Raise `AssertionError` for a promise that is not kept."""
    if not kept:
        raise AssertionError(f"{getattr(what, 'key', type(what).__name__)}: {promise}")
