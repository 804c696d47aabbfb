"""Whether the score on served rows, once their truth is known, is worse than at release."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from regatta.dataset.schema import Schema
from regatta.evaluation.baseline import Baseline
from regatta.evaluation.intervals import Resamples
from regatta.evaluation.metrics import get_metric
from regatta.evaluation.scoring import score_all
from regatta.monitoring.reference import codes_of_groups
from regatta.settings import MonitorSettings, RunSettings

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Outcome", "Score", "judge", "measure"]

Array = npt.NDArray[np.float64]
Outcome = Literal["worse", "slipped", "holds", "unsure", "unknown"]

FEWEST_ROWS = 20
"""With fewer rows resamples say nothing about other rows."""


@dataclass(frozen=True)
class Score:
    """The score on the locked rows at release, and on served rows.

    Attributes
    ----------
    outcome : {"worse", "slipped", "holds", "unsure", "unknown"}
        ``worse``: by more than chance and than the settings allow; ``slipped``: by more than
        chance; ``holds``: within the interval at release, and far from a guess; ``unsure``: too few
        rows to tell; ``unknown``: there is no truth.
    then : mapping
        Score, interval and baseline at release.
    now : mapping or None
        The same on served rows; None where there is none.
    lost_lead : float or None
        Share of the lead over a guess that is lost; negative where it has grown.
    n_rows : int
        Rows whose truth is known.
    strange : tuple of str
        Classes in the truth that the model does not know; rows of these are not scored.
    n_strange : int
        Number of these rows.
    unweighted : bool
        Whether rows had weights at release and have none now.
    ungrouped : bool
        Whether whole groups of rows were drawn for the interval at release, and single rows now.
    """

    outcome: Outcome
    then: Mapping[str, Any]
    now: Mapping[str, Any] | None = None
    lost_lead: float | None = None
    n_rows: int = 0
    strange: tuple[str, ...] = ()
    n_strange: int = 0
    unweighted: bool = False
    ungrouped: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


def measure(
    truth: Schema,
    frame: "pd.DataFrame",
    predicted: Array,
    then: Mapping[str, Any],
    settings: RunSettings,
    thresholds: tuple[float, ...] = (),
    *,
    level: float,
) -> Score:
    """Score predictions of served rows, as far as their truth is known.

    Parameters
    ----------
    truth : Schema
        The target, and the weight and the group if any (`Reference.truth`).
    frame : DataFrame of shape (n_rows, n)
        These columns, as far as the table has them, as `regatta.dataset.conform` types them.
    predicted : ndarray of shape (n_rows, n_outputs), float64
        What the bundle says of the rows.
    then : mapping
        The score at release.
    settings : RunSettings
        Thresholds, number of resamples, level of the intervals.
    thresholds : tuple of float
        Of the bundle.
    level : float
        Probability of a false alarm of the score.
    """
    if truth.target not in frame:
        return Score("unknown", then)
    y, strange = _encoded(truth, frame[truth.target])
    weights = truth.weights(frame) if truth.weight in frame else None
    groups = codes_of_groups(truth, frame)
    known = np.isfinite(y)
    if weights is not None:
        known &= np.isfinite(weights) & (weights > 0)
    about: dict[str, Any] = {
        "n_rows": int(known.sum()),
        "strange": tuple(dict.fromkeys(strange))[:5],
        "n_strange": len(strange),
        "unweighted": bool(truth.weight) and weights is None,
        "ungrouped": bool(truth.group) and groups is None,
    }
    if not known.any():
        return Score("unknown", then, **about)
    y, predicted = y[known], predicted[known]
    weights = None if weights is None else weights[known] / weights[known].mean()
    groups = None if groups is None else groups[known]
    now = _score(truth, y, predicted, str(then["key"]), settings, thresholds, weights, groups)
    if now is None:
        return Score("unsure", then, **about)
    if len(y) < FEWEST_ROWS:
        now |= {"low": None, "high": None}
    outcome, lost = judge(then, now, settings.monitor, level=level)
    return Score(outcome, then, now, lost, **about)


def judge(
    then: Mapping[str, Any], now: Mapping[str, Any], settings: MonitorSettings, *, level: float
) -> tuple[Outcome, float | None]:
    """Compare two scores of different rows.

    Parameters
    ----------
    then, now : mapping
        ``score``, ``low``, ``high``, ``confidence``, ``baseline``, ``greater_is_better``.
    settings : MonitorSettings
        What may be lost.
    level : float
        Probability that an unchanged score looks worse.

    Returns
    -------
    str
        See `Score`; never ``unknown``.
    float or None
        Share of the lead over a guess that is lost; None where there was none.

    References
    ----------
    G. Zou and A. Donner, "Construction of confidence limits about effect measures", *Statistics in
    Medicine* 27, 2008, for the interval of a difference from those of its parts. We differ in that
    the parts are widened, as if they were normal, to that level.
    """
    sign = -1.0 if then["greater_is_better"] else 1.0
    ends = ("high", "low") if then["greater_is_better"] else ("low", "high")
    first, second, guess = sign * then["score"], sign * now["score"], then["baseline"]
    lost, lead = second - first, 0.0 if guess is None else sign * guess - first
    share = lost / lead if lead > 0 else None
    if None in (then["low"], now["low"]):
        return "unsure", share
    worst_then, (best_now, worst_now) = sign * then[ends[1]], [sign * now[end] for end in ends]
    errors = (
        (second - best_now) / _deviations(now["confidence"]),
        (worst_then - first) / _deviations(then["confidence"]),
    )
    if lost > NormalDist().inv_cdf(1 - level) * float(np.hypot(*errors)):
        return ("slipped" if share is not None and share < settings.lost_lead else "worse"), share
    holds = share is not None and second <= worst_then and worst_now - first < lead / 2
    return ("holds" if holds else "unsure"), share


def _deviations(confidence: float) -> float:
    """Return half the width of a normal interval in standard deviations."""
    return NormalDist().inv_cdf((1 + confidence) / 2)


def _encoded(truth: Schema, values: "pd.Series[Any]") -> tuple[Array, list[str]]:
    """Return codes or values, NaN where they are not known, and the classes that are strange."""
    if truth.task == "regression":
        return truth.encode_target(values), []
    return truth.class_codes(values)


def _score(
    truth: Schema,
    y: Array,
    predicted: Array,
    key: str,
    settings: RunSettings,
    thresholds: tuple[float, ...],
    weights: Array | None,
    groups: npt.NDArray[np.int64] | None,
) -> dict[str, Any] | None:
    """Score rows by the metric of the release; None where it is not defined on them."""
    metric, n_outputs = get_metric(key, truth.task), truth.n_outputs
    if metric.of_logarithms and y.min() <= -1:
        return None
    guess = Baseline.fit(y, truth.task, n_outputs, key, weights)
    resamples = Resamples.plan(
        y,
        truth.task,
        wanted=settings.evaluate.resamples,
        seed=settings.seed,
        n_outputs=n_outputs,
        row_weights=weights,
        groups=groups,
    )
    rows = score_all(
        [metric],
        y,
        predicted,
        guess.predict(len(y)),
        resamples=resamples,
        confidence=settings.evaluate.confidence,
        thresholds=thresholds,
    )
    return {**rows[0], "confidence": settings.evaluate.confidence} if rows else None
