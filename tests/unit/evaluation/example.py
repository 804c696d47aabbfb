"""What evaluation.json and leaderboard.json hold, made from generated numbers."""

from typing import Any

import numpy as np
import pandas as pd

from regatta.dataset.schema import Column, Schema
from regatta.evaluation import champion
from regatta.evaluation.baseline import Baseline
from regatta.evaluation.importance import Importance
from regatta.evaluation.intervals import Resamples
from regatta.evaluation.metrics import get_metric, metrics_for
from regatta.evaluation.pictures import draw
from regatta.evaluation.scoring import score_all
from regatta.settings import RunSettings

N = 400


def example(
    task: str = "binary",
    *,
    names: tuple[str, ...] = ("age", "income", "city"),
    classes: tuple[str, ...] = ("no", "yes"),
    target: str = "outcome",
    skill: float = 1.0,
    reason: str = "used 2.1 GB where 2.0 GB were allowed",
    values: tuple[str, ...] = ("Basel", "Bern", "Zürich"),
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the two files of a made-up evaluation; the last column is text."""
    rng = np.random.default_rng(0)
    classes = () if task == "regression" else classes
    signal = rng.normal(size=N)
    if task == "regression":
        y = 100 + 20 * signal
        predicted = (100 + 20 * skill * signal + rng.normal(0, 6, N))[:, None]
    else:
        k = len(classes)
        y = np.arange(N) % k * 1.0
        logits = rng.normal(size=(N, k)) + 2 * skill * np.eye(k)[y.astype(int)]
        predicted = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    frame = pd.DataFrame({name: signal + rng.normal(0, 1, N) for name in names})
    frame[names[-1]] = rng.choice(values, N)
    schema = Schema(task, target, classes, tuple(Column(n, "numeric", "float64") for n in names), N)
    metric = get_metric("auto", task)
    ordered = [metric, *(one for one in metrics_for(task) if one is not metric)]
    baseline = Baseline.fit(y, task, schema.n_outputs).predict(N)
    resamples = Resamples.plan(y, task, wanted=60, seed=0, n_outputs=schema.n_outputs)
    scores = score_all(ordered, y, predicted, baseline, resamples=resamples, confidence=0.95)
    importance = Importance(
        tuple((name, 0.1 / (place + 1), 0.01) for place, name in enumerate(names)),
        metric.key,
        N,
        5,
    )
    verdict = champion.first()
    found = {
        "name": "toy",
        "task": task,
        "target": target,
        "classes": list(classes),
        "created_at": "2026-01-02T03:04:05+00:00",
        "metric": {**scores[0], "validation": scores[0]["score"]},
        "metrics": {row["key"]: row["score"] for row in scores},
        "scores": scores,
        "intervals": {"confidence": 0.95, "resamples": 60, "wanted": 60, "method": "percentile"},
        "baseline": {"kind": "mean" if task == "regression" else "shares", "answer": [0.5]},
        "refit": {"members": 3, "refitted": 2},
        "locked": {
            "n_rows": N,
            "scored": N,
            "n_table": 5 * N,
            "n_train": 4 * N,
            "sha256": "ab" * 32,
            "opened": 1,
        },
        "importance": importance.to_dict(),
        "pictures": draw(schema, frame, y, predicted, predicted, importance, 0),
        "members": [
            {"trial": "00-000-lightgbm", "learner": "lightgbm", "weight": 0.7, "params": {"a": 1}},
            {"trial": "00-001-linear", "learner": "linear", "weight": 0.3, "params": {}},
        ],
        "versions": {"python": "3.11"},
        "dataset": {"source": "toy.csv", "fingerprint": "cd" * 32, "n_columns": len(names) + 1},
        "settings": RunSettings().model_dump(mode="json"),
        "findings": [
            {"level": "warning", "column": names[0], "code": "x", "message": "Look at it."}
        ],
        "verdict": verdict.decision,
        "comparison": verdict.to_dict(),
    }
    return found, {"metric": metric.key, "trials": _trials(scores[0]["score"], reason)}


def _trials(score: float, reason: str) -> list[dict[str, Any]]:
    """Return two trials with a model and one without."""
    common = {"lane": 0, "seed": 0, "fold_scores": [score, score], "seconds": 1.5}
    measured = {"peak_memory_bytes": 3e8, "model_bytes": 1e6, "predict_seconds_per_row": 2e-5}
    done = [
        {
            "id": f"00-00{number}-{key}",
            "number": number,
            "recipe": {"learner": key, "params": {"rate": 0.1}},
            "status": "ok",
            "reason": "",
            "score": score,
            "weight": weight,
            **common,
            **measured,
        }
        for number, (key, weight) in enumerate([("lightgbm", 0.7), ("linear", 0.3)])
    ]
    failed = {**done[0], "id": "00-002-mlp", "status": "out_of_memory", "score": None}
    return [*done, {**failed, "reason": reason, "weight": 0.0}]
