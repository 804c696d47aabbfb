"""Set the locked rows apart, and deal the others to folds."""

from typing import Any

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
        values = load_frame(dataset, columns=[about.target])[about.target]
        target = about.encode_target(values)
        n_rows = int(values.notna().sum())
        share = choose_locked_share(n_rows, wanted.split.locked_share)
        n_train = round(n_rows * (1 - share))
        scheme = choose_scheme(
            n_train,
            budget_seconds=wanted.budget.seconds,
            folds=wanted.split.folds,
            repeats=wanted.split.repeats,
        )
        regression = about.task == "regression"
        keys = row_keys(dataset, wanted.seed)
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
            columns=columns_digest(dataset),
        )
        numbers.update(stored.write(splits, scheme))
    return numbers
