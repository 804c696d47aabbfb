"""Find out what each column is, and whether the target can be learnt."""

import json
import logging
from pathlib import Path
from typing import Any

from regatta.artifacts.base import open_artifact, read_json, write_json, writing
from regatta.dataset.frame import TABLE
from regatta.dataset.reading import Reading
from regatta.dataset.validation import validate
from regatta.evaluation.metrics import get_metric
from regatta.settings import RunSettings
from regatta.stages.task import stage

__all__ = ["run"]

logger = logging.getLogger(__name__)


def run(dataset: str, settings: str, schema: str) -> dict[str, Any]:
    """Validate a table.

    Parameters
    ----------
    dataset : str
        Folder of the artifact to read.
    settings : str
        `RunSettings` as JSON: ``data``, the columns that ``split`` names, and ``search.metric``,
        which is checked here because the task is known from here on.
    schema : str
        Folder of the artifact to write: schema.json, profile.json, findings.json.

    Returns
    -------
    dict
        ``task``, ``n_features``, ``n_classes``, ``n_warnings``.

    Raises
    ------
    DataError
        The table or its target cannot be learnt from.
    SettingsError
        The metric does not fit the task, or a setting names an unknown column.
    """
    with stage("validate") as numbers:
        wanted = RunSettings.from_json(settings)
        artifact = open_artifact(dataset, "dataset")
        reading = Reading.from_dict(read_json(artifact.file("reading.json")))
        found = validate(artifact.file(TABLE), reading, wanted.data, wanted.split)
        get_metric(wanted.search.metric, found.schema.task)
        warnings = [finding for finding in found.findings if finding.level == "warning"]
        for finding in warnings:
            logger.info("finding: %s", finding.message)
        numbers.update(
            task=found.schema.task,
            n_features=len(found.schema.features),
            n_classes=len(found.schema.classes),
            n_warnings=len(warnings),
        )
        with writing(schema, "schema", **numbers) as folder:
            write_json(folder / "schema.json", found.schema.to_dict())
            _write_profile(folder / "profile.json", found.profile)
            write_json(folder / "findings.json", [item.to_dict() for item in found.findings])
    return numbers


def _write_profile(path: Path, profile: dict[str, dict[str, Any]]) -> None:
    """Write one column a line: quick to write for thousands of them, and still to be read."""
    lines = (
        f"{json.dumps(name)}: {json.dumps(measures, allow_nan=False)}"
        for name, measures in profile.items()
    )
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
