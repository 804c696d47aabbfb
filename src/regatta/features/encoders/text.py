"""Hashed words as TF-IDF, and a linear model on it whose out-of-fold scores others learn from.

References
----------
.. [1] D. Wolpert, Stacked generalization, Neural Networks 5 (1992): why the scores of training
   rows have to be out of fold.
"""

import contextlib
import hashlib
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from regatta.artifacts.state import State
from regatta.features.encoders.base import Frame, column, count_rows
from regatta.features.encoders.targets import inner_folds
from regatta.features.glm import Family, Linear, fit_linear
from regatta.settings import Task

__all__ = ["TermWeights", "TextScores", "keeping"]

Array = npt.NDArray[np.float64]
Floats = npt.NDArray[np.float32]

LEAST_ROWS = 3
MOST_TERMS = 20_000
MOST_COEFFICIENTS = 500_000
MOST_ROWS = 100_000
INNER_FOLDS = 3
STEPS = 8
SECONDS_PER_VALUE = 1e-8
SECONDS_PER_COEFFICIENT = 6e-8
_FOLDER: ContextVar[Path | None] = ContextVar("folder of kept text scores", default=None)
_FAMILY: dict[str, Family] = {
    "binary": "logistic",
    "multiclass": "softmax",
    "regression": "squared",
}
STRENGTH = {"logistic": 1.5, "softmax": 1.5, "squared": 1.0}


class TermWeights:
    """TF-IDF of text columns: one row, one unit vector a column.

    Attributes
    ----------
    names : list of str
        Text columns.
    terms : list of ndarray of shape (n_terms,), int32
        Of each column the hashes that count, sorted.
    weights : list of ndarray of shape (n_terms,), float32
        Their inverse document frequencies.
    """

    def __init__(
        self,
        names: Sequence[str],
        terms: Sequence[npt.NDArray[np.int32]],
        weights: Sequence[Floats],
    ) -> None:
        self.names, self.terms, self.weights = list(names), list(terms), list(weights)

    @property
    def n_columns(self) -> int:
        """Columns that `transform` returns."""
        return sum(map(len, self.terms))

    @classmethod
    def fit(cls, frame: Frame, names: Sequence[str], most: int = MOST_TERMS) -> "TermWeights":
        """Count the terms of each text column.

        Parameters
        ----------
        frame : DataFrame or mapping of arrays
            Training rows.
        names : sequence of str
            Text features.
        most : int, default 20,000
            Most terms of a column, by number of rows.
        """
        kept_names, terms, weights = [], [], []
        for name in names:
            values = column(frame, name)
            flat, _ = _flatten(values)
            found, counts = np.unique(flat, return_counts=True)
            kept = np.flatnonzero(counts >= LEAST_ROWS)
            if len(kept) > most:
                kept = np.sort(kept[np.argsort(-counts[kept], kind="stable")[:most]])
            if len(kept):
                kept_names.append(name)
                terms.append(found[kept].astype(np.int32))
                idf = np.log((1 + len(values)) / (1 + counts[kept])) + 1
                weights.append(idf.astype(np.float32))
        return cls(kept_names, terms, weights)

    def transform(self, frame: Frame) -> sparse.csr_matrix:
        """Weigh the terms of any rows; of shape (n_rows, n_columns), float32."""
        n_rows = count_rows(frame)
        blocks = [
            _weigh(column(frame, name), terms, weights)
            for name, terms, weights in zip(self.names, self.terms, self.weights, strict=True)
        ]
        if not blocks:
            return sparse.csr_matrix((n_rows, 0), dtype=np.float32)
        return blocks[0] if len(blocks) == 1 else sparse.hstack(blocks, format="csr")

    def state(self, prefix: str) -> dict[str, Any]:
        """Return what was fitted."""
        empty: list[npt.NDArray[Any]] = [np.empty(0)]
        return {
            f"{prefix}.names": self.names,
            f"{prefix}.lengths": np.array([len(terms) for terms in self.terms], dtype=np.int64),
            f"{prefix}.terms": np.concatenate(self.terms or empty).astype(np.int32),
            f"{prefix}.weights": np.concatenate(self.weights or empty).astype(np.float32),
        }

    @classmethod
    def from_state(cls, state: State, prefix: str) -> "TermWeights":
        """Rebuild from what `state` returned."""
        names = state.names(f"{prefix}.names")
        lengths = state.array(f"{prefix}.lengths", np.int64, (len(names),))
        state.check(f"{prefix}.lengths", bool((lengths > 0).all()))
        terms = state.array(f"{prefix}.terms", np.int32, (int(lengths.sum()),))
        weights = state.array(f"{prefix}.weights", np.float32, (int(lengths.sum()),))
        if not names:
            return cls([], [], [])
        cuts = np.cumsum(lengths)[:-1]
        parts = np.split(terms, cuts)
        state.check(f"{prefix}.terms", all((np.diff(part) > 0).all() for part in parts))
        return cls(names, parts, np.split(weights, cuts))


