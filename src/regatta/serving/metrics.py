"""What Prometheus sees, beside the four histograms of KServe."""

import numpy as np
import numpy.typing as npt
from prometheus_client import Counter, Gauge, Histogram, Summary

from regatta.bundle import Bundle

__all__ = ["INFO", "REQUESTS", "count_predictions", "describe"]

LABELS = ("model", "version")

REQUESTS = Counter(
    "regatta_requests_total",
    "Prediction requests by HTTP status; over gRPC by the one of the same meaning.",
    (*LABELS, "code"),
)
ROWS = Counter("regatta_rows_total", "Rows predicted.", LABELS)
CLASSES = Counter(
    "regatta_prediction_class_total", "Rows predicted to be of a class.", (*LABELS, "class")
)
PROBABILITY = Histogram(
    "regatta_prediction_probability",
    "Probability of the positive class, or of the predicted one if there are more than two.",
    LABELS,
    buckets=[step / 10 for step in range(1, 11)],
)
VALUE = Summary("regatta_prediction_value", "Predicted values of a regression.", LABELS)
INFO = Gauge(
    "regatta_model_info", "Always 1; says what is served.", (*LABELS, "task", "fingerprint")
)


def describe(bundle: Bundle, name: str, version: str) -> None:
    """Say what is served."""
    fingerprint = str(bundle.metadata.get("fingerprint", ""))[:12]
    INFO.labels(name, version, bundle.task, fingerprint).set(1)


def count_predictions(
    bundle: Bundle, predicted: npt.NDArray[np.float64], name: str, version: str
) -> None:
    """Count what was predicted.

    Parameters
    ----------
    bundle : Bundle
        The model.
    predicted : ndarray of shape (n_rows, n_outputs), float64
        What `Bundle.predict_array` returned.
    name, version : str
        Values of the labels.
    """
    ROWS.labels(name, version).inc(len(predicted))
    if not bundle.classes:
        summary = VALUE.labels(name, version)
        for value in predicted[:, 0].tolist():
            summary.observe(value)
        return
    counts = np.bincount(bundle.labels(predicted), minlength=len(bundle.classes))
    for label, count in zip(bundle.classes, counts.tolist(), strict=True):
        CLASSES.labels(name, version, label).inc(count)
    shown = predicted[:, 1] if bundle.task == "binary" else predicted.max(axis=1)
    histogram = PROBABILITY.labels(name, version)
    for value in shown.tolist():
        histogram.observe(value)
