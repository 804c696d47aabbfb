"""Scores of predictions, how engines compare by them, and Markdown tables of both."""

import math
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean, stdev
from typing import Any

import numpy as np
import pandas as pd

__all__ = [
    "MAIN_SCORES",
    "class_name",
    "first_places",
    "loss",
    "markdown",
    "mean_spread",
    "normalised",
    "score",
]

MAIN_SCORES = {"binary": "AUC ↑", "multiclass": "log-loss ↓", "regression": "RMSE ↓"}
LEAST_PROBABILITY = 1e-7
TIE = 1e-12
SIGNIFICANT, DECIMALS = 5, 4


def score(
    task: str, truth: Sequence[str], predictions: pd.DataFrame, classes: Sequence[str]
) -> dict[str, float]:
    """Return the main score of a task as ``score``, and others by name.

    Parameters
    ----------
    task : {"binary", "multiclass", "regression"}
        Decides the main score: AUC, log-loss, RMSE.
    truth : sequence of str
        Target of the test rows.
    predictions : DataFrame
        A column ``prediction`` for a regression, ``proba_<class>`` for each class otherwise. A
        class that the engine left out has probability 0.
    classes : sequence of str
        Classes of the table, sorted, each as `class_name` has it.

    Raises
    ------
    ValueError
        Predictions are missing, too many, of other classes, or no numbers.

    Examples
    --------
    >>> score("regression", ["1", "3"], pd.DataFrame({"prediction": [1.0, 1.0]}), [])["r2"]
    -1.0
    >>> sure = pd.DataFrame({"proba_no": [0.9, 0.2], "proba_yes": [0.1, 0.8]})
    >>> score("binary", ["no", "yes"], sure, ["no", "yes"])["score"]
    1.0
    """
    from sklearn.metrics import log_loss, r2_score, roc_auc_score

    if len(predictions) != len(truth):
        raise ValueError(f"{len(predictions)} for {len(truth)} rows")
    if task == "regression":
        wanted = np.asarray(truth, dtype=float)
        values = _finite(predictions[["prediction"]])[:, 0]
        rmse = math.sqrt(np.mean((values - wanted) ** 2))
        return {"score": rmse, "r2": float(r2_score(wanted, values))}
    shares = np.clip(_probabilities(predictions, classes), LEAST_PROBABILITY, 1)
    shares /= shares.sum(axis=1, keepdims=True)
    codes = [list(classes).index(label) for label in truth]
    lost = float(log_loss(codes, shares, labels=range(len(classes))))
    if task == "binary":
        return {"score": float(roc_auc_score(codes, shares[:, 1])), "log_loss": lost}
    accuracy = float(np.mean(shares.argmax(axis=1) == np.array(codes)))
    return {"score": lost, "accuracy": accuracy}


def _probabilities(predictions: pd.DataFrame, classes: Sequence[str]) -> "np.ndarray[Any, Any]":
    """Return probabilities in the order of the classes."""
    prefix = "proba_"
    named = predictions.filter(regex=f"^{prefix}")
    named.columns = named.columns.map(lambda name: class_name(name.removeprefix(prefix)))
    if named.empty or (strangers := set(named.columns) - set(classes)):
        found = ", ".join(sorted(strangers)) if not named.empty else "none"
        raise ValueError(f"probabilities of {found}; the classes are {', '.join(classes)}")
    return _finite(named.reindex(columns=list(classes), fill_value=0.0))


def class_name(text: str) -> str:
    """Return a class as all engines write it: some cut blanks, some read 1 as 1.0.

    Examples
    --------
    >>> class_name(" <=50K"), class_name("1.0"), class_name("2")
    ('<=50K', '1', '2')
    """
    text = text.strip()
    try:
        return f"{float(text):.12g}"
    except ValueError:
        return text


def _finite(frame: pd.DataFrame) -> "np.ndarray[Any, Any]":
    """Return numbers; others are refused."""
    values = frame.to_numpy(dtype=float)
    if not np.isfinite(values).all():
        raise ValueError("some are missing or infinite")
    return values


def loss(task: str, value: float) -> float:
    """Return a main score turned so that less is better and 0 is perfect.

    Examples
    --------
    >>> loss("binary", 0.75), loss("regression", 2.5)
    (0.25, 2.5)
    """
    return 1 - value if task == "binary" else value


def normalised(losses: Mapping[str, float], baseline: str) -> dict[str, float]:
    """Return losses on a scale where the baseline is 0 and the best engine 1.

    Parameters
    ----------
    losses : mapping of str to float
        Loss by engine, less being better.
    baseline : str
        The engine that is 0; one that is worse is below.

    Returns
    -------
    dict
        Empty where no engine is better than the baseline: there is no scale.

    Examples
    --------
    >>> normalised({"default": 4.0, "a": 2.0, "b": 3.0, "c": 6.0}, "default")
    {'default': 0.0, 'a': 1.0, 'b': 0.5, 'c': -1.0}
    >>> normalised({"default": 4.0, "a": 5.0}, "default")
    {}
    """
    zero = losses[baseline]
    span = zero - min(losses.values())
    if span <= TIE:
        return {}
    return {engine: (zero - value) / span for engine, value in losses.items()}


def first_places(losses: Mapping[str, float]) -> set[str]:
    """Return the engines with the least loss.

    Examples
    --------
    >>> sorted(first_places({"a": 1.0, "b": 2.0, "c": 1.0}))
    ['a', 'c']
    """
    best = min(losses.values(), default=0.0)
    return {engine for engine, value in losses.items() if value <= best + TIE}


def mean_spread(values: Iterable[float], form: str = "", *, sign: str = "") -> str:
    """Return a mean with the standard deviation over seeds.

    Parameters
    ----------
    values : iterable of float
        One a seed.
    form : str, default ""
        How a number is written, such as ``.1%``; empty: by its size.
    sign : str, default ""
        ``+``: the mean always has a sign.

    Examples
    --------
    >>> mean_spread([1.0, 2.0, 3.0], ".1f"), mean_spread([26972.15]), mean_spread([])
    ('2.0 ± 1.0', '26972', '–')
    >>> mean_spread([0.5], sign="+")
    '+0.5000'
    """
    known = list(values)
    if not known:
        return "–"
    mean = fmean(known)
    if not form:
        whole = len(f"{abs(mean):.0f}")
        form = f".{min(max(SIGNIFICANT - whole, 0), DECIMALS)}f"
    text = f"{mean:{sign}{form}}"
    return f"{text} ± {stdev(known):{form}}" if len(known) > 1 else text


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown, its first column to the left, the others to the right.

    Examples
    --------
    >>> print(markdown(["table", "a"], [["wine", "0.1"]]))
    | table | a |
    | --- | --: |
    | wine | 0.1 |
    """
    lines = [header, ["---", *["--:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
