"""Columns that nothing is wrong with, and what is noticed of others."""

import numpy as np

N = 200


def x(n=N):
    """Return a feature that nothing is wrong with."""
    return np.random.default_rng(0).normal(size=n).round(4)


def y(n=N):
    return ["no", "yes"] * (n // 2)


def codes(found):
    return {(finding.column, finding.code) for finding in found.findings}
