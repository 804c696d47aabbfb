r"""How the predictions of all models become one.

Values are averaged. Probabilities are pooled log-linearly: with the share :math:`s_m` of model
:math:`m`,

.. math:: p_c \propto \exp\Big(b_c + a \textstyle\sum_m s_m \log p_{mc}\Big).

The average of probabilities is less sure than each of them, even where every one is calibrated
(Ranjan and Gneiting, 2010). The mean of logarithms is not, and the slope :math:`a` and the biases
:math:`b` can be learnt from out-of-fold predictions, which calibrates the pool (Satopää et al.,
2014).

References
----------
.. [1] R. Ranjan, T. Gneiting, Combining probability forecasts, JRSS B 72, 2010.
.. [2] V. Satopää et al., Combining multiple probability predictions using a simple logit model,
   International Journal of Forecasting 30, 2014.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from regatta.features.glm import softmax

__all__ = ["LINEAR", "Pooling"]

Array = npt.NDArray[np.float64]

# No model is surer than this, so that one alone cannot rule a class out.
LEAST_PROBABILITY = 1e-6


@dataclass(frozen=True)
class Pooling:
    """How the predictions of all models become one.

    Attributes
    ----------
    kind : {"linear", "log"}
        Whether predictions or their logarithms are averaged.
    slope : float, default 1
        What the mean of logarithms is multiplied by; above 1 the pool is surer.
    bias : tuple of float, default ()
        What is added to each class afterwards; empty: nothing.
    """

    kind: Literal["linear", "log"] = "linear"
    slope: float = 1.0
    bias: tuple[float, ...] = ()

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Pooling":
        """Read what `to_dict` returned.

        Raises
        ------
        ValueError, TypeError, KeyError
            It is something else.
        """
        found = cls(
            values["kind"], float(values["slope"]), tuple(float(value) for value in values["bias"])
        )
        if found.kind not in ("linear", "log") or not np.isfinite([found.slope, *found.bias]).all():
            raise ValueError(f"unknown pooling {values!r}")
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {**asdict(self), "bias": list(self.bias)}

    def terms(self, predicted: npt.NDArray[np.floating]) -> npt.NDArray[Any]:
        """Return what is averaged over models, of the shape of one model's predictions."""
        if self.kind == "linear":
            return predicted
        logs: npt.NDArray[Any] = np.log(np.clip(predicted, LEAST_PROBABILITY, 1))
        return logs

    def pool(self, averaged: npt.NDArray[np.floating]) -> Array:
        """Turn averaged terms into predictions.

        Parameters
        ----------
        averaged : ndarray of shape (n_rows, n_outputs), float
            Mean of `terms`, by the models' shares.

        Returns
        -------
        ndarray of shape (n_rows, n_outputs), float64
            Probabilities that add up to 1, or values.
        """
        if self.kind == "linear":
            return np.asarray(averaged, dtype=np.float64)
        scores = self.slope * averaged.astype(np.float64)
        return softmax(scores + np.array(self.bias) if self.bias else scores)


LINEAR = Pooling("linear")
"""The plain weighted mean."""
