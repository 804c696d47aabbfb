"""The leaderboard as rows of a table."""

from collections.abc import Mapping
from typing import Any

from regatta.evaluation.report.words import duration, learner, number, size

__all__ = ["STATUS", "race"]

SHOWN = 25
FAILURES = 15

STATUS = {
    "ok": "done",
    "stopped": "given up",
    "skipped": "not tried",
    "timeout": "out of time",
    "out_of_memory": "out of memory",
    "crashed": "crashed",
    "raised": "raised an exception",
    "bad_values": "bad predictions",
}


def race(trials: Mapping[str, Any], greater_is_better: bool) -> dict[str, Any]:
    """Prepare the leaderboard.

    Parameters
    ----------
    trials : mapping
        What leaderboard.json holds: ``trials``, a list of trial records, each with its ``weight``
        in the ensemble.
    greater_is_better : bool
        Direction of the score.

    Returns
    -------
    dict
        ``done`` and ``failed``: rows; ``more_done``, ``more_failed``: how many are not shown;
        ``n_done``, ``n_failed``.
    """
    every = list(trials["trials"])
    done = [t for t in every if t["status"] == "ok" and t.get("score") is not None]
    done.sort(key=lambda t: t["score"], reverse=greater_is_better)
    failed = [t for t in every if t["status"] != "ok" or t.get("score") is None]
    scores = [t["score"] for t in done]
    digits = _digits(scores)
    return {
        "done": [_row(place, t, digits) for place, t in enumerate(done[:SHOWN], start=1)],
        "failed": [_failure(t) for t in failed[:FAILURES]],
        "n_done": len(done),
        "n_failed": len(failed),
        "more_done": max(0, len(done) - SHOWN),
        "more_failed": max(0, len(failed) - FAILURES),
    }


def _digits(scores: list[float]) -> int | None:
    """Return the digits that tell the scores apart."""
    if len(scores) < 2 or scores[0] == scores[-1]:
        return None
    spread = abs(scores[0] - scores[-1])
    digits = 0
    while spread < 100 and digits < 5:
        spread, digits = spread * 10, digits + 1
    return digits


def _row(place: int, trial: Mapping[str, Any], digits: int | None) -> dict[str, Any]:
    folds = [score for score in trial.get("fold_scores") or () if score is not None]
    return {
        "place": place,
        "learner": learner(trial["recipe"]["learner"]),
        "id": trial["id"],
        "score": number(trial["score"], digits),
        "folds": f"{number(min(folds), digits)} – {number(max(folds), digits)}" if folds else "–",
        "weight": trial.get("weight") or 0.0,
        "seconds": duration(trial.get("seconds")),
        "memory": size(trial.get("peak_memory_bytes") or None),
        "model": size(trial.get("model_bytes") or None),
        "row": _micro(trial.get("predict_seconds_per_row")),
        "truncated": bool(trial.get("truncated")),
        "params": _params(trial["recipe"].get("params") or {}),
    }


def _failure(trial: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": trial["id"],
        "learner": learner(trial["recipe"]["learner"]),
        "status": STATUS.get(trial["status"], trial["status"]),
        "reason": str(trial.get("reason") or "no reason recorded")[:400],
        "seconds": duration(trial.get("seconds")),
    }


def _micro(seconds: float | None) -> str:
    return f"{number(seconds * 1e6, 0 if seconds > 1e-5 else 1)}\u202fµs" if seconds else "–"


def _params(params: Mapping[str, Any]) -> str:
    """Write parameters in one line."""
    return ", ".join(
        f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}"
        for key, value in params.items()
    )
