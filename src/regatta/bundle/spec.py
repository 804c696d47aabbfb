"""What a bundle is made of, before it is written."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from regatta.bundle.measured import Measured
from regatta.bundle.pooling import LINEAR, Pooling
from regatta.dataset.schema import Schema

__all__ = ["REFERENCE", "BundleSpec", "FitSpec", "MemberSpec"]

REFERENCE = "reference.json"
"""What served rows are compared with (see `regatta.monitoring`)."""


@dataclass(frozen=True)
class FitSpec:
    """One fitted fold of a member, as it lies on disk.

    Attributes
    ----------
    encoder : Path
        Folder that `Encoder.save` wrote. Several fits may share it.
    model : Path
        Folder that `Model.save` wrote.
    """

    encoder: Path
    model: Path


@dataclass(frozen=True)
class MemberSpec:
    """One trial of the ensemble.

    Attributes
    ----------
    trial : str
        Id of the trial, also the name of its folder in the bundle.
    learner : str
        Key of the learner.
    params : mapping
        Its parameters, for people; loading does not need them.
    weight : float
        Its share of the prediction. The shares of all members add up to 1.
    fits : tuple of FitSpec
        Its fold models, which have equal parts of it. At least one.
    """

    trial: str
    learner: str
    params: Mapping[str, Any]
    weight: float
    fits: tuple[FitSpec, ...]


@dataclass(frozen=True)
class BundleSpec:
    """Everything that `regatta.bundle.write` needs.

    Attributes
    ----------
    name : str
        Name of the model.
    schema : Schema
        Schema of the training table: task, target, classes, columns.
    features : mapping
        What `RowFeatures.to_dict` returned (``features.json`` of the features artifact).
    metric : str
        Key of the metric that the ensemble was chosen by.
    members : tuple of MemberSpec
        The trials of the ensemble, at least one.
    score : float or None
        Out-of-fold score of the ensemble, in the metric's own units.
    pooling : Pooling
        How the members' predictions become one.
    thresholds : tuple of float, default ()
        One positive number a class: the label is the class with the highest ratio of probability
        to threshold. Empty: the class with the highest probability. For a binary task and a
        threshold t of the positive class, ``(1 - t, t)`` says "positive from t on".
    fingerprint : str, default ""
        SHA-256 of the training table.
    metadata : mapping
        Further small JSON values (run name, seed, number of rows ...).
    measured : Measured, optional
        What the model said of the locked rows before it learnt from them.
    reference : mapping, optional
        What served rows are compared with: `regatta.monitoring.Reference` as plain values.
    """

    name: str
    schema: Schema
    features: Mapping[str, Any]
    metric: str
    members: tuple[MemberSpec, ...]
    score: float | None = None
    pooling: Pooling = LINEAR
    thresholds: tuple[float, ...] = ()
    fingerprint: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    measured: Measured | None = None
    reference: Mapping[str, Any] | None = None
