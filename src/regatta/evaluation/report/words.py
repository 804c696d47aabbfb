"""Numbers and names as people read them, and the sentences that a report says with them.

Whatever comes from the user's table goes through `name`, which escapes and isolates it.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

__all__ = [
    "LEARNERS",
    "duration",
    "headline",
    "learner",
    "members",
    "name",
    "number",
    "percent",
    "score_texts",
    "size",
    "sureness",
]

NARROW = "\u202f"
LONGEST = 48

LEARNERS = {
    "linear": "Linear model",
    "extra_trees": "Extra trees",
    "naive_bayes": "Naive Bayes",
    "random_forest": "Random forest",
    "lightgbm": "LightGBM",
    "xgboost": "XGBoost",
    "catboost": "CatBoost",
    "mlp": "Neural network",
    "normed_mlp": "Normalised neural network",
    "tabm": "TabM",
    "hist_gradient_boosting": "Histogram boosting",
    "nearest_neighbors": "Nearest neighbours",
    "svm": "Support vector machine",
}


def learner(key: str) -> str:
    """Return the name of a learner for people."""
    return LEARNERS.get(key, key.replace("_", " "))


def name(text: object, longest: int = LONGEST) -> Markup:
    """Return a name from the user's table, safe in HTML.

    Escaped, isolated from the direction of the text around it, and shortened where it is very
    long; then the whole of it is the tooltip.

    Examples
    --------
    >>> name("<b>")
    Markup('<bdi>&lt;b&gt;</bdi>')
    """
    whole = " ".join(str(text).split()) or "(blank)"
    if len(whole) <= longest:
        return Markup("<bdi>{}</bdi>").format(whole)
    return Markup('<bdi title="{}">{}…</bdi>').format(whole[:2000], whole[: longest - 1].rstrip())


def number(value: float | None, digits: int | None = None) -> str:
    """Write a number with about four significant digits, thousands apart.

    Parameters
    ----------
    value : float or None
        None becomes a dash.
    digits : int, optional
        Digits after the point; None: as many as make four significant ones.

    Examples
    --------
    >>> number(1234567.8), number(0.84567), number(-12.0), number(None)
    ('1,234,568', '0.8457', '−12', '–')
    """
    if value is None or not math.isfinite(value):
        return "–"
    size = abs(value)
    if size and (size < 1e-4 or size >= 1e12):
        return f"{value:.3g}".replace("-", "−")
    if digits is None:
        digits = 0 if size >= 1000 or value == int(value) else 3 - math.floor(math.log10(size))
        digits = min(max(digits, 0), 4)
    text = f"{value:,.{digits}f}"
    return text.replace("-", "−")


def percent(share: float | None, digits: int = 0) -> str:
    """Write a share as a percentage.

    Examples
    --------
    >>> percent(0.1234).replace(chr(0x202F), " ")
    '12 %'
    """
    if share is None:
        return "–"
    least = 0.5 * 10**-digits
    if 0 < 100 * share < least:
        return f"<{number(10**-digits, digits)}{NARROW}%"
    return f"{number(100 * share, digits)}{NARROW}%"


def duration(seconds: float | None) -> str:
    """Write a time.

    Examples
    --------
    >>> [duration(s).replace(chr(0x202F), " ") for s in (0.25, 12.3, 150, 7300)]
    ['0.2 s', '12 s', '2 min 30 s', '2 h 1 min']
    """
    if seconds is None:
        return "–"
    if seconds < 60:
        return f"{seconds:.{1 if seconds < 10 else 0}f}{NARROW}s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}{NARROW}min" + (f" {rest}{NARROW}s" if rest else "")
    hours, minutes = divmod(minutes, 60)
    return f"{hours}{NARROW}h" + (f" {minutes}{NARROW}min" if minutes else "")


def size(n_bytes: float | None) -> str:
    """Write an amount of memory in decimal units.

    Examples
    --------
    >>> [size(n).replace(chr(0x202F), " ") for n in (900, 1_500_000, 2.5e9)]
    ['900 B', '1.5 MB', '2.5 GB']
    """
    if n_bytes is None:
        return "–"
    units = ["GB", "MB", "kB", "B"]
    while n_bytes >= 1000 and len(units) > 1:
        n_bytes /= 1000
        units.pop()
    digits = 1 if n_bytes < 10 and units[-1] != "B" else 0
    return f"{n_bytes:.{digits}f}{NARROW}{units[-1]}"


def score_texts(row: Mapping[str, Any]) -> dict[str, str]:
    """Write a score, its interval and its baseline with the digits that the interval warrants.

    Parameters
    ----------
    row : mapping
        ``score``, ``low``, ``high``, ``baseline``.
    """
    low, high = row.get("low"), row.get("high")
    width = high - low if low is not None and high is not None else 0.0
    digits = min(max(1 - math.floor(math.log10(width)), 0), 6) if width > 0 else None
    keys = ("score", "low", "high", "baseline")
    return {key: number(row.get(key), digits) for key in keys}


def headline(values: Mapping[str, Any]) -> Markup:
    """Say what the model can do, in one sentence that needs no statistics.

    Parameters
    ----------
    values : mapping
        What evaluation.json holds.
    """
    scores = {row["key"]: row for row in values["scores"]}
    target = name(values["target"], 32)
    if values["task"] == "regression":
        off, guess = scores["mae"]["score"], scores["mae"]["baseline"]
        return Markup(
            "It predicts {} to within <em>{}</em> on average. A guess is off by {}."
        ).format(target, number(off), number(guess))
    auc = scores.get("roc_auc")
    if values["task"] == "binary" and auc and values["metric"]["key"] != "accuracy":
        negative, positive = (name(label, 24) for label in values["classes"])
        return Markup(
            "Shown one <q>{}</q> and one <q>{}</q>, it knows which is which "
            "<em>{} times in 100</em>."
        ).format(positive, negative, _of_100(auc["score"]))
    right = scores["accuracy"]
    return Markup("It gets {} right for <em>{} of 100 rows</em>. A guess gets {}.").format(
        target, _of_100(right["score"]), _of_100(right["baseline"])
    )


def _of_100(share: float | None) -> str:
    """Write a share as a count of 100, without promising all or nothing by rounding."""
    if share is None:
        return "–"
    count = 100 * share
    return f"{count:.1f}" if 0 < count < 1 or 99 < count < 100 else f"{count:.0f}"


def sureness(metric: Mapping[str, Any]) -> str:
    """Compare a score's interval with its baseline: ``better``, ``unsure`` or ``worse``."""
    if metric["low"] is None or metric["baseline"] is None:
        return "unsure"
    if metric["greater_is_better"]:
        above, below = metric["low"] > metric["baseline"], metric["high"] < metric["baseline"]
    else:
        above, below = metric["high"] < metric["baseline"], metric["low"] > metric["baseline"]
    return "better" if above else "worse" if below else "unsure"


def members(found: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Add up the weights of an ensemble by learner, heaviest first."""
    weights: dict[str, float] = {}
    for member in found:
        weights[member["learner"]] = weights.get(member["learner"], 0.0) + member["weight"]
    ranked = sorted(weights.items(), key=lambda item: -item[1])
    return [{"learner": learner(key), "weight": weight} for key, weight in ranked]
