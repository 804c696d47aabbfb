"""Numbers as piecewise-linear functions, so that models of weighted sums can bend.

The edges are quantiles of the training rows. Linear models read hats (each number activates its
two nearest edges, which keeps the matrix sparse), neural networks read ramps.

References
----------
.. [1] Y. Gorishniy et al., On embeddings for numerical features in tabular deep learning,
   NeurIPS 2022 (the ramps; their "piecewise linear encoding").
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from regatta.artifacts.state import State
from regatta.features.encoders.base import Frame, column, count_rows

__all__ = ["Pieces"]

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]

SAMPLE_ROWS = 100_000
LEAST_PIECES = 3
ROWS_A_PIECE = 25
NOWHERE = -1


class Pieces:
    """Edges of piecewise-linear functions.

    Attributes
    ----------
    names : list of str
        Columns with at least three pieces.
    edges : list of ndarray of shape (n_pieces + 1,), float32
        Of each column the edges, rising.
    """

    def __init__(self, names: Sequence[str], edges: Sequence[Floats]) -> None:
        self.names, self.edges = list(names), list(edges)

    @classmethod
    def fit(
        cls, frame: Frame, names: Sequence[str], *, most: int, in_all: int, seed: int
    ) -> "Pieces":
        """Find the edges.

        Parameters
        ----------
        frame : DataFrame or mapping of arrays
            Training rows.
        names : sequence of str
            Numeric features that vary.
        most, in_all : int
            Most pieces of one column, and of all together.
        seed : int
            Seed of the sample of 100,000 rows that a large table is measured on.
        """
        n_rows = count_rows(frame)
        n_pieces = min(most, in_all // max(len(names), 1), n_rows // ROWS_A_PIECE)
        if n_pieces < LEAST_PIECES:
            return cls([], [])
        sample: Any = slice(None)
        if n_rows > SAMPLE_ROWS:
            sample = np.random.default_rng(seed).choice(n_rows, SAMPLE_ROWS, replace=False)
        kept, edges = [], []
        for name in names:
            values = column(frame, name)[sample]
            values = values[~np.isnan(values)]
            if len(values) == 0:
                continue
            cuts = _cuts(values, n_pieces)
            if len(cuts) > LEAST_PIECES:
                kept.append(name)
                edges.append(cuts)
        return cls(kept, edges)

    def hats(self, frame: Frame) -> Iterator[tuple[Ints, Floats, int]]:
        """Yield each column's lower edges, weights of the upper edges, and number of edges.

        The lower edge is -1 where a number is missing.
        """
        for name, edges in zip(self.names, self.edges, strict=True):
            values = np.clip(column(frame, name), edges[0], edges[-1])
            missing = np.isnan(values)
            below = np.searchsorted(edges, values, side="right") - 1
            below = np.minimum(below, len(edges) - 2)
            share = (values - edges[below]) / (edges[below + 1] - edges[below])
            share[missing] = 0
            below[missing] = NOWHERE
            yield below.astype(np.int32), share.astype(np.float32), len(edges)

    def ramps(self, frame: Frame) -> Floats:
        """Return what share of each piece is below a number; 0 where it is missing.

        Returns
        -------
        ndarray of shape (n_rows, n_pieces of all columns), float32
            Between 0 and 1.
        """
        widths = [len(edges) - 1 for edges in self.edges]
        out = np.empty((count_rows(frame), sum(widths)), dtype=np.float32)
        start = 0
        for name, edges, width in zip(self.names, self.edges, widths, strict=True):
            part = out[:, start : start + width]
            np.subtract(column(frame, name).reshape(-1, 1), edges[:-1], out=part)
            part /= np.diff(edges)
            np.clip(part, 0, 1, out=part)
            start += width
        return np.nan_to_num(out, copy=False, nan=0.0)

    def state(self, prefix: str) -> dict[str, Any]:
        """Return what was fitted."""
        empty = [np.empty(0, dtype=np.float32)]
        return {
            f"{prefix}.names": self.names,
            f"{prefix}.lengths": np.array([len(edges) for edges in self.edges], dtype=np.int64),
            f"{prefix}.edges": np.concatenate(self.edges or empty),
        }

    @classmethod
    def from_state(cls, state: State, prefix: str) -> "Pieces":
        """Rebuild from what `state` returned."""
        names = state.names(f"{prefix}.names")
        lengths = state.array(f"{prefix}.lengths", np.int64, (len(names),))
        state.check(f"{prefix}.lengths", bool((lengths > 1).all()))
        edges = state.array(f"{prefix}.edges", np.float32, (int(lengths.sum()),))
        parts = np.split(edges, np.cumsum(lengths)[:-1]) if names else []
        state.check(f"{prefix}.edges", all((np.diff(part) > 0).all() for part in parts))
        return cls(names, parts)


def _cuts(values: Floats, n_pieces: int) -> Floats:
    """Return rising edges with about equally many of the values between each two.

    Where more than half of them are one value, such as amounts that are mostly 0, quantiles fall
    on it and hardly tell the others apart: it counts for one piece at most then. (Doing so with all
    that is frequent gained nothing on tables of small whole numbers.)
    """
    # What more than half of them are is the median, which is found without sorting.
    half = len(values) // 2
    if np.count_nonzero(values == np.partition(values, half)[half]) <= half:
        quantiles = np.quantile(values, np.linspace(0, 1, n_pieces + 1))
        return np.unique(quantiles.astype(np.float32))
    different, counts = np.unique(values, return_counts=True)
    others = len(values) - int(counts.max())
    n_pieces = min(n_pieces, others // ROWS_A_PIECE)
    if n_pieces < LEAST_PIECES:
        return np.empty(0, np.float32)
    counts = np.minimum(counts, others / (n_pieces - 1))
    counted = np.cumsum(counts)
    places = np.searchsorted(counted, np.linspace(0, counted[-1], n_pieces + 1))
    found = different[np.minimum(places, len(different) - 1)]
    return np.unique(found.astype(np.float32))
