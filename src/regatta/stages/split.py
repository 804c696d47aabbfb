"""Set the locked rows apart, and deal the others to folds."""

from typing import Any

import numpy as np
import numpy.typing as npt

from regatta.artifacts.base import open_artifact, read_json
from regatta.dataset import Schema, load_frame
from regatta.settings import RunSettings
from regatta.splits import (
    Scheme,
    Splits,
    assign,
    check_locked,
    choose_locked_share,
    choose_scheme,
    deal_groups,
    lock_groups,
    lock_latest,
    repeat,
    validate_latest,
)
from regatta.splits.keys import NO_TIME, columns_digest, row_keys
from regatta.splits.together import lock_keys
from regatta.stages.task import stage

__all__ = ["run"]

Keys = npt.NDArray[np.uint64]
Parts = npt.NDArray[np.int16]
Target = npt.NDArray[np.float64]


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
        ``n_folds``, ``n_train``, ``n_locked``, ``n_dropped``, ``scheme``; and ``split``, such as
        ``by groups of 'customer'``, where rows are split by groups or by time.

    Raises
    ------
    SplitError
        There are too few rows, groups or times, or all rows to be locked are of one class.
    """
    with stage("split") as numbers:
        wanted = RunSettings.from_json(settings)
        about = Schema.from_dict(read_json(open_artifact(schema, "schema").file("schema.json")))
        target = _target(dataset, about)
        # Weights say how rows are judged, not what they are: a run with other weights locks the
        # same ones, and can be compared with the champion.
        others = about.measured[1:]
        keys = row_keys(dataset, wanted.seed, without=others)
        together = lock_keys(dataset, about, keys, wanted.seed)
        if together is None:
            dealt, scheme = _by_row(target, keys, about, wanted)
        elif about.group:
            dealt, scheme = _by_group(target, together, about, wanted)
        else:
            target = np.where(together == NO_TIME, np.nan, target)
            dealt, scheme = _by_time(target, together, about, wanted)
        stored = Splits.of(
            dealt,
            scheme,
            keys,
            target,
            labels=about.classes,
            seed=wanted.seed,
            columns=columns_digest(dataset, without=others),
            together=together,
            group=about.group,
            time=about.time,
        )
        numbers.update(stored.write(splits, scheme))
    return numbers


def _target(dataset: str, about: Schema) -> Target:
    """Return the target; NaN where it is missing, or where a row weighs nothing."""
    frame = load_frame(dataset, columns=about.measured)
    target, weights = about.encode_target(frame[about.target]), about.weights(frame)
    # What has no say is left out like what has no target: nothing is learnt from it, and it would
    # only take the place of rows that are scored.
    return target if weights is None else np.where(weights == 0, np.nan, target)


def _locked_share(target: Target, wanted: RunSettings) -> float:
    """Return the share of the rows that is locked."""
    return choose_locked_share(int((~np.isnan(target)).sum()), wanted.split.locked_share)


def _scheme(
    n_train: int, wanted: RunSettings, *, folds: int = 0, n_groups: int | None = None
) -> Scheme:
    """Return the number of folds for so many rows."""
    return choose_scheme(
        n_train,
        budget_seconds=wanted.budget.seconds,
        folds=folds or wanted.split.folds,
        repeats=wanted.split.repeats,
        n_groups=n_groups,
    )


def _by_row(target: Target, keys: Keys, about: Schema, wanted: RunSettings) -> tuple[Parts, Scheme]:
    """Draw rows one by one; return the parts of each repeat."""
    n_rows, share = int((~np.isnan(target)).sum()), _locked_share(target, wanted)
    scheme = _scheme(round(n_rows * (1 - share)), wanted)
    regression, seed = about.task == "regression", wanted.seed
    parts = assign(target, scheme, keys, regression=regression, locked_share=share, seed=seed)
    check_locked(target, parts, about.classes)
    return repeat(target, parts, scheme, regression=regression, seed=seed), scheme


def _by_group(
    target: Target, keys: Keys, about: Schema, wanted: RunSettings
) -> tuple[Parts, Scheme]:
    """Draw whole groups; return the parts of each repeat."""
    classes, name = about.classes, about.group
    share = _locked_share(target, wanted)
    parts = lock_groups(target, keys, classes=classes, locked_share=share, name=name)
    train = keys[parts == 0]
    scheme = _scheme(len(train), wanted, n_groups=len(np.unique(train)))
    seed = wanted.seed
    return deal_groups(target, keys, parts, scheme, classes=classes, seed=seed, name=name), scheme


def _by_time(
    target: Target, keys: Keys, about: Schema, wanted: RunSettings
) -> tuple[Parts, Scheme]:
    """Lock the latest rows, and validate on the latest of the others."""
    classes, name = about.classes, about.time
    share = _locked_share(target, wanted)
    parts = lock_latest(target, keys, classes=classes, locked_share=share, name=name)
    scheme = _scheme(int((parts == 0).sum()), wanted, folds=1)
    return validate_latest(target, keys, parts, scheme, classes=classes, name=name), scheme
