"""Warm start: what did well in earlier runs, and what did in this one.

On one machine the ledger lies in the folder of the user. Pods have none that outlives them: theirs
lies beside the models of the registry.
"""

import logging
from typing import TYPE_CHECKING, Any

from regatta.artifacts import open_artifact
from regatta.dataset.schema import Schema
from regatta.errors import RegattaError
from regatta.registry import ledger_root, registry_root
from regatta.search.ledger import recall, remember
from regatta.search.machine import in_pod
from regatta.search.shelf import Folder, Objects, Shelf
from regatta.settings import RunSettings
from regatta.store import Location, connect

if TYPE_CHECKING:
    from regatta.artifacts.records import Recipe
    from regatta.search.table import TrainingTable

__all__ = ["recall_best", "remember_best", "shelf_of"]

logger = logging.getLogger(__name__)

# A store that is away costs the recipes of earlier runs, and little time.
ANSWER_SECONDS = 5.0


def shelf_of(registry: str) -> Shelf | None:
    """Return where the ledger lies; None in a pod that has no registry in a store.

    Parameters
    ----------
    registry : str
        Registry of the run, as `regatta.registry.registry_root` takes it.
    """
    if not in_pod():
        return Folder(ledger_root())
    try:
        root = registry_root(registry)
        if not isinstance(root, Location):
            return None
        store = connect(patience_seconds=0, answer_seconds=ANSWER_SECONDS)
        return Objects(store, root / "ledger")
    except RegattaError as err:
        logger.warning("there is no ledger of earlier runs: %s", err.found)
        return None


def recall_best(table: "TrainingTable", settings: RunSettings) -> "list[Recipe]":
    """Return what did well in earlier runs on such a table, where it is wanted.

    Parameters
    ----------
    table : TrainingTable
        Training rows.
    settings : RunSettings
        ``search.warm_start``; with a number of trials all of them are fixed beforehand.
    """
    from regatta.evaluation.metrics import get_metric

    if not settings.search.warm_start or settings.search.max_trials:
        return []
    shelf = shelf_of(settings.deploy.registry)
    if shelf is None:
        return []
    fingerprint = open_artifact(table.path, "features", verify=False).metadata["fingerprint"]
    metric = get_metric(settings.search.metric, table.task).key
    return recall(shelf, table.schema, str(fingerprint), metric)


def remember_best(
    fingerprint: str, schema: Schema, leaderboard: dict[str, Any], settings: RunSettings
) -> None:
    """Keep the best recipes for the next run on such a table, where that is wanted.

    Parameters
    ----------
    fingerprint : str
        SHA-256 of the table's file.
    schema : Schema
        Its columns.
    leaderboard : dict
        What ``leaderboard.json`` holds.
    settings : RunSettings
        ``search.warm_start``, and the registry.
    """
    if not settings.search.warm_start:
        return
    shelf = shelf_of(settings.deploy.registry)
    if shelf is not None:
        remember(shelf, schema, fingerprint, leaderboard)
