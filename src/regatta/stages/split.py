"""Set the locked rows apart, and deal the others to folds."""

from typing import Any

import numpy as np

from regatta.artifacts.base import open_artifact, read_json
from regatta.dataset import Schema, load_frame
from regatta.settings import RunSettings
from regatta.splits import Splits, assign, choose_locked_share, choose_scheme, repeat
from regatta.splits.keys import columns_digest, row_keys
from regatta.stages.task import stage

__all__ = ["run"]


def run(dataset: str, schema: str, settings: str, splits: str) -> dict[str, Any]:
    """Split a validated table.

    Parameters
    ----------
    dataset, schema : str
        Folders of the artifacts to read.
    settings : str
        `RunSettings` as JSON: ``split``, ``seed``, and ``budget.seconds``, which with the size of
        the table decides the numbers of folds and repeats unless ``split`` does.
    splits : str
        Folder of the artifact to write: assignment.npy, keys.npy, splits.json.

    Returns
    -------
    dict
        ``n_folds``, ``n_train``, ``n_locked``, ``n_dropped``, ``scheme``.

    Raises
    ------
    SplitError
        There are too few rows.
    """
    with stage("split") as numbers:
        wanted = RunSettings.from_json(settings)
        about = Schema.from_dict(read_json(open_artifact(schema, "schema").file("schema.json")))
        frame = load_frame(dataset, columns=about.measured)
        target = about.encode_target(frame[about.target])
        weights = about.weights(frame)
        if weights is not None:
            # What has no say is left out like what has no target: nothing is learnt from it, and
            # it would only take the place of rows that are scored.
            target = np.where(weights == 0, np.nan, target)
        n_rows = int((~np.isnan(target)).sum())
        share = choose_locked_share(n_rows, wanted.split.locked_share)
        n_train = round(n_rows * (1 - share))
        scheme = choose_scheme(
            n_train,
            budget_seconds=wanted.budget.seconds,
            folds=wanted.split.folds,
            repeats=wanted.split.repeats,
        )
        regression = about.task == "regression"
        # Weights say how rows are judged, not what they are: a run with other weights locks the
        # same ones, and can be compared with the champion.
        others = about.measured[1:]
        keys = row_keys(dataset, wanted.seed, without=others)
        parts = assign(
            target, scheme, keys, regression=regression, locked_share=share, seed=wanted.seed
        )
        stored = Splits.of(
            repeat(target, parts, scheme, regression=regression, seed=wanted.seed),
            scheme,
            keys,
            target,
            labels=about.classes,
            seed=wanted.seed,
            columns=columns_digest(dataset, without=others),
        )
        numbers.update(stored.write(splits, scheme))
    return numbers
