"""The matrix for linear models: sparse, scaled numbers, indicators and weighted words."""

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from scipy import sparse

from regatta.artifacts.state import State
from regatta.features.encoders.base import (
    Encoder,
    Frame,
    Matrix,
    column,
    count_rows,
    some_rows,
    varying,
)
from regatta.features.encoders.categories import MISSING, Categories
from regatta.features.encoders.numbers import Scaling
from regatta.features.encoders.pieces import Pieces
from regatta.features.encoders.text import TermWeights
from regatta.features.rows import Feature
from regatta.settings import Task

__all__ = ["LinearEncoder"]

MOST_CODES = 1000
MOST_INDICATORS = 50_000
MOST_TERMS = 20_000
LEAST_ROWS = 5
MOST_PIECES = 32
PIECES_IN_ALL = 4096
CHUNK_ROWS = 100_000
# One penalty holds for all columns. A word says more than its small weight in a text of many, and
# the pieces of a number are many and say little each: these factors level that.
WORD_SCALE = np.float32(3.0)
PIECE_SCALE = np.float32(0.3)


class LinearEncoder(Encoder):
    """Encode for linear models: CSR, float32.

    Numbers are scaled, with a flag where one was missing, and cut into up to 32 pieces. Parts of
    dates that come round again (hour, weekday) and categories become indicators, with one for rare
    values. Text becomes TF-IDF. Nothing depends on the target.
    """

    key: ClassVar[str] = "linear"

    def __init__(self, columns: tuple[Feature, ...]) -> None:
        super().__init__(columns)
        empty = np.empty(0, dtype=bool)
        scaling = Scaling([], np.empty((4, 0), np.float32), empty, empty)
        self._set(scaling, Pieces([], []), [], [], Categories([], [], []), TermWeights([], [], []))

    def fit_transform(
        self,
        frame: Frame,
        y: npt.NDArray[np.float64],
        task: Task,
        n_outputs: int,
        seed: int,
        deadline: float,
    ) -> Matrix:
        """Fit on training rows and encode them (see `Encoder.fit_transform`)."""
        numeric = varying(frame, self._named("numeric"))
        periods = {feature.name: feature.period for feature in self.columns if feature.period}
        cyclic = [name for name in numeric if name in periods]
        plain = [name for name in numeric if name not in periods]
        labelled = self._named("categorical")
        most = max(2, min(MOST_CODES, MOST_INDICATORS // max(len(labelled), 1)))
        least = LEAST_ROWS if len(y) >= 200 else 2
        self._set(
            Scaling.fit(frame, plain, keep_zeros=True, seed=seed),
            Pieces.fit(frame, plain, most=MOST_PIECES, in_all=PIECES_IN_ALL, seed=seed),
            cyclic,
            [periods[name] for name in cyclic],
            Categories.fit(frame, labelled, most=most, least_rows=least),
            TermWeights.fit(frame, self._named("text"), MOST_TERMS),
        )
        return self.transform(frame)

    def transform(self, frame: Frame) -> Matrix:
        """Encode any rows (see `Encoder.transform`)."""
        n_rows = count_rows(frame)
        if n_rows <= CHUNK_ROWS:
            return self._encode(frame)
        # In parts, because what a row might have is several times what it has.
        parts = [
            self._encode(some_rows(frame, slice(start, start + CHUNK_ROWS)))
            for start in range(0, n_rows, CHUNK_ROWS)
        ]
        return sparse.vstack(parts, format="csr")

    def _encode(self, frame: Frame) -> sparse.csr_matrix:
        """Encode some rows."""
        scaled = self._scaling.transform(frame)
        n_rows, n_scaled = scaled.shape
        entries = n_scaled + 2 * len(self._pieces.names) + len(self._cyclic)
        entries += len(self._categories.names)
        places = np.empty((n_rows, entries), dtype=np.int32)
        values = np.zeros((n_rows, entries), dtype=np.float32)
        places[:, :n_scaled] = np.arange(n_scaled, dtype=np.int32)
        values[:, :n_scaled] = scaled
        end, start = n_scaled, n_scaled
        for below, share, width in self._pieces.hats(frame):
            known = below >= 0
            places[:, end] = start + below
            values[:, end] = known * (1 - share) * PIECE_SCALE
            places[:, end + 1] = start + below + 1
            values[:, end + 1] = known * share * PIECE_SCALE
            end, start = end + 2, start + width
        for codes, width in self._indicators(frame):
            places[:, end] = start + codes
            values[:, end] = (codes >= 0) & (codes < width)
            end, start = end + 1, start + width
        there = values != 0
        starts = np.zeros(n_rows + 1, dtype=np.int32)
        np.cumsum(there.sum(axis=1), out=starts[1:])
        matrix = sparse.csr_matrix((values[there], places[there], starts), shape=(n_rows, start))
        if not self._words.names:
            return matrix
        words = self._words.transform(frame) * WORD_SCALE
        return sparse.hstack([matrix, words], format="csr")

    def _indicators(self, frame: Frame) -> Any:
        """Yield codes and width of each column that becomes indicators."""
        for name, period in zip(self._cyclic, self._periods, strict=True):
            values = column(frame, name)
            yield np.nan_to_num(values, nan=MISSING).astype(np.int32), period + 1
        for place in range(len(self._categories.names)):
            yield self._categories.codes(frame, place), self._categories.width(place)

    def _set(
        self,
        scaling: Scaling,
        pieces: Pieces,
        cyclic: list[str],
        periods: list[int],
        categories: Categories,
        words: TermWeights,
    ) -> None:
        """Take over what was fitted, and name the columns."""
        self._scaling, self._pieces, self._cyclic = scaling, pieces, cyclic
        self._periods, self._categories, self._words = periods, categories, words
        widths = [period + 1 for period in periods]
        widths += [categories.width(place) for place in range(len(categories.names))]
        names = scaling.column_names()
        for name, edges in zip(pieces.names, pieces.edges, strict=True):
            names += [f"{name}~{edge:g}" for edge in edges]
        for name, width in zip([*cyclic, *categories.names], widths, strict=True):
            names += [f"{name}={code}" for code in range(width)]
        for name, terms in zip(words.names, words.terms, strict=True):
            names += [f"{name}~{term:08x}" for term in terms]
        self.names = names

    def state(self) -> dict[str, Any]:
        """Return what was fitted."""
        return {
            **self._scaling.state("scaling"),
            **self._pieces.state("pieces"),
            "cyclic": self._cyclic,
            "periods": np.array(self._periods, dtype=np.int64),
            **self._categories.state("categories"),
            **self._words.state("words"),
        }

    @classmethod
    def from_state(cls, state: State) -> "LinearEncoder":
        """Rebuild an encoder from what `state` returned."""
        encoder = cls(())
        cyclic = state.names("cyclic")
        periods = state.array("periods", np.int64, (len(cyclic),))
        state.check("periods", bool(((periods > 0) & (periods < 1000)).all()))
        encoder._set(
            Scaling.from_state(state, "scaling"),
            Pieces.from_state(state, "pieces"),
            cyclic,
            periods.tolist(),
            Categories.from_state(state, "categories"),
            TermWeights.from_state(state, "words"),
        )
        return encoder
