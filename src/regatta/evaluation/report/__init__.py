"""One HTML page for everybody: what won, how sure are we, why, what to do next.

`render` is a function of the two JSON files of an evaluation, so a page can be drawn again.
The page is one file without scripts. It is read in a frame of 447 x 598 pixels in the KFP
dashboard as often as on a full screen, and opened from there at the dashboard's own origin: every
value is escaped, and a content security policy in the page forbids scripts and network besides.
"""

import math
from collections.abc import Mapping
from typing import Any

from regatta.evaluation.report import charts, words
from regatta.evaluation.report.advice import advise, skill
from regatta.evaluation.report.environment import environment
from regatta.evaluation.report.race import race

__all__ = ["render"]

BARS = 12


def render(values: Mapping[str, Any], trials: Mapping[str, Any]) -> str:
    """Draw the report.

    Parameters
    ----------
    values : mapping
        What evaluation.json holds.
    trials : mapping
        What leaderboard.json holds.

    Returns
    -------
    str
        A self-contained HTML document.
    """
    metric = values["metric"]
    advice = advise(values, trials)
    return (
        environment(__name__)
        .get_template("report.html.j2")
        .render(
            v=values,
            headline=words.headline(values),
            sure=words.sureness(metric),
            score=words.score_texts(metric),
            strip=_strip(metric),
            scores=[_score_row(row) for row in values["scores"]],
            members=words.members(values["members"]),
            importance=_importance(values["importance"]),
            profiles=[_profile(profile) for profile in values["pictures"]["profiles"]],
            advice=advice,
            race=race(trials, metric["greater_is_better"]),
            pictures=_pictures(values),
            confusion=_confusion(values["pictures"].get("confusion")),
            settings=sorted(_flat(values["settings"])),
        )
    )


def _place(share: float | None) -> str:
    """Turn a position on a scale into a CSS length, kept on the scale."""
    return f"{100 * min(max(share or 0.0, 0.0), 1.0):.2f}%"


def _strip(row: Mapping[str, Any]) -> dict[str, str] | None:
    """Place a score and its interval between the baseline (0) and perfection (1)."""
    at = skill(row)
    if at is None:
        return None
    ends = [skill(row, "low"), skill(row, "high")]
    low, high = sorted(at if end is None else end for end in ends)
    return {
        "at": _place(at),
        "low": _place(low),
        "width": f"{100 * (min(max(high, 0.0), 1.0) - min(max(low, 0.0), 1.0)):.2f}%",
        "skill": words.percent(at),
    }


def _score_row(row: Mapping[str, Any]) -> dict[str, Any]:
    better = "higher is better" if row["greater_is_better"] else "lower is better"
    return {
        "label": row["label"],
        "better": better,
        "strip": _strip(row),
        "sure": words.sureness(row),
        "bounded": row["low"] is not None,
        **words.score_texts(row),
    }


def _importance(found: Mapping[str, Any]) -> dict[str, Any]:
    """Scale the most important columns to the first; fold those that add nothing."""
    useful = [column for column in found["columns"] if column["loss"] > 0]
    top = useful[0]["loss"] if useful else 1.0
    total = sum(column["loss"] for column in useful) or 1.0
    digits = max(0, 2 - math.floor(math.log10(top))) if top < 1000 else 0
    digits = min(digits, 5)
    return {
        "rows": [
            {
                "name": column["name"],
                "width": _place(column["loss"] / top),
                "share": words.percent(column["loss"] / total),
                "loss": words.number(column["loss"], digits),
                "spread": words.number(column["spread"], digits),
            }
            for column in useful[:BARS]
        ],
        "more": max(0, len(useful) - BARS),
        "idle": [column["name"] for column in found["columns"] if column["loss"] <= 0],
        "unmeasured": found["unmeasured"],
        "n_rows": found["n_rows"],
        "repeats": found["repeats"],
    }


def _profile(profile: Mapping[str, Any]) -> dict[str, Any]:
    """Place the means along one column on a scale of their own; that of shares begins at 0."""
    write = words.percent if profile["of"] else words.number
    every = [*profile["actual"], *profile["predicted"]]
    low, high = (0.0, max(every)) if profile["of"] else (min(every), max(every))
    span = (high - low) or 1.0
    rows = zip(
        profile["labels"], profile["actual"], profile["predicted"], profile["count"], strict=True
    )
    return {
        "column": profile["column"],
        "low": write(low),
        "high": write(high),
        "rows": [
            {
                "label": label,
                "actual": write(actual),
                "predicted": write(predicted),
                "actual_at": _place((actual - low) / span),
                "predicted_at": _place((predicted - low) / span),
                "from": _place((min(actual, predicted) - low) / span),
                "width": _place(abs(actual - predicted) / span),
                "count": words.number(count),
            }
            for label, actual, predicted, count in rows
        ],
    }


def _pictures(values: Mapping[str, Any]) -> dict[str, Any]:
    """Draw the charts of the task."""
    found = values["pictures"]
    if values["task"] == "regression":
        return {
            "scatter": charts.scatter(found["residuals"], values["target"]),
            "errors": charts.errors(found["residuals"]),
        }
    drawn: dict[str, Any] = {"calibration": charts.calibration(found["calibration"])}
    if found["roc"][0]["curve"]:
        drawn["roc"] = charts.roc(found["roc"])
        drawn["pr"] = charts.precision_recall(found["pr"])
        drawn["labels"] = [one["label"] for one in found["roc"]]
        drawn["at_ten"] = _found_at(found["roc"][0]["curve"], 0.1)
    return drawn


def _found_at(curve: Mapping[str, Any], alarms: float) -> float:
    """Return the share found at a share of false alarms."""
    reached = [t for f, t in zip(curve["fpr"], curve["tpr"], strict=True) if f <= alarms]
    return float(max(reached))


def _confusion(found: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Add shares of each row, and how well each class is found."""
    if not found:
        return None
    rows = []
    said = [sum(column) for column in zip(*found["matrix"], strict=True)]
    for place, (label, counts) in enumerate(zip(found["labels"], found["matrix"], strict=True)):
        total = sum(counts)
        shares = [count / total if total else 0.0 for count in counts]
        rows.append(
            {
                "label": label,
                "total": words.number(total),
                "found": words.percent(shares[place]) if total else "–",
                "right": words.percent(counts[place] / said[place]) if said[place] else "–",
                "cells": [
                    {
                        "count": words.number(count),
                        "share": words.percent(share),
                        "heat": f"{share:.3f}",
                        "right": column == place,
                    }
                    for column, (count, share) in enumerate(zip(counts, shares, strict=True))
                ],
            }
        )
    return {"labels": found["labels"], "rows": rows, "folded": found["folded"]}


def _flat(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Return nested settings as dotted keys and texts."""
    found = []
    for key, value in values.items():
        if isinstance(value, Mapping):
            found.extend(_flat(value, f"{prefix}{key}."))
        else:
            found.append((f"{prefix}{key}", "" if value is None else str(value)))
    return found
