"""What follows from the drift and from the score, with the reasons in words."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from regatta.evaluation.report.words import number, percent
from regatta.monitoring.drift import Drift
from regatta.monitoring.score import Score
from regatta.settings import MonitorSettings

__all__ = ["DECISIONS", "Decision", "Verdict", "decide"]

Decision = Literal["steady", "drifted", "retrain"]
DECISIONS: tuple[Decision, ...] = ("steady", "drifted", "retrain")
"""From the best to the worst."""
NAMED = 3


@dataclass(frozen=True)
class Verdict:
    """What to do.

    Attributes
    ----------
    decision : {"steady", "drifted", "retrain"}
        ``steady``: nothing; ``drifted``: have a look; ``retrain``: train the model again.
    reasons : tuple of str
        Sentences, the decisive one first; never empty.
    """

    decision: Decision
    reasons: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {"decision": self.decision, "reasons": list(self.reasons)}


def decide(
    columns: Sequence[Drift], predictions: Drift, score: Score, settings: MonitorSettings
) -> Verdict:
    """Weigh what was found.

    A score that is worse decides. One that holds says that the drift does no harm so far. Without
    either, drifted columns count by their importance.

    Parameters
    ----------
    columns : sequence of Drift
        All columns that were compared.
    predictions : Drift
        The predictions.
    score : Score
        The score then and now.
    settings : MonitorSettings
        The thresholds.
    """
    moved = [column for column in columns if column.drifted]
    weight = sum(column.importance or 0.0 for column in moved)
    worse = score.outcome == "worse"
    heavy = bool(moved) and weight >= settings.importance and score.outcome != "holds"
    reasons = [*_of_score(score, bool(moved)), *_of_columns(moved, weight, settings)]
    if heavy and not worse:
        reasons.reverse()
    if predictions.drifted:
        reasons.append(
            f"The predictions have moved (index {number(predictions.psi)}, "
            f"by chance up to {number(predictions.by_chance)})."
        )
    if score.n_strange:
        named, verb = ", ".join(score.strange), "is" if score.n_strange == 1 else "are"
        reasons.append(
            f"{_rows(score.n_strange)} {verb} of classes that the model does not know: {named}."
        )
    if worse or heavy:
        return Verdict("retrain", tuple(reasons))
    if moved or predictions.drifted or score.n_strange or score.outcome == "slipped":
        return Verdict("drifted", tuple(reasons))
    return Verdict("steady", (*_quiet(columns), *reasons))


def _of_score(score: Score, any_moved: bool) -> list[str]:
    """Say what the score says."""
    if score.now is None:
        return []
    label, digits = score.then["label"], 4
    values = (
        f"The {label} on {_rows(score.n_rows)} is {number(score.now['score'], digits)}; "
        f"at release it was {number(score.then['score'], digits)}"
    )
    lost = "" if score.lost_lead is None else f": {percent(score.lost_lead)} of its lead is lost"
    said = {
        "worse": f", and it is worse by more than chance{lost}",
        "slipped": f". It is worse by more than chance, but not by much{lost}",
        "holds": ". It holds" + (", so the drift has done no harm yet" if any_moved else ""),
        "unsure": ". These rows are too few to tell whether it holds",
    }
    return [f"{values}{said[score.outcome]}."]


def _of_columns(moved: Sequence[Drift], weight: float, settings: MonitorSettings) -> list[str]:
    """Say which columns have drifted, and what they are worth."""
    if not moved:
        return []
    ranked = sorted(moved, key=lambda column: -(column.importance or 0.0))
    named = ", ".join(f"{column.name!r}" for column in ranked[:NAMED])
    more = f" and {len(ranked) - NAMED} more" if len(ranked) > NAMED else ""
    one = len(ranked) == 1
    verb, has = ("has", "It has") if one else ("have", "Together they have")
    least = percent(settings.importance)
    enough = f"{least} is enough" if weight >= settings.importance else f"{least} would be enough"
    return [
        f"{named}{more} {verb} drifted. {has} {percent(weight)} of the importance of all columns; "
        f"{enough} to train again."
    ]


def _quiet(columns: Sequence[Drift]) -> list[str]:
    """Say that nothing has drifted."""
    one = len(columns) == 1
    what = (
        "The one column has not drifted" if one else f"None of {len(columns)} columns has drifted"
    )
    return [f"{what} by more than chance, nor have the predictions."]


def _rows(count: int) -> str:
    return f"{number(count)} {'row' if count == 1 else 'rows'}"
