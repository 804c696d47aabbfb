"""Whether the new model shall replace the one in service."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from regatta.evaluation.intervals import Interval, Resamples
from regatta.evaluation.metrics import Metric
from regatta.evaluation.scoring import decided, difference

__all__ = ["Verdict", "compare", "first", "incomparable", "unfair"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Verdict:
    """What shall become of the new model.

    Attributes
    ----------
    decision : {"promote", "keep"}
        Promote the new model, or keep the champion.
    reason : str
        One sentence for people.
    compared : bool
        Whether both were scored on the same locked rows.
    rows : int
        Number of those rows: locked now, and not trained on by the champion either.
    champion : float or None
        Score of the champion on them.
    gain : Interval or None
        How much better the new model is, in the metric's unit, positive where it is better.
    """

    decision: Literal["promote", "keep"]
    reason: str
    compared: bool = False
    rows: int = 0
    champion: float | None = None
    gain: Interval | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


def first() -> Verdict:
    """Return the verdict where no champion was given."""
    return Verdict("promote", "It was not compared with a model in service.")


def unfair(reason: str) -> Verdict:
    """Return the verdict on a champion that cannot be measured on the same rows.

    Parameters
    ----------
    reason : str
        Why, as the end of a sentence.
    """
    return Verdict("promote", f"The champion cannot be compared: {reason}.")


def incomparable(
    champion: Any,
    *,
    task: str,
    target: str,
    classes: Sequence[str],
    columns: Sequence[str],
) -> Verdict | None:
    """Find out whether a champion can be measured on the locked rows at all.

    Parameters
    ----------
    champion : Bundle
        The bundle in service.
    task, target : str
        What the new model predicts.
    classes : sequence of str
        Its class labels.
    columns : sequence of str
        Names of the columns of the table.

    Returns
    -------
    Verdict or None
        None if it can be. A champion that predicts something else is kept: whoever calls its
        service expects that. One that needs columns that are no more cannot defend its place.
    """
    if (champion.task, champion.target, set(champion.classes)) != (task, target, set(classes)):
        return Verdict(
            "keep",
            f"The champion predicts something else ({champion.task} of {champion.target!r}); "
            "promote by hand if the new model shall take its place.",
        )
    gone = [column.name for column in champion.signature if column.name not in columns]
    if gone:
        return unfair(f"it needs {_some(gone)}, which the table no longer has")
    return None


def compare(
    metric: Metric,
    y_true: Array,
    new: Array,
    champion: Any,
    old: Array,
    *,
    classes: Sequence[str],
    resamples: Resamples,
    confidence: float,
    thresholds: Sequence[float] = (),
) -> Verdict:
    """Score the champion on the rows that the new model was scored on, and decide.

    Parameters
    ----------
    metric : Metric
        What decides.
    y_true : ndarray of shape (n_rows,), float64
        Class codes or values.
    new : ndarray of shape (n_rows, n_outputs), float64
        Predictions of the new model.
    champion : Bundle
        The bundle in service; `incomparable` returned None for it.
    old : ndarray of shape (n_rows, n_outputs), float64
        What it says of the rows, its own classes in their order.
    classes : sequence of str
        Class labels of the new model; the champion's outputs are put in their order.
    resamples, confidence
        For the interval of the difference, and what the rows weigh.
    thresholds : sequence of float, default ()
        Of the new model.

    Returns
    -------
    Verdict
        ``promote`` if the new model is better, by however little: at equal expectation the one
        trained on newer rows is the better bet. The reason says whether the difference is sure.
    """
    if classes:
        old = old[:, [list(champion.classes).index(label) for label in classes]]
    if metric.by_label:
        limits = dict(zip(champion.classes, champion.thresholds, strict=False))
        old = decided(old, [limits[label] for label in classes] if limits else ())
        new = decided(new, thresholds)
    gain = difference(metric, y_true, new, old, resamples=resamples, confidence=confidence)
    score = metric.score(y_true, old, resamples.row_weights)
    better = gain.score is not None and gain.score > 0
    sure = gain.low is not None and gain.high is not None and (gain.low > 0 or gain.high < 0)
    chance = "more than chance would give" if sure else "within what chance would give"
    is_better = "is better" if better else "is not better"
    reason = (
        f"The new model {is_better} than the champion on the same rows; the difference is {chance}."
    )
    return Verdict(
        "promote" if better else "keep",
        reason,
        compared=True,
        rows=len(y_true),
        champion=float(score) if np.isfinite(score) else None,
        gain=gain,
    )


def _some(names: Sequence[str]) -> str:
    """Name at most five things."""
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(repr(name) for name in names[:5]) + more
