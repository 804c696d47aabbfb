"""The leaderboard: every trial of every lane, best first, failures last."""

from collections import Counter
from typing import Any

from regatta.artifacts.records import TrialRecord, lacking
from regatta.ensemble.candidates import Race
from regatta.ensemble.select import Selection
from regatta.errors import BudgetError, RegattaError, SearchError
from regatta.evaluation.metrics import Metric

__all__ = ["leaderboard", "nothing_succeeded"]


def leaderboard(race: Race, selection: Selection, metric: Metric) -> dict[str, Any]:
    """Return what ``leaderboard.json`` holds.

    Parameters
    ----------
    race : Race
        All trials.
    selection : Selection
        The ensemble.
    metric : Metric
        What the trials are ranked by.

    Returns
    -------
    dict
        ``metric``, ``greater_is_better``; ``trials``: one record a trial with its ``rank`` (None
        for a failure) and its ``weight`` in the ensemble; ``ensemble``: ``score`` and
        ``members``; ``counts`` by status; ``lanes``.
    """

    def order(record: TrialRecord) -> tuple[bool, bool, int, float, int, int, str]:
        failed = record.status != "ok" or record.score is None
        loss = 0.0 if record.score is None else metric.loss(record.score)
        # The number before the lane: where trials have one of the race, lanes change nothing.
        place = record.number, record.lane, record.id
        return failed, *lacking(record, n_folds), loss, *place

    n_folds = race.n_folds
    weights = {trial.record.id: weight for trial, weight in selection.members}
    ranked = sorted((trial.record for trial in race.trials), key=order)
    rows = []
    for rank, record in enumerate(ranked, start=1):
        done = record.status == "ok"
        weight = weights.get(record.id, 0.0)
        rows.append({"rank": rank if done else None, **record.to_dict(), "weight": weight})
    return {
        "metric": metric.key,
        "greater_is_better": metric.greater_is_better,
        "trials": rows,
        "ensemble": {
            "score": selection.score,
            "members": [
                {"id": trial.record.id, "weight": weight} for trial, weight in selection.members
            ],
        },
        "counts": dict(sorted(Counter(record.status for record in ranked).items())),
        "lanes": list(race.lanes),
    }


def nothing_succeeded(race: Race, budget_seconds: float) -> RegattaError:
    """Return the error that says why there is no model.

    Parameters
    ----------
    race : Race
        All trials, none of them with a model.
    budget_seconds : float
        Budget of the run.

    Returns
    -------
    BudgetError or SearchError
        The former when time was all that was wanting.
    """
    records = [trial.record for trial in race.trials]
    lost = [lane["lost"] for lane in race.lanes if lane.get("lost")]
    if not lost and all(record.status == "timeout" for record in records):
        least = max((int(lane.get("least_budget", 0)) for lane in race.lanes), default=0)
        # An estimate that the budget has already met was too low.
        least = max(least, round(1.5 * budget_seconds) if records else 0, int(budget_seconds) + 1)
        return BudgetError(
            f"the budget of {budget_seconds:g} s left no time to finish a trial",
            expected=f"at least {least} s for this table",
            fix=f"use --budget {least}s or more",
        )
    reasons = Counter(f"{record.status}: {record.reason}" for record in records)
    reasons.update(f"lane lost: {reason}" for reason in lost)
    shown = "; ".join(
        f"{reason} ({count} x)" if count > 1 else reason for reason, count in reasons.most_common(3)
    )
    return SearchError(
        f"none of {len(records)} trials gave a model: {shown}",
        expected="at least one",
        fix="look at the reasons; more memory or a longer --budget helps against limits",
    )
