"""The logarithm of a target: for values whose spread grows with their size, such as prices."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from regatta.artifacts.state import State
from regatta.learners.base import Array, FitData, Matrix, Model

__all__ = ["FILE", "LOGARITHM", "SCALES", "LogModel", "is_skewed", "to_logarithm"]

LOGARITHM = {"target": "log"}
"""What a recipe has among its parameters to learn the logarithm."""
SCALES = ("plain", "log")
"""What the parameter may be, for every learner of a regression."""
FILE = "target"
FACTOR = "target_factor"
"""Parameter of a fit without validation rows: the factor that those of the folds have found."""
# Beyond, the exponential is infinite.
LARGEST_LOGARITHM = 700.0

# Skewness from which values are skewed, and the share of it that the logarithm must take away.
SKEWED, TAKEN = 1.0, 0.5
# Predictions may lie beyond the training values by this share of their range.
BEYOND = 0.1


class LogModel(Model):
    """A model of the logarithm that predicts the value.

    Parameters
    ----------
    inner : Model
        Predicts the logarithm.
    learner : str
        Key of its learner.
    shift : float
        Added to values before the logarithm is taken.
    bounds : ndarray of shape (2,), float64
        Least and greatest logarithm that is believed.
    factor : float
        The mean is above what the logarithms' mean says; this makes up for it.

    References
    ----------
    N. Duan, Smearing estimate: a nonparametric retransformation method, JASA 78 (1983). We differ
    by one factor fitted by least squares on the validation rows.
    """

    def __init__(
        self, inner: Model, learner: str, shift: float, bounds: Array, factor: float
    ) -> None:
        self.inner, self.learner = inner, learner
        self.shift, self.bounds, self.factor = shift, bounds, factor
        self.truncated = inner.truncated
        self.learnt = None if inner.learnt is None else {**inner.learnt, FACTOR: factor}

    def predict(self, X: Matrix) -> Array:
        """Predict encoded rows (see `Model.predict`)."""
        inside = np.clip(self.inner.predict(X), *self.bounds)
        value: Array = self.factor * (np.exp(inside) - self.shift)
        return value

    def save(self, folder: Path) -> None:
        """Write the inner model, and ``target.json`` with ``target.npz``."""
        self.inner.save(folder)
        numbers = np.array([self.shift, self.factor, *self.bounds], dtype=np.float64)
        State({"learner": self.learner, "numbers": numbers}).save(folder, FILE)

    @classmethod
    def load(cls, folder: Path) -> "LogModel":
        """Read what `save` wrote (see `Model.load`)."""
        # The list of learners knows this module.
        from regatta.learners import LEARNERS

        state = State.load(folder, FILE)
        learner = state.word("learner", tuple(LEARNERS))
        numbers = state.array("numbers", np.float64, (4,))
        state.check("numbers", bool(numbers[2] <= numbers[3] < LARGEST_LOGARITHM))
        inner = LEARNERS[learner].model.load(folder)
        return cls(inner, learner, float(numbers[0]), numbers[2:], float(numbers[1]))

    @classmethod
    def fitted(
        cls,
        inner: Model,
        learner: str,
        data: FitData,
        factor: float | None = None,
        shift: float | None = None,
    ) -> "LogModel":
        """Wrap a model that was fitted on what `to_logarithm` returned.

        Parameters
        ----------
        inner : Model
            Predicts the logarithm.
        learner : str
            Key of its learner.
        data : FitData
            Rows with their values.
        factor : float, optional
            What makes up for the mean; by default it is found by the validation rows. A median of
            logarithms is the logarithm of the median: then it is 1.
        shift : float, optional
            As that of `to_logarithm`.
        """
        shift = _shift(data.y) if shift is None else shift
        factor = 1.0 if data.median else factor
        logs = np.log(data.y + shift)
        room = BEYOND * (logs.max() - logs.min())
        bounds = np.array([logs.min() - room, logs.max() + room])
        model = cls(inner, learner, shift, bounds, factor or 1.0)
        if factor is not None:
            return model
        predicted = model.predict(data.X_valid)[:, 0]
        # Squared errors count what their rows weigh.
        weights = data.weights_valid
        weighed = predicted if weights is None else predicted * weights
        square = float(np.dot(weighed, predicted))
        if square > 0:
            # Few validation rows must not turn a prediction round.
            ratio = float(np.dot(weighed, data.y_valid)) / square
            return cls(inner, learner, shift, bounds, float(np.clip(ratio, 0.5, 2.0)))
        return model


def to_logarithm(data: FitData, shift: float | None = None) -> FitData:
    """Return rows with the logarithm of their values.

    Parameters
    ----------
    data : FitData
        Rows of a regression.
    shift : float, optional
        What is added before; by default nothing where all values are positive, else what makes
        them so in keeping with their size.
    """
    shift, least = _shift(data.y) if shift is None else shift, data.y.min()
    valid = np.log(np.maximum(data.y_valid, least) + shift)
    return replace(data, y=np.log(data.y + shift), y_valid=valid)


def is_skewed(y: Array) -> bool:
    """Return whether a logarithm makes values a good deal more even.

    Parameters
    ----------
    y : ndarray of shape (n_rows,), float64
        Values.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> is_skewed(np.exp(rng.normal(size=1000))), is_skewed(rng.normal(size=1000))
    (True, False)
    """
    skew = _skewness(y)
    return skew > SKEWED and abs(_skewness(np.log(y + _shift(y)))) < TAKEN * skew


def _shift(y: Array) -> float:
    """Return what makes all values positive: nothing if they are, else one more than the least.

    Of rates and of other small numbers a logarithm of one and something is a straight line: for
    these it is what a quarter of the greater values do not exceed.
    """
    least = float(y.min())
    if least > 0:
        return 0.0
    greater = y[y > least] - least
    return float(min(1.0, np.quantile(greater, 0.25))) - least if len(greater) else 1.0 - least


def _skewness(y: Array) -> float:
    """Return the third standardised moment; 0 where nothing varies."""
    centred = y - y.mean()
    spread = float(np.sqrt(np.mean(centred**2)))
    return float(np.mean(centred**3)) / spread**3 if spread > 0 else 0.0
