"""Served rows against those of training: the reference of a version, drift, score, verdict."""

from regatta.monitoring.drift import Drift, by_chance, compare, psi
from regatta.monitoring.reference import (
    ROWS,
    Counted,
    Reference,
    codes_of_groups,
    group_column,
    predictions_of,
)
from regatta.monitoring.score import Score, measure
from regatta.monitoring.verdict import DECISIONS, Verdict, decide

__all__ = [
    "DECISIONS",
    "ROWS",
    "Counted",
    "Drift",
    "Reference",
    "Score",
    "Verdict",
    "by_chance",
    "codes_of_groups",
    "compare",
    "decide",
    "group_column",
    "measure",
    "predictions_of",
    "psi",
]
