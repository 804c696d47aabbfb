"""``prepare``: all stages before the race, which always follow each other."""

from typing import Any

from regatta.stages import featurize, ingest, plan, split, validate
from regatta.stages.fingerprint import table_tag

__all__ = ["run"]


def run(
    settings: str,
    dataset: str,
    schema: str,
    splits: str,
    features: str,
    race: str,
    *,
    fingerprint: str = "",
    memory: str = "auto",
) -> dict[str, Any]:
    """Ingest, validate, split, featurize and plan.

    Parameters
    ----------
    settings : str
        `RunSettings` as JSON.
    dataset, schema, splits, features, race : str
        Folders of the artifacts to write; `race` is that of the plan.
    fingerprint : str, default ""
        What `regatta.stages.fingerprint` found; empty for whatever is there.
    memory : str, default "auto"
        Memory of a pod that races, such as 2Gi; ``auto``: by the size of the table.

    Returns
    -------
    dict
        What `regatta.stages.ingest` and `regatta.stages.plan` return.

    Raises
    ------
    RegattaError
        As the stages.
    """
    read = ingest.run(settings, dataset, table_tag(fingerprint))
    validate.run(dataset, settings, schema)
    split.run(dataset, schema, settings, splits)
    featurize.run(dataset, schema, splits, features)
    return {**read, **plan.run(features, settings, race, memory=memory)}
