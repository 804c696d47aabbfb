"""The command line of every peer: ``fit`` and ``predict``, as quality.py calls them.

Runs under the interpreter of the peer, which has pandas and the peer, but not Regatta.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

__all__ = ["main", "probabilities", "read"]

Fit = Callable[[argparse.Namespace], str]
Predict = Callable[[argparse.Namespace], pd.DataFrame]


def main(fit: Fit, predict: Predict) -> None:
    """Do what the command line says.

    Parameters
    ----------
    fit : callable
        Takes the options, leaves a model in the folder ``options.model``, and returns the version
        of the library.
    predict : callable
        Takes the options, and returns a column ``prediction`` for a regression, columns
        ``proba_<class>`` otherwise, the rows in the order of ``options.data``.
    """
    parser = argparse.ArgumentParser(description="One engine, called by quality.py.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb in ("fit", "predict"):
        own = verbs.add_parser(verb)
        own.add_argument("--data", type=Path, required=True, help="CSV file")
        own.add_argument("--model", type=Path, required=True, help="folder of the model")
        own.add_argument("--task", choices=["binary", "multiclass", "regression"], required=True)
        own.add_argument("--cores", type=int, default=2)
    training, predicting = verbs.choices["fit"], verbs.choices["predict"]
    training.add_argument("--target", required=True)
    training.add_argument("--budget", type=float, default=60, help="seconds")
    training.add_argument("--seed", type=int, default=0)
    training.add_argument("--preset", default="")
    predicting.add_argument("--out", type=Path, required=True, help="CSV file to write")
    options = parser.parse_args()
    if options.verb == "fit":
        options.model.mkdir()
        about = {"version": fit(options)}
        (options.model / "about.json").write_text(json.dumps(about), encoding="utf-8")
    else:
        predict(options).to_csv(options.out, index=False)


def read(options: argparse.Namespace) -> pd.DataFrame:
    """Return the table; classes are text, and so is a column that was text at ``fit``."""
    kinds = options.model / "texts.json"
    if options.verb == "predict":
        texts = json.loads(kinds.read_text(encoding="utf-8"))
        return pd.read_csv(options.data, dtype=dict.fromkeys(texts, str), low_memory=False)
    classes: dict[str, Any] = {} if options.task == "regression" else {options.target: str}
    rows = pd.read_csv(options.data, dtype=classes, low_memory=False)
    if classes:
        # A class may be called "None" or "NA".
        column = pd.read_csv(
            options.data, usecols=[options.target], dtype=str, keep_default_na=False
        )
        rows[options.target] = column[options.target]
    texts = [
        name for name in rows.select_dtypes(exclude=["number", "bool"]) if name != options.target
    ]
    kinds.write_text(json.dumps(texts), encoding="utf-8")
    return rows.astype(dict.fromkeys(texts, str)).where(rows.notna())


def probabilities(values: Any, classes: Any) -> pd.DataFrame:
    """Return a matrix of probabilities as columns with the names of the classes."""
    return pd.DataFrame(values, columns=[f"proba_{label}" for label in classes])
