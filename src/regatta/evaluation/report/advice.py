"""What a person should do next, most urgent first, each with its reason in the numbers."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from markupsafe import Markup

from regatta.evaluation.report.words import name, number, percent, sureness

__all__ = ["Advice", "advise"]

LEAK_SHARE = 0.8
LEAK_SKILL = 0.9
WIDE = 0.25
MISCALIBRATED = 0.05
RARELY_FOUND = 0.3


@dataclass(frozen=True)
class Advice:
    """One thing to do.

    Attributes
    ----------
    tone : {"stop", "check", "improve", "use"}
        How urgent: do not go on; look before you go on; would make it better; go on.
    title : Markup
        What to do, in a few words.
    text : Markup
        Why, and how.
    """

    tone: Literal["stop", "check", "improve", "use"]
    title: Markup
    text: Markup


def advise(values: Mapping[str, Any], trials: Mapping[str, Any]) -> list[Advice]:
    """Derive what to do next.

    Parameters
    ----------
    values : mapping
        What evaluation.json holds.
    trials : mapping
        What leaderboard.json holds.

    Returns
    -------
    list of Advice
        Never empty.
    """
    found = [
        *_baseline(values),
        *_leak(values),
        *_optimism(values),
        *_classes(values),
        *_calibration(values),
        *_champion(values),
        *_width(values),
        *_time(trials),
    ]
    order = ("stop", "check", "use", "improve")
    if not any(advice.tone == "stop" for advice in found):
        found.append(_use(values))
    return sorted(found, key=lambda advice: order.index(advice.tone))


def skill(metric: Mapping[str, Any], key: str = "score") -> float | None:
    """Put a score on the way from the baseline (0) to perfection (1)."""
    score, baseline = metric[key], metric["baseline"]
    perfect = 1.0 if metric["greater_is_better"] else 0.0
    if score is None or baseline is None or perfect == baseline:
        return None
    return float((score - baseline) / (perfect - baseline))


def _baseline(values: Mapping[str, Any]) -> Iterator[Advice]:
    if sureness(values["metric"]) != "better":
        yield Advice(
            "stop",
            Markup("Do not use this model yet"),
            Markup(
                "It is not surely better than a guess that looks at no column. Either the columns "
                "say little about {}, or there are too few rows to tell."
            ).format(name(values["target"])),
        )


def _leak(values: Mapping[str, Any]) -> Iterator[Advice]:
    columns = [c for c in values["importance"]["columns"] if c["loss"] > 0]
    total = sum(column["loss"] for column in columns)
    reached = skill(values["metric"])
    if reached is None or reached < LEAK_SKILL or not columns:
        return
    if columns[0]["loss"] >= LEAK_SHARE * total:
        yield Advice(
            "check",
            Markup("Is {} known in time?").format(name(columns[0]["name"], 24)),
            Markup(
                "The model is nearly perfect and owes it to {}. If this column is filled only "
                "after {} is known, leave it out: <code>--set data.ignore=…</code>"
            ).format(name(columns[0]["name"]), name(values["target"])),
        )


def _optimism(values: Mapping[str, Any]) -> Iterator[Advice]:
    metric = values["metric"]
    trained, low, high = metric.get("validation"), metric["low"], metric["high"]
    if trained is None or low is None:
        return
    if trained > high if metric["greater_is_better"] else trained < low:
        reached = Markup(
            "In the race the winner reached {}, on the locked rows it does not ({} to {}). "
        ).format(number(trained), number(low), number(high))
        title, why = _why_worse(values.get("split", {}))
        yield Advice("check", title, reached + why + Markup(" Trust the locked rows."))


def _why_worse(split: Mapping[str, Any]) -> tuple[Markup, Markup]:
    """Return what explains that locked rows are harder than those of the folds."""
    if split.get("time"):
        return (
            Markup("Expect the model to age"),
            Markup(
                "They are later: what holds in {} changes with time, and will go on to. Train "
                "again when new rows come."
            ).format(name(split["time"], 24)),
        )
    if split.get("group"):
        return (
            Markup("Look for groups that belong together"),
            Markup(
                "Groups of {} that are alike, such as those of one household or one place, on "
                "both sides would explain that, and so would a long search on few groups."
            ).format(name(split["group"], 24)),
        )
    return (
        Markup("Look for rows that belong together"),
        Markup(
            "Rows of one customer, place or day on both sides would explain that "
            "(<code>--group</code> and <code>--time</code> keep them apart), and so would a long "
            "search on few rows."
        ),
    )


def _classes(values: Mapping[str, Any]) -> Iterator[Advice]:
    confusion = values["pictures"].get("confusion")
    if not confusion or confusion["folded"]:
        return
    missed = []
    for row, (label, counts) in enumerate(
        zip(confusion["labels"], confusion["matrix"], strict=True)
    ):
        total = sum(counts)
        if total and counts[row] / total < RARELY_FOUND:
            missed.append((label, counts[row], total))
    if missed:
        label, hits, total = min(missed, key=lambda one: one[1] / one[2])
        more = f" It is not the only one: {len(missed)} classes are like that." * (len(missed) > 1)
        yield Advice(
            "check",
            Markup("Do not rely on it to find {}").format(name(label, 24)),
            Markup(
                "Of {} locked rows of this class it labels {} right.{} Rank the rows by "
                "probability instead of taking the label, or collect more examples."
            ).format(number(total), number(hits), more),
        )


def _calibration(values: Mapping[str, Any]) -> Iterator[Advice]:
    found = values["pictures"].get("calibration")
    if not found or found["error"] <= MISCALIBRATED or sum(found["count"]) < 200:
        return
    yield Advice(
        "check",
        Markup("Take probabilities as a ranking"),
        Markup(
            "They differ from what happened by {} on average: good for sorting, not for "
            "computing expected costs."
        ).format(percent(found["error"], 1)),
    )


def _champion(values: Mapping[str, Any]) -> Iterator[Advice]:
    comparison = values.get("comparison") or {}
    if comparison.get("decision") == "keep":
        reason = Markup.escape(comparison["reason"])
        yield Advice("check", Markup("Keep the model that is in service"), reason)


def _width(values: Mapping[str, Any]) -> Iterator[Advice]:
    metric = values["metric"]
    ends = [skill(metric, "low"), skill(metric, "high")]
    if None in ends or sureness(metric) != "better":
        return
    if abs(ends[1] - ends[0]) > WIDE:  # type: ignore[operator]
        n_groups = values.get("split", {}).get("n_groups")
        what = "groups" if n_groups else "rows"
        count = number(n_groups or values["locked"]["scored"])
        yield Advice(
            "improve",
            Markup("Collect more {}").format(what),
            Markup(
                "With {} locked {} the score could be anything from {} to {}. Four times the "
                "{} halve that range."
            ).format(count, what, number(metric["low"]), number(metric["high"]), what),
        )


def _time(trials: Mapping[str, Any]) -> Iterator[Advice]:
    every = trials["trials"]
    late = [t for t in every if t["status"] in ("timeout", "skipped") or t.get("truncated")]
    big = [t for t in every if t["status"] == "out_of_memory"]
    if len(late) > len(every) / 3:
        yield Advice(
            "improve",
            Markup("Give it more time"),
            Markup(
                "{} of {} trials were stopped early or had no time to begin: "
                "<code>--budget</code> sets how long a run may take."
            ).format(len(late), len(every)),
        )
    if len(big) > len(every) / 4:
        yield Advice(
            "improve",
            Markup("Give it more memory"),
            Markup("{} of {} trials ran out of memory.").format(len(big), len(every)),
        )


def _use(values: Mapping[str, Any]) -> Advice:
    # Where the champion stays, the name alone would mean the champion.
    kept = (values.get("comparison") or {}).get("decision") == "keep"
    model = f"{values['name']}@challenger" if kept else values["name"]
    return Advice(
        "use",
        Markup("Use it"),
        Markup(
            "<code>regatta predict {} TABLE --out predictions.csv</code> for a table, "
            "<code>regatta serve {}</code> for a service."
        ).format(model, model),
    )
