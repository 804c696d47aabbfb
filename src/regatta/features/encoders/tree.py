"""The matrix for trees: numbers as they are, categories as codes, text as what it says."""

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from regatta.artifacts.state import State
from regatta.features.encoders.base import Encoder, Frame, Matrix, count_rows, varying
from regatta.features.encoders.categories import MISSING, Categories
from regatta.features.encoders.identifiers import identifiers
from regatta.features.encoders.numbers import numeric_matrix
from regatta.features.encoders.targets import PRIOR_ROWS, TargetMeans, target_columns
from regatta.features.encoders.text import TextScores
from regatta.features.rows import Feature
from regatta.settings import Task

__all__ = ["TreeEncoder"]

MOST_CODES = 1000
FEW_LABELS = 30
ROWS_TO_ORDER = 10
MOST_COLUMNS = 2000


class TreeEncoder(Encoder):
    """Encode for trees: float32, NaN for missing.

    Categories become codes; the 1,000 most frequent of a column have their own. Columns of up to
    30 values are coded in the order of their (shrunken) target mean, so that a threshold on the
    code means something to trees without native categories. Columns of more values have codes by
    frequency, and beside them out-of-fold target means, and so have whole numbers that name
    something. Text becomes out-of-fold scores of a linear model. Columns that do not vary are left
    out.
    """

    key: ClassVar[str] = "tree"

    def __init__(self, columns: tuple[Feature, ...]) -> None:
        super().__init__(columns)
        self._set([], Categories([], [], []), TargetMeans([], [], []), None)

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
        categories = Categories.fit(frame, self._named("categorical"), most=MOST_CODES)
        targets = target_columns(y, task, n_outputs)
        many = _order_by_target(categories, frame, targets)
        # A very wide table would become wider still, and says enough without target means.
        if len(self.columns) + len(many) * (targets.shape[1] + 1) > MOST_COLUMNS:
            many = []
        numbers = identifiers(frame, self.columns, targets, seed)
        means, mean_rows = TargetMeans.fit_transform(frame, many, targets, seed, numbers)
        texts = self._named("text")
        scored = (
            TextScores.fit_transform(frame, texts, y, task, n_outputs, seed, deadline)
            if texts
            else None
        )
        text, text_rows = scored or (None, None)
        self._set(varying(frame, self._named("numeric")), categories, means, text)
        return self._fill(frame, mean_rows, text_rows)

    def transform(self, frame: Frame) -> Matrix:
        """Encode any rows (see `Encoder.transform`)."""
        means = self._means.transform(frame) if self._means.names else None
        return self._fill(frame, means, self._text.transform(frame) if self._text else None)

    def _fill(
        self,
        frame: Frame,
        means: npt.NDArray[np.float32] | None,
        text: npt.NDArray[np.float32] | None,
    ) -> npt.NDArray[np.float32]:
        """Put all columns into one matrix."""
        out = np.empty((count_rows(frame), len(self.names)), dtype=np.float32)
        end = len(self._numeric)
        numeric_matrix(frame, self._numeric, out[:, :end])
        for place in range(len(self._categories.names)):
            codes = self._categories.codes(frame, place)
            out[:, end] = codes
            out[codes == MISSING, end] = np.nan
            end += 1
        for block in (means, text):
            if block is not None:
                out[:, end : end + block.shape[1]] = block
                end += block.shape[1]
        out[:, end:] = 0
        return out

    def _set(
        self,
        numeric: list[str],
        categories: Categories,
        means: TargetMeans,
        text: TextScores | None,
    ) -> None:
        """Take over what was fitted, and name the columns."""
        self._numeric, self._categories, self._means, self._text = numeric, categories, means, text
        start = len(numeric)
        self.categorical = tuple(range(start, start + len(categories.names)))
        text_names = [f"text:{place}" for place in range(text.n_columns if text else 0)]
        names = [*numeric, *categories.names, *means.column_names(), *text_names]
        # Learners need a column even where nothing varies.
        self.names = names or ["nothing"]

    def state(self) -> dict[str, Any]:
        """Return what was fitted."""
        return {
            "numeric": self._numeric,
            **self._categories.state("categories"),
            **self._means.state("means"),
            "has_text": int(self._text is not None),
            **(self._text.state("text") if self._text else {}),
        }

    @classmethod
    def from_state(cls, state: State) -> "TreeEncoder":
        """Rebuild an encoder from what `state` returned."""
        encoder = cls(())
        encoder._set(
            state.names("numeric"),
            Categories.from_state(state, "categories"),
            TargetMeans.from_state(state, "means"),
            TextScores.from_state(state, "text") if state.number("has_text") else None,
        )
        return encoder


def _order_by_target(
    categories: Categories, frame: Frame, targets: npt.NDArray[np.float64]
) -> list[str]:
    """Sort the codes of columns with few values by target; return the columns with many."""
    many = []
    mean = targets.mean(axis=0)
    for place, name in enumerate(categories.names):
        n_kept = len(categories.labels[place])
        if n_kept > FEW_LABELS or (categories.rare[place] and n_kept > FEW_LABELS // 2):
            many.append(name)
            continue
        codes = categories.codes(frame, place)
        known = (codes >= 0) & (codes < n_kept)
        rows = np.bincount(codes[known], minlength=n_kept)
        sums = np.stack(
            [np.bincount(codes[known], weights=t[known], minlength=n_kept) for t in targets.T],
            axis=1,
        )
        shift = (sums - rows[:, None] * mean) / (rows + PRIOR_ROWS)[:, None]
        # Values of few rows would be sorted by their own targets.
        shift[rows < ROWS_TO_ORDER] = 0
        categories.reorder(place, np.argsort(_first_axis(shift), kind="stable"))
    return many


def _first_axis(shift: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the position of each category on the line that separates them best."""
    if shift.shape[1] == 1 or len(shift) < 2:
        return shift[:, 0]
    axis = np.linalg.svd(shift, full_matrices=False)[2][0]
    along: npt.NDArray[np.float64] = shift @ (axis * np.sign(axis[np.argmax(np.abs(axis))]))
    return along
