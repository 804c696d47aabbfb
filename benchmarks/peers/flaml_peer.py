"""FLAML with its defaults."""

import argparse

import flaml
import pandas as pd
from peer_command import main, probabilities, read

METRICS = {"binary": "roc_auc", "multiclass": "log_loss", "regression": "rmse"}
FILE = "model.pkl"


def fit(options: argparse.Namespace) -> str:
    """Search within the budget, for the score that is measured."""
    rows = read(options)
    target = rows.pop(options.target)
    engine = flaml.AutoML()
    engine.fit(
        X_train=rows,
        y_train=target,
        task="regression" if options.task == "regression" else "classification",
        metric=METRICS[options.task],
        time_budget=options.budget,
        n_jobs=options.cores,
        seed=options.seed,
    )
    engine.pickle(str(options.model / FILE))
    return f"flaml {flaml.__version__}"


def predict(options: argparse.Namespace) -> pd.DataFrame:
    """Predict by the best model."""
    engine, rows = flaml.AutoML.load_pickle(str(options.model / FILE)), read(options)
    if options.task == "regression":
        return pd.DataFrame({"prediction": engine.predict(rows)})
    return probabilities(engine.predict_proba(rows), engine.classes_)


if __name__ == "__main__":
    main(fit, predict)
