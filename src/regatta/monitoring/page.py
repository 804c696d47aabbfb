"""The drift report as one HTML page without scripts, like that of an evaluation."""

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from regatta.evaluation.report import words
from regatta.evaluation.report.environment import environment

__all__ = ["render"]

SHOWN = 40
PICTURES = 6
TONES = {"steady": "use", "drifted": "check", "retrain": "stop"}
HEADLINES = {
    "steady": "The rows are like those it was trained on. <em>Nothing to do.</em>",
    "drifted": "The rows have changed. <em>Have a look.</em>",
    "retrain": "The rows have changed too much. <em>Train it again.</em>",
    "worse": "It predicts worse than at release. <em>Train it again.</em>",
    "slipped": "It predicts a little worse than at release. <em>Have a look.</em>",
}
NEXT = {
    "steady": "Go on",
    "drifted": "Look at what has changed",
    "retrain": "Train it again on newer rows",
}


def render(values: Mapping[str, Any]) -> str:
    """Draw the drift report.

    Parameters
    ----------
    values : mapping
        What drift.json holds.

    Returns
    -------
    str
        A self-contained HTML document.
    """
    columns, score = values["columns"], values["score"]
    decision = values["verdict"]["decision"]
    moved = [column for column in columns if column["drifted"]]
    heavy = decision == "retrain" and score["outcome"] != "worse"
    drawn = [*moved[:PICTURES], *([values["predictions"]] if values["predictions"]["bins"] else [])]
    headline = score["outcome"] if score["outcome"] in HEADLINES and not heavy else decision
    return (
        environment("regatta.monitoring")
        .get_template("drift.html.j2")
        .render(
            v=values,
            decision=decision,
            headline=Markup(HEADLINES[headline]),
            tone=TONES[decision],
            next=NEXT[decision],
            moved=moved,
            moved_importance=sum(column["importance"] or 0.0 for column in moved),
            rows=columns[:SHOWN],
            more=max(0, len(columns) - SHOWN),
            scores=_scores(score),
            pictures=[_picture(column, values) for column in drawn],
        )
    )


def _scores(score: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Write the scores at release and now; empty where there is no truth."""
    if score["now"] is None:
        return []
    both = (("at release", score["then"]), ("on these rows", score["now"]))
    return [
        {"when": when, "bounded": row["low"] is not None, **words.score_texts(row)}
        for when, row in both
    ]


def _picture(column: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Place the shares of a column's bins before and after on one scale."""
    top = max(max(before, after) for _, before, after in column["bins"]) or 1.0

    def place(share: float) -> str:
        return f"{100 * share / top:.2f}%"

    of_predictions = column is values["predictions"]
    return {
        "name": _said(values) if of_predictions else words.name(column["name"]),
        "psi": words.number(column["psi"]),
        "high": words.percent(top),
        "rows": [
            {
                "label": label,
                "before": words.percent(before),
                "after": words.percent(after),
                "before_at": place(before),
                "after_at": place(after),
                "from": place(min(before, after)),
                "width": place(abs(after - before)),
            }
            for label, before, after in column["bins"]
        ],
    }


def _said(values: Mapping[str, Any]) -> Markup:
    """Name what is counted of the predictions."""
    if values["task"] == "binary":
        label = words.name(values["classes"][1], 32)
        return Markup("Predicted probability of {}").format(label)
    return Markup("Predicted {}").format(words.name(values["target"], 32))
