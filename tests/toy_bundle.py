"""A small real bundle: toy table, encoders and learners of the library, fitted by hand."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from regatta import bundle
from regatta.dataset import conform
from regatta.dataset.schema import Column, Schema
from regatta.features import encoders
from regatta.features.rows import RowFeatures
from regatta.learners import get_learner
from regatta.learners.base import FitData, Shape
from regatta.testing.tables import binary_table, multiclass_table, regression_table

TABLES = {
    "binary": binary_table,
    "multiclass": multiclass_table,
    "regression": regression_table,
}
KINDS = {
    "age": ("numeric", "int64"),
    "income": ("numeric", "float64"),
    "clicks": ("numeric", "int64"),
    "member": ("boolean", "bool"),
    "city": ("categorical", "string"),
    "plan": ("categorical", "string"),
    "review": ("text", "string"),
    "joined": ("datetime", "timestamp"),
    "key": ("categorical", "string"),
}


def table_of(task: str, n_rows: int = 200) -> pd.DataFrame:
    """Return the toy table of a task."""
    return TABLES[task](n_rows)


def schema_of(table: pd.DataFrame, task: str) -> Schema:
    """Return what ``validate`` would say of a toy table."""
    columns = [_column(table[name], *kind) for name, kind in KINDS.items()]
    target = Column("outcome", "categorical", "string", used=False, reason="target")
    classes = () if task == "regression" else tuple(sorted(table["outcome"].unique()))
    return Schema(task, "outcome", classes, (*columns, target), len(table))  # type: ignore[arg-type]


def _column(values: "pd.Series[Any]", kind: str, dtype: str) -> Column:
    known = values.dropna()
    example = known.iloc[0]
    used = values.name != "key"
    bounds: dict[str, float] = {}
    if kind == "datetime":
        seconds = known.astype("datetime64[us]").astype("int64") / 1e6
        bounds = {"minimum": float(seconds.min()), "maximum": float(seconds.max())}
        example = example.isoformat()
    elif kind == "numeric":
        bounds = {"minimum": float(known.min()), "maximum": float(known.max())}
    labels = tuple(sorted(map(str, known.unique()))) if kind == "categorical" else ()
    return Column(
        str(values.name),
        kind,  # type: ignore[arg-type]
        dtype,
        used=used,
        reason="" if used else "id",
        missing=int(values.isna().sum()),
        unique=int(known.nunique()),
        categories=labels,
        example=example.item() if isinstance(example, np.generic) else example,
        **bounds,
    )


def build(
    path: Path,
    task: str = "binary",
    learners: tuple[str, ...] = ("linear", "lightgbm"),
    n_folds: int = 2,
    *,
    n_rows: int = 200,
    seed: int = 0,
    thresholds: tuple[float, ...] = (),
    measured: bundle.Measured | None = None,
) -> pd.DataFrame:
    """Write a bundle; return the table that it was fitted on."""
    table = table_of(task, n_rows)
    schema = schema_of(table, task)
    rows = RowFeatures.plan(schema)
    features = rows.transform(conform(table, schema.features))
    y = schema.encode_target(table["outcome"])
    folds = np.arange(n_rows) % n_folds if n_folds > 1 else (np.arange(n_rows) % 5 == 0) - 1
    work = path.parent / f".{path.name}-fits"
    members = []
    for key in learners:
        fits = tuple(
            _fit(work, key, schema, rows, features, y, folds == fold, fold, seed)
            for fold in range(n_folds)
        )
        members.append(
            bundle.MemberSpec(f"00-{len(members):03}-{key}", key, {}, 1 / len(learners), fits)
        )
    spec = bundle.BundleSpec(
        name="toy",
        schema=schema,
        features=rows.to_dict(),
        metric="rmse" if task == "regression" else "log_loss",
        members=tuple(members),
        score=0.5,
        thresholds=thresholds,
        fingerprint="ab" * 32,
        measured=measured,
    )
    bundle.write(path, spec)
    return table


def _fit(
    work: Path,
    key: str,
    schema: Schema,
    rows: RowFeatures,
    features: pd.DataFrame,
    y: Any,
    valid: Any,
    fold: int,
    seed: int,
) -> bundle.FitSpec:
    """Fit one fold of one learner."""
    learner = get_learner(key)
    deadline = time.time() + 60
    encoder = encoders.create(learner.encoding, rows)
    n_outputs = schema.n_outputs
    X = encoder.fit_transform(features[~valid], y[~valid], schema.task, n_outputs, seed, deadline)
    data = FitData(
        schema.task,
        n_outputs,
        X,
        y[~valid],
        encoder.transform(features[valid]),
        y[valid],
        encoder.categorical,
    )
    shape = Shape(schema.task, X.shape[0], X.shape[1], n_outputs)
    params = {**learner.defaults(shape), **FAST.get(key, {})}
    model = learner.fit(data, params, seed=seed, threads=1, deadline=deadline)
    encoder_path = work / "encoders" / learner.encoding / f"fold-{fold}"
    model_path = work / key / f"fold-{fold}"
    for folder in (encoder_path, model_path):
        folder.mkdir(parents=True, exist_ok=True)
    encoder.save(encoder_path)
    model.save(model_path)
    return bundle.FitSpec(encoder_path, model_path)


FAST: dict[str, dict[str, Any]] = {
    "extra_trees": {"n_estimators": 20},
    "random_forest": {"n_estimators": 20},
}
