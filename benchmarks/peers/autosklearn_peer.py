"""auto-sklearn with its defaults; its last release needs Python 3.9 or older."""

import argparse

import autosklearn
import joblib
import pandas as pd
from autosklearn.classification import AutoSklearnClassifier
from autosklearn.metrics import log_loss, roc_auc, root_mean_squared_error
from autosklearn.regression import AutoSklearnRegressor
from peer_command import main, probabilities, read

METRICS = {"binary": roc_auc, "multiclass": log_loss, "regression": root_mean_squared_error}
FILE = "model.joblib"
# A column of more different values is read as text.
MOST_CATEGORIES = 1000
MEMORY_MB = 6000


def fit(options: argparse.Namespace) -> str:
    """Search within the budget, for the score that is measured."""
    rows = read(options)
    target = rows.pop(options.target)
    texts = rows.select_dtypes(exclude=["number", "bool"])
    categories = {name: sorted(texts[name].dropna().unique()) for name in texts}
    found = AutoSklearnRegressor if options.task == "regression" else AutoSklearnClassifier
    engine = found(
        time_left_for_this_task=int(options.budget),
        metric=METRICS[options.task],
        memory_limit=MEMORY_MB,
        n_jobs=options.cores,
        seed=options.seed,
    )
    engine.fit(typed(rows, categories), target)
    joblib.dump((engine, sorted(target.unique()), categories), options.model / FILE)
    return f"auto-sklearn {autosklearn.__version__}"


def predict(options: argparse.Namespace) -> pd.DataFrame:
    """Predict by the ensemble."""
    engine, classes, categories = joblib.load(options.model / FILE)
    rows = typed(read(options), categories)
    if options.task == "regression":
        return pd.DataFrame({"prediction": engine.predict(rows).ravel()})
    return probabilities(engine.predict_proba(rows), classes)


def typed(rows: pd.DataFrame, categories: "dict[str, list[str]]") -> pd.DataFrame:
    """Return rows whose columns say whether they are categories or text."""
    columns = {
        name: pd.Categorical(rows[name], categories=known)
        if len(known) <= MOST_CATEGORIES
        else rows[name].astype("string").fillna("")
        for name, known in categories.items()
    }
    return rows.assign(**columns)


if __name__ == "__main__":
    main(fit, predict)
