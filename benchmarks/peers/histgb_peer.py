"""The default model: gradient boosting of scikit-learn as it comes. It ignores the budget."""

import argparse

import joblib
import pandas as pd
import sklearn
from peer_command import main, probabilities, read
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

FILE = "model.joblib"


def fit(options: argparse.Namespace) -> str:
    """Fit once; texts become numbers in the order of the alphabet."""
    rows = read(options)
    target = rows.pop(options.target)
    texts = list(rows.select_dtypes(exclude="number"))
    missing = float("nan")
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=missing)
    columns = make_column_transformer((encoder, texts), remainder="passthrough")
    regression = options.task == "regression"
    kind = HistGradientBoostingRegressor if regression else HistGradientBoostingClassifier
    model = make_pipeline(columns, kind(random_state=options.seed)).fit(rows, target)
    # Read back a moment later from a folder of this benchmark, never from elsewhere.
    joblib.dump(model, options.model / FILE)
    return f"scikit-learn {sklearn.__version__}"


def predict(options: argparse.Namespace) -> pd.DataFrame:
    """Predict."""
    model, rows = joblib.load(options.model / FILE), read(options)
    if options.task == "regression":
        return pd.DataFrame({"prediction": model.predict(rows)})
    return probabilities(model.predict_proba(rows), model.classes_)


if __name__ == "__main__":
    main(fit, predict)
