"""The matrix for neural networks: dense, scaled, few columns."""

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from regatta.artifacts.state import State
from regatta.features.encoders.base import Encoder, Frame, Matrix, count_rows, some_rows, varying
from regatta.features.encoders.categories import Categories
from regatta.features.encoders.identifiers import identifiers
from regatta.features.encoders.numbers import Scaling, numeric_matrix
from regatta.features.encoders.pieces import Pieces
from regatta.features.encoders.targets import TargetMeans, target_columns
from regatta.features.encoders.text import TextScores
from regatta.features.rows import Feature
from regatta.settings import Task

__all__ = ["DenseEncoder", "ScaledEncoder"]

Floats = npt.NDArray[np.float32]

MOST_LABELS = 24
MOST_INDICATORS = 2000
LEAST_ROWS = 5
# Of a column of more values, so many of the frequent ones have indicators beside the means of all.
OFTEN_LABELS, OFTEN_ROWS = 48, 30
HARMONICS = 2
MOST_PIECES = 16
PIECES_IN_ALL = 1024
PIECE_CELLS = 80_000_000
CHUNK_ROWS = 50_000
LIMIT = 10.0


class DenseEncoder(Encoder):
    """Encode for neural networks: float32 without NaN, of mean about 0 and spread about 1.

    Numbers are scaled, with a flag where one was missing, and cut into up to 16 pieces. Parts of
    dates that come round again become two harmonics. Categories of up to 24 values become
    indicators; of others the frequent ones do, beside out-of-fold target means of all; whole
    numbers that name something have these means, too. Text becomes out-of-fold scores of a linear
    model.
    """

    key: ClassVar[str] = "dense"
    most_pieces: ClassVar[int] = MOST_PIECES

    def __init__(self, columns: tuple[Feature, ...]) -> None:
        super().__init__(columns)
        empty = np.empty(0, dtype=bool)
        self._scaling = Scaling([], np.empty((4, 0), np.float32), empty, empty)
        self._pieces = Pieces([], [])
        self._cyclic: list[str] = []
        self._periods = np.empty(0, dtype=np.int64)
        self._categories = Categories([], [], [])
        self._means = TargetMeans([], [], [])
        self._text: TextScores | None = None
        self._moments = np.empty((2, 0), dtype=np.float32)
        self._name()

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
        self._cyclic = [name for name in numeric if name in periods]
        self._periods = np.array([periods[name] for name in self._cyclic], dtype=np.int64)
        plain = [name for name in numeric if name not in periods]
        self._scaling = Scaling.fit(frame, plain, keep_zeros=False, seed=seed)
        self._pieces = Pieces.fit(
            frame,
            plain,
            most=self.most_pieces,
            in_all=min(PIECES_IN_ALL, PIECE_CELLS // max(len(y), 1)),
            seed=seed,
        )
        least = LEAST_ROWS if len(y) >= 200 else 2
        self._categories, many = _indicated(frame, self._named("categorical"), least)
        targets = target_columns(y, task, n_outputs)
        numbers = identifiers(frame, self.columns, targets, seed)
        self._means, mean_rows = TargetMeans.fit_transform(frame, many, targets, seed, numbers)
        texts = self._named("text")
        scored = (
            TextScores.fit_transform(frame, texts, y, task, n_outputs, seed, deadline)
            if texts
            else None
        )
        self._text, text_rows = scored or (None, np.empty((len(y), 0), np.float32))
        learnt = np.hstack([mean_rows, text_rows])
        deviation = learnt.std(axis=0)
        deviation[deviation < 1e-6] = 1
        self._moments = np.stack([learnt.mean(axis=0), 1 / deviation]).astype(np.float32)
        self._name()
        return self._fill(frame, learnt)

    def transform(self, frame: Frame) -> Matrix:
        """Encode any rows (see `Encoder.transform`)."""
        learnt = [self._means.transform(frame)]
        if self._text:
            learnt.append(self._text.transform(frame))
        return self._fill(frame, np.hstack(learnt))

    def _fill(self, frame: Frame, learnt: Floats) -> Floats:
        """Put all columns into one matrix, some rows at a time."""
        n_rows = count_rows(frame)
        out = np.zeros((n_rows, len(self.names)), dtype=np.float32)
        if n_rows <= CHUNK_ROWS:
            self._fill_rows(frame, learnt, out)
            return out
        for start in range(0, n_rows, CHUNK_ROWS):
            rows = slice(start, start + CHUNK_ROWS)
            self._fill_rows(some_rows(frame, rows), learnt[rows], out[rows])
        return out

    def _fill_rows(self, frame: Frame, learnt: Floats, out: Floats) -> None:
        """Put some rows into their place."""
        end = self._scaling.n_columns
        out[:, :end] = self._scaling.transform(frame)
        for block in (self._pieces.ramps(frame), *self._waves(frame)):
            out[:, end : end + block.shape[1]] = block
            end += block.shape[1]
        rows = np.arange(len(out))
        for place in range(len(self._categories.names)):
            codes = self._categories.codes(frame, place)
            known = codes >= 0
            out[rows[known], end + codes[known]] = 1
            end += self._categories.width(place)
        mean, inverse_deviation = self._moments
        out[:, end:] = np.clip((learnt - mean) * inverse_deviation, -LIMIT, LIMIT)

    def _waves(self, frame: Frame) -> Iterator[Floats]:
        """Yield sine and cosine of each harmonic of the columns that come round again."""
        angles = numeric_matrix(frame, self._cyclic) * (2 * np.pi / self._periods)
        for harmonic in range(1, HARMONICS + 1):
            for wave in (np.sin, np.cos):
                yield np.nan_to_num(wave(harmonic * angles))

    def _name(self) -> None:
        """Name the columns."""
        waves = [f"{wave}{n}" for n in range(1, HARMONICS + 1) for wave in ("sin", "cos")]
        self.names = [
            *self._scaling.column_names(),
            *(
                f"{name}>{edge:g}"
                for name, edges in zip(self._pieces.names, self._pieces.edges, strict=True)
                for edge in edges[:-1]
            ),
            *(f"{name}:{wave}" for wave in waves for name in self._cyclic),
            *(
                f"{name}={code}"
                for place, name in enumerate(self._categories.names)
                for code in range(self._categories.width(place))
            ),
            *self._means.column_names(),
            *(f"text:{place}" for place in range(self._text.n_columns if self._text else 0)),
        ]

    def state(self) -> dict[str, Any]:
        """Return what was fitted."""
        return {
            **self._scaling.state("scaling"),
            **self._pieces.state("pieces"),
            "cyclic": self._cyclic,
            "periods": self._periods,
            **self._categories.state("categories"),
            **self._means.state("means"),
            "has_text": int(self._text is not None),
            **(self._text.state("text") if self._text else {}),
            "moments": self._moments,
        }

    @classmethod
    def from_state(cls, state: State) -> "DenseEncoder":
        """Rebuild an encoder from what `state` returned."""
        encoder = cls(())
        encoder._scaling = Scaling.from_state(state, "scaling")
        encoder._pieces = Pieces.from_state(state, "pieces")
        encoder._cyclic = state.names("cyclic")
        encoder._periods = state.array("periods", np.int64, (len(encoder._cyclic),))
        state.check("periods", bool((encoder._periods > 0).all()))
        encoder._categories = Categories.from_state(state, "categories")
        encoder._means = TargetMeans.from_state(state, "means")
        encoder._text = TextScores.from_state(state, "text") if state.number("has_text") else None
        n_learnt = encoder._means.n_columns + (encoder._text.n_columns if encoder._text else 0)
        encoder._moments = state.array("moments", np.float32, (2, n_learnt))
        encoder._name()
        return encoder


class ScaledEncoder(DenseEncoder):
    """Encode as `DenseEncoder` does, but leave numbers whole: few columns, soon learnt."""

    key: ClassVar[str] = "scaled"
    most_pieces: ClassVar[int] = 0


def _indicated(frame: Frame, names: list[str], least_rows: int) -> tuple[Categories, list[str]]:
    """Return what becomes indicators, and the names of the columns that have other values, too."""
    every = Categories.fit(frame, names, most=MOST_LABELS + 1, least_rows=least_rows)
    few = [place for place in range(len(every.names)) if len(every.labels[place]) <= MOST_LABELS]
    many = [name for place, name in enumerate(every.names) if place not in few]
    often = Categories.fit(frame, many, most=OFTEN_LABELS, least_rows=OFTEN_ROWS)
    width = 0
    # The narrowest first: where there is no room for all, more columns have some.
    found = [(every, place) for place in few] + [(often, place) for place in range(len(many))]
    names, labels, rare = list[str](), list[list[str]](), list[bool]()
    for source, place in sorted(found, key=lambda pair: pair[0].width(pair[1])):
        width += source.width(place)
        if width > MOST_INDICATORS:
            break
        names.append(source.names[place])
        labels.append(source.labels[place])
        rare.append(source.rare[place])
    means = [name for name in every.names if name in many or name not in names]
    return Categories(names, labels, rare), means
