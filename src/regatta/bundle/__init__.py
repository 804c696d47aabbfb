"""The servable model: a weighted ensemble of fold models with the signature of its columns.

``bundle.load(path).predict(frame)`` is the one way to predict, in evaluation, in batch and behind
the endpoint, so that all three give the same numbers.
"""

from regatta.bundle.bundle import Bundle
from regatta.bundle.measured import Measured, measured
from regatta.bundle.pooling import LINEAR, Pooling
from regatta.bundle.reading import load, pooling_of
from regatta.bundle.spec import REFERENCE, BundleSpec, FitSpec, MemberSpec
from regatta.bundle.writing import write

__all__ = [
    "LINEAR",
    "REFERENCE",
    "Bundle",
    "BundleSpec",
    "FitSpec",
    "Measured",
    "MemberSpec",
    "Pooling",
    "load",
    "measured",
    "pooling_of",
    "write",
]
