"""AutoGluon with a preset (``--preset``); the seed reaches it by the split alone."""

import argparse

import pandas as pd
from autogluon.tabular import TabularPredictor, __version__
from peer_command import main, probabilities, read

METRICS = {"binary": "roc_auc", "multiclass": "log_loss", "regression": "root_mean_squared_error"}
FOLDER = "autogluon"


def fit(options: argparse.Namespace) -> str:
    """Fit within the budget, for the score that is measured."""
    predictor = TabularPredictor(
        label=options.target,
        problem_type=options.task,
        eval_metric=METRICS[options.task],
        path=str(options.model / FOLDER),
    )
    predictor.fit(
        read(options),
        time_limit=options.budget,
        presets=options.preset or "medium_quality",
        num_cpus=options.cores,
        num_gpus=0,
    )
    return f"autogluon.tabular {__version__}"


def predict(options: argparse.Namespace) -> pd.DataFrame:
    """Predict by the best model."""
    predictor, rows = TabularPredictor.load(str(options.model / FOLDER)), read(options)
    if options.task == "regression":
        return pd.DataFrame({"prediction": predictor.predict(rows).to_numpy()})
    values = predictor.predict_proba(rows)
    return probabilities(values.to_numpy(), values.columns)


if __name__ == "__main__":
    main(fit, predict)
