"""mljar-supervised in its mode for best scores, ``Compete``."""

import argparse

import pandas as pd
import supervised
from peer_command import main, probabilities, read
from supervised.automl import AutoML

METRICS = {"binary": "auc", "multiclass": "logloss", "regression": "rmse"}
TASKS = {
    "binary": "binary_classification",
    "multiclass": "multiclass_classification",
    "regression": "regression",
}
FOLDER, PREFIX = "mljar", "prediction_"


def fit(options: argparse.Namespace) -> str:
    """Search within the budget, for the score that is measured."""
    rows = read(options)
    target = rows.pop(options.target)
    engine = AutoML(
        results_path=str(options.model / FOLDER),
        mode="Compete",
        ml_task=TASKS[options.task],
        eval_metric=METRICS[options.task],
        total_time_limit=int(options.budget),
        n_jobs=options.cores,
        random_state=options.seed,
        # Explanations are not measured.
        explain_level=0,
    )
    engine.fit(rows, target)
    return f"mljar-supervised {supervised.__version__}"


def predict(options: argparse.Namespace) -> pd.DataFrame:
    """Predict by the best model."""
    engine, rows = AutoML(results_path=str(options.model / FOLDER)), read(options)
    if options.task == "regression":
        return pd.DataFrame({"prediction": engine.predict(rows)})
    values = engine.predict_all(rows).filter(regex=f"^{PREFIX}")
    return probabilities(values.to_numpy(), [name.removeprefix(PREFIX) for name in values])


if __name__ == "__main__":
    main(fit, predict)
