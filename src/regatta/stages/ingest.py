"""Read the user's file, whatever it is, into the one form that all later stages read."""

import tempfile
from pathlib import Path
from typing import Any

from regatta.artifacts.base import write_json, writing
from regatta.dataset.frame import TABLE
from regatta.dataset.reading import fingerprint, write_table
from regatta.errors import DataError
from regatta.settings import RunSettings
from regatta.stages.task import stage

__all__ = ["run"]


def run(settings: str, dataset: str) -> dict[str, Any]:
    """Read a table.

    Parameters
    ----------
    settings : str
        `RunSettings` as JSON; ``data.source`` is the file.
    dataset : str
        Folder of the artifact to write: table.parquet (all rows, typed), reading.json (how the
        file was read).

    Returns
    -------
    dict
        ``source``, ``format``, ``fingerprint`` (SHA-256 of the file), ``n_rows``, ``n_columns``.

    Raises
    ------
    DataError
        The file is no table, or lacks the target.
    """
    with stage("ingest") as numbers:
        data = RunSettings.from_json(settings).data
        if not data.source:
            raise DataError(
                "no table is given",
                expected="the path of a CSV, Parquet or JSON-lines file",
                fix="pass it as data.source",
            )
        parent = Path(dataset).absolute().parent
        parent.mkdir(parents=True, exist_ok=True)
        # The manifest holds what is known only once the table is written.
        with tempfile.TemporaryDirectory(prefix=".ingest-", dir=parent) as spill:
            table = Path(spill, TABLE)
            reading = write_table(data.source, data, table)
            numbers.update(
                source=reading.source,
                format=reading.format,
                fingerprint=fingerprint(data.source),
                n_rows=reading.n_rows,
                n_columns=len(reading.columns),
            )
            with writing(dataset, "dataset", **numbers) as folder:
                table.rename(folder / TABLE)
                write_json(folder / "reading.json", reading.to_dict())
    return numbers
