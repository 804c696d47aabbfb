"""H2O AutoML on a server of its own, which needs Java; the best model of its leaderboard."""

import argparse
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h2o
import pandas as pd
from h2o.automl import H2OAutoML
from peer_command import main, probabilities

METRICS = {"binary": "AUC", "multiclass": "logloss", "regression": "RMSE"}
ABOUT = "h2o.json"
# The server uses a port and the next one.
FIRST_PORT, PORTS = 54321, 400


@contextmanager
def server(cores: int) -> Iterator[None]:
    """Start a server, and end it."""
    port = FIRST_PORT + 2 * (os.getpid() % PORTS)
    with tempfile.TemporaryDirectory() as folder:
        h2o.init(
            port=port,
            nthreads=cores,
            bind_to_localhost=True,
            ice_root=folder,
            name=f"peer-{os.getpid()}",
            strict_version_check=False,
        )
        h2o.no_progress()
        try:
            yield
        finally:
            h2o.cluster().shutdown()


def fit(options: argparse.Namespace) -> str:
    """Search within the budget, for the score that is measured."""
    with server(options.cores):
        rows = h2o.import_file(str(options.data))
        if options.task != "regression":
            rows[options.target] = rows[options.target].asfactor()
        engine = H2OAutoML(
            max_runtime_secs=int(options.budget),
            sort_metric=METRICS[options.task],
            seed=options.seed,
        )
        engine.train(y=options.target, training_frame=rows)
        if engine.leader is None:
            raise SystemExit("no model within the budget")
        about = {
            "model": Path(h2o.save_model(engine.leader, path=str(options.model))).name,
            "types": {name: kind for name, kind in rows.types.items() if name != options.target},
            "classes": rows[options.target].levels()[0] if options.task != "regression" else [],
        }
    (options.model / ABOUT).write_text(json.dumps(about), encoding="utf-8")
    return f"h2o {h2o.__version__}"


def predict(options: argparse.Namespace) -> pd.DataFrame:
    """Predict by the best model; columns have the types that they had at ``fit``."""
    about = json.loads((options.model / ABOUT).read_text(encoding="utf-8"))
    named = {"int": "numeric", "real": "numeric", "uuid": "string"}
    types = {name: named.get(kind, kind) for name, kind in about["types"].items()}
    with server(options.cores):
        model = h2o.load_model(str(options.model / about["model"]))
        rows = h2o.import_file(str(options.data), header=1, col_types=types)
        predicted = model.predict(rows).as_data_frame()
    if options.task == "regression":
        return predicted.rename(columns={"predict": "prediction"})[["prediction"]]
    # Its columns follow the order of the levels; the names of some are changed.
    return probabilities(predicted.drop(columns="predict").to_numpy(), about["classes"])


if __name__ == "__main__":
    main(fit, predict)