class TextScores:
    """What the text says about the target: log-odds, log-probabilities, or a value.

    Attributes
    ----------
    words : TermWeights
        TF-IDF.
    model : Linear
        Fitted on it.
    family : {"logistic", "softmax", "squared"}
        Kind of model.
    """

    def __init__(self, words: TermWeights, model: Linear, family: Family) -> None:
        self.words, self.model, self.family = words, model, family

    @property
    def n_columns(self) -> int:
        """Columns that `transform` returns."""
        return len(self.model.intercept)

    @classmethod
    def fit_transform(
        cls,
        frame: Frame,
        names: Sequence[str],
        y: Array,
        task: Task,
        n_outputs: int,
        seed: int,
        deadline: float,
    ) -> tuple["TextScores", Floats] | None:
        """Fit on training rows and score them out of fold.

        Parameters
        ----------
        frame, y, task, n_outputs, seed, deadline
            As `Encoder.fit_transform` takes them.
        names : sequence of str
            Text features.

        Returns
        -------
        (TextScores, ndarray of shape (n_rows, n_columns), float32) or None
            What was fitted, and the training rows; None where no term is frequent enough or time
            is too short.
        """
        n_scores = n_outputs if task == "multiclass" else 1
        most = min(MOST_TERMS, max(1000, MOST_COEFFICIENTS // n_scores))
        words = TermWeights.fit(frame, names, most)
        if not words.names:
            return None
        kept = _Kept.of(frame, words.names, y, f"{task} {n_outputs} {seed}")
        if kept and (known := kept.load(len(y))):
            return known
        X = words.transform(frame)
        rows = _affordable(X, n_scores, deadline)
        if rows < min(len(y), 1000):
            return None
        family: Family = _FAMILY[task]
        target = (y - y.mean()) / (y.std() or 1.0) if family == "squared" else y
        model, encoded = _fit_folds(X, target, family, n_scores, rows, seed, deadline)
        scores = cls(words, model, family)
        if kept and rows == min(len(y), MOST_ROWS) and time.time() < deadline:
            kept.save(scores, encoded)
        return scores, encoded

    def transform(self, frame: Frame) -> Floats:
        """Score any rows; of shape (n_rows, n_columns), float32."""
        return _scores(self.model, self.family, self.words.transform(frame))

    def state(self, prefix: str) -> dict[str, Any]:
        """Return what was fitted."""
        return {
            **self.words.state(f"{prefix}.words"),
            f"{prefix}.family": self.family,
            f"{prefix}.coefficients": self.model.weights,
            f"{prefix}.intercept": self.model.intercept,
        }

    @classmethod
    def from_state(cls, state: State, prefix: str) -> "TextScores":
        """Rebuild from what `state` returned."""
        words = TermWeights.from_state(state, f"{prefix}.words")
        family = state.word(f"{prefix}.family", STRENGTH)
        intercept = state.array(f"{prefix}.intercept", np.float32, (None,))
        shape = (words.n_columns, len(intercept))
        weights = state.array(f"{prefix}.coefficients", np.float32, shape)
        return cls(words, Linear(weights, intercept), family)  # type: ignore[arg-type]


@contextlib.contextmanager
def keeping(folder: str | Path) -> Iterator[None]:
    """Keep text scores in a folder while encoders are fitted.

    Two encoders of the same rows then fit their text once. Scores that time made worse are not
    kept.

    Parameters
    ----------
    folder : str or Path
        Where; it is made when needed. Anyone who can write there can change the scores.
    """
    token = _FOLDER.set(Path(folder))
    try:
        yield
    finally:
        _FOLDER.reset(token)


@dataclass(frozen=True)
class _Kept:
    """Text scores of some rows on disk."""

    path: Path

    @classmethod
    def of(cls, frame: Frame, names: Sequence[str], y: Array, key: str) -> "_Kept | None":
        """Return the place of the scores of these rows, or None where none are kept."""
        folder = _FOLDER.get()
        if folder is None:
            return None
        digest = hashlib.sha256(key.encode())
        digest.update(np.ascontiguousarray(y).tobytes())
        for name in names:
            flat, lengths = _flatten(column(frame, name))
            digest.update(name.encode() + flat.tobytes() + lengths.tobytes())
        return cls(folder / digest.hexdigest()[:32])

    def load(self, n_rows: int) -> "tuple[TextScores, Floats] | None":
        """Return what was kept, or None."""
        if not self.path.is_dir():
            return None
        state = State.load(self.path, "text")
        scores = TextScores.from_state(state, "text")
        return scores, state.array("rows", np.float32, (n_rows, scores.n_columns))

    def save(self, scores: TextScores, rows: Floats) -> None:
        """Keep scores; who comes first wins."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=".", dir=self.path.parent))
        State({**scores.state("text"), "rows": rows}).save(folder, "text")
        try:
            folder.rename(self.path)
        except OSError:
            shutil.rmtree(folder)


def _fit_folds(
    X: sparse.csr_matrix,
    target: Array,
    family: Family,
    n_scores: int,
    rows: int,
    seed: int,
    deadline: float,
) -> tuple[Linear, Floats]:
    """Return the model of all rows, and what those of the inner folds say of the other rows."""
    folds = inner_folds(len(target), INNER_FOLDS, seed)
    rng = np.random.default_rng(seed)

    def fit(fitted: npt.NDArray[np.intp]) -> Linear:
        if len(fitted) > rows:
            fitted = rng.choice(fitted, rows, replace=False)
        options: dict[str, Any] = {"C": STRENGTH[family], "max_iter": STEPS, "deadline": deadline}
        return fit_linear(X[fitted], target[fitted], family, n_scores, **options)

    encoded = np.empty((len(target), n_scores), dtype=np.float32)
    for fold in range(INNER_FOLDS):
        encoded[folds == fold] = _scores(
            fit(np.flatnonzero(folds != fold)), family, X[folds == fold]
        )
    return fit(np.arange(len(target))), encoded


def _scores(model: Linear, family: Family, X: sparse.csr_matrix) -> Floats:
    """Return log-odds, log-probabilities of the classes, or values."""
    scores = model.scores(X)
    if family == "softmax":
        scores = scores - scores.max(axis=1, keepdims=True)
        scores -= np.log(np.exp(scores).sum(axis=1, keepdims=True))
    return scores


def _affordable(X: sparse.csr_matrix, n_scores: int, deadline: float) -> int:
    """Return how many rows can be fitted, all folds together, in half the time that is left."""
    n_rows = X.shape[0]
    steps = STEPS * (INNER_FOLDS + 1)
    fixed = steps * SECONDS_PER_COEFFICIENT * X.shape[1] * n_scores
    one_row = steps * SECONDS_PER_VALUE * X.nnz * n_scores / max(n_rows, 1)
    left = (deadline - time.time()) / 2 - fixed
    return int(min(n_rows, MOST_ROWS, max(left / max(one_row, 1e-12), 0)))


def _flatten(values: Any) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """Return all hashes of a text column one after another, and how many each row has."""
    lengths = np.array(
        [len(terms) if isinstance(terms, np.ndarray) else 0 for terms in values], dtype=np.int64
    )
    there = [terms for terms in values if isinstance(terms, np.ndarray)]
    flat = np.concatenate(there) if there else np.empty(0, dtype=np.int32)
    return flat, lengths


def _weigh(values: Any, terms: npt.NDArray[np.int32], weights: Floats) -> sparse.csr_matrix:
    """Return the weighted terms of one text column, each row of length 1 or 0."""
    flat, lengths = _flatten(values)
    n_rows = len(lengths)
    places = np.searchsorted(terms, flat)
    places[places == len(terms)] = 0
    known = terms[places] == flat
    rows = np.repeat(np.arange(n_rows), lengths)[known]
    places = places[known].astype(np.int32)
    found = weights[places]
    norms = np.sqrt(np.bincount(rows, weights=found.astype(np.float64) ** 2, minlength=n_rows))
    found /= norms[rows]
    starts = np.zeros(n_rows + 1, dtype=np.int32)
    np.cumsum(np.bincount(rows, minlength=n_rows), out=starts[1:])
    return sparse.csr_matrix((found, places, starts), shape=(n_rows, len(terms)))
