"""Numeric features as a matrix, and scaled for learners that measure distances."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from regatta.artifacts.state import State
from regatta.features.encoders.base import Frame, column, count_rows

__all__ = ["Scaling", "numeric_matrix"]

Floats = npt.NDArray[np.float32]

SAMPLE_ROWS = 100_000
SKEWED = 1.0
LIMIT = 10.0
MOSTLY_ZERO = 0.8


def numeric_matrix(frame: Frame, names: Sequence[str], out: Floats | None = None) -> Floats:
    """Copy numeric features into a matrix of shape (n_rows, n_names), float32, column by column."""
    if out is None:
        out = np.empty((count_rows(frame), len(names)), dtype=np.float32)
    for place, name in enumerate(names):
        out[:, place] = column(frame, name)
    return out


class Scaling:
    """Numbers of mean about 0 and spread about 1, without NaN, with a flag where one was.

    A column is moved to its median and divided by its quartiles' distance; where that leaves it
    skewed and an inverse hyperbolic sine (linear near 0, logarithmic beyond) makes it less so,
    that is taken; then it is standardised and cut at 10.

    Attributes
    ----------
    names : list of str
        The columns.
    steps : ndarray of shape (4, n_names), float32
        Median, inverse spread; mean, inverse standard deviation after them.
    curved : ndarray of shape (n_names,), bool
        Whether the inverse hyperbolic sine is taken.
    flagged : ndarray of shape (n_names,), bool
        Whether the column had missing values.
    """

    def __init__(
        self,
        names: Sequence[str],
        steps: Floats,
        curved: npt.NDArray[np.bool_],
        flagged: npt.NDArray[np.bool_],
    ) -> None:
        self.names, self.steps, self.curved, self.flagged = list(names), steps, curved, flagged

    @property
    def n_columns(self) -> int:
        """Columns that `transform` returns."""
        return len(self.names) + int(self.flagged.sum())

    def column_names(self) -> list[str]:
        """Return a name for each column of `transform`."""
        flags = np.flatnonzero(self.flagged)
        return [*self.names, *(f"{self.names[place]}:missing" for place in flags)]

    @classmethod
    def fit(cls, frame: Frame, names: Sequence[str], *, keep_zeros: bool, seed: int) -> "Scaling":
        """Measure the columns.

        Parameters
        ----------
        frame : DataFrame or mapping of arrays
            Training rows.
        names : sequence of str
            Numeric features that vary.
        keep_zeros : bool
            Whether zero stays zero in columns that are mostly zero, for sparse matrices.
        seed : int
            Seed of the sample of 100,000 rows that a large table is measured on.
        """
        n_rows = count_rows(frame)
        sample: Any = slice(None)
        if n_rows > SAMPLE_ROWS:
            sample = np.random.default_rng(seed).choice(n_rows, SAMPLE_ROWS, replace=False)
        steps = np.zeros((4, len(names)), dtype=np.float32)
        curved = np.zeros(len(names), dtype=bool)
        flagged = np.zeros(len(names), dtype=bool)
        for place, name in enumerate(names):
            values = column(frame, name)
            missing = np.isnan(values)
            flagged[place] = missing.any()
            known = values[sample][~missing[sample]].astype(np.float64)
            steps[:, place], curved[place] = _measure(known, keep_zeros)
        return cls(names, steps, curved, flagged)

    def transform(self, frame: Frame) -> Floats:
        """Scale any rows; of shape (n_rows, n_columns), float32: numbers, then flags."""
        n_names = len(self.names)
        out = np.empty((count_rows(frame), self.n_columns), dtype=np.float32)
        values = numeric_matrix(frame, self.names, out[:, :n_names])
        missing = np.isnan(values)
        out[:, n_names:] = missing[:, self.flagged]
        middle, inverse_spread, mean, inverse_deviation = self.steps
        values -= middle
        values *= inverse_spread
        if self.curved.any():
            values[:, self.curved] = np.arcsinh(values[:, self.curved])
        values -= mean
        values *= inverse_deviation
        np.clip(values, -LIMIT, LIMIT, out=values)
        values[missing] = 0
        return out

    def state(self, prefix: str) -> dict[str, Any]:
        """Return what was fitted."""
        return {
            f"{prefix}.names": self.names,
            f"{prefix}.steps": self.steps,
            f"{prefix}.curved": self.curved,
            f"{prefix}.flagged": self.flagged,
        }

    @classmethod
    def from_state(cls, state: State, prefix: str) -> "Scaling":
        """Rebuild from what `state` returned."""
        names = state.names(f"{prefix}.names")
        steps = state.array(f"{prefix}.steps", np.float32, (4, len(names)))
        curved = state.array(f"{prefix}.curved", bool, (len(names),))
        return cls(names, steps, curved, state.array(f"{prefix}.flagged", bool, (len(names),)))


def _measure(known: npt.NDArray[np.float64], keep_zeros: bool) -> tuple[list[float], bool]:
    """Return the four steps of one column, and whether it is curved."""
    if len(known) == 0:
        return [0.0, 1.0, 0.0, 1.0], False
    if keep_zeros and np.mean(known == 0) > MOSTLY_ZERO:
        spread = np.sqrt(np.mean(known**2))
        return [0.0, 1.0, 0.0, _inverse(spread)], False
    low, middle, high = np.quantile(known, (0.25, 0.5, 0.75))
    spread = high - low or (known.max() - known.min()) / 4
    inverse_spread = _inverse(spread)
    values = (known - middle) * inverse_spread
    bent = np.arcsinh(values)
    skewness = abs(_skewness(values))
    curved = bool(skewness > SKEWED and abs(_skewness(bent)) < skewness / 2)
    values = bent if curved else values
    return [middle, inverse_spread, values.mean(), _inverse(values.std())], curved


def _inverse(spread: float) -> float:
    """Return ``1 / spread``, or 1 where there is none; within float32."""
    return float(1 / spread) if 1e-30 < spread < 1e30 else 1.0


def _skewness(values: npt.NDArray[np.float64]) -> float:
    """Return the third standardised moment."""
    centred = values - values.mean()
    deviation = np.sqrt(np.mean(centred**2))
    return float(np.mean((centred / deviation) ** 3)) if deviation > 0 else 0.0
