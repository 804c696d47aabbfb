"""Read the user's file, whatever it is, into the one form that all later stages read."""

import tempfile
from pathlib import Path
from typing import Any

from regatta.artifacts.base import write_json, writing
from regatta.dataset.frame import TABLE
from regatta.dataset.reading import fingerprint, write_table
from regatta.dataset.source import named
from regatta.settings import RunSettings
from regatta.stages.task import stage
from regatta.store import Location, connect, is_location

__all__ = ["fetched", "run"]


def run(settings: str, dataset: str, tag: str = "") -> dict[str, Any]:
    """Read a table.

    Parameters
    ----------
    settings : str
        `RunSettings` as JSON; ``data.source`` is the file, a path or ``s3://bucket/key``. Columns
        that ``split`` names must be there.
    dataset : str
        Folder of the artifact to write: table.parquet (all rows, typed), reading.json (how the
        file was read).
    tag : str, default ""
        Tag that an object of a store must still have (`regatta.stages.fingerprint`); empty for
        any. What is kept in a cache under the tag of a table must be of that table.

    Returns
    -------
    dict
        ``source``, ``format``, ``fingerprint`` (SHA-256 of the file), ``n_rows``, ``n_columns``.

    Raises
    ------
    DataError
        The file is no table, or lacks the target.
    StoreError
        The file cannot be fetched from its object store, or has another tag.
    """
    with stage("ingest") as numbers:
        wanted = RunSettings.from_json(settings)
        data = wanted.data
        source_name = named(data)
        parent = Path(dataset).absolute().parent
        parent.mkdir(parents=True, exist_ok=True)
        # The manifest holds what is known only once the table is written.
        with tempfile.TemporaryDirectory(prefix=".ingest-", dir=parent) as spill:
            table, source = Path(spill, TABLE), fetched(source_name, Path(spill), tag)
            reading = write_table(source, data, table, wanted.split)
            numbers.update(
                source=reading.source,
                format=reading.format,
                fingerprint=fingerprint(source),
                n_rows=reading.n_rows,
                n_columns=len(reading.columns),
            )
            with writing(dataset, "dataset", **numbers) as folder:
                table.rename(folder / TABLE)
                write_json(folder / "reading.json", reading.to_dict())
    return numbers


def fetched(source: str, folder: Path, tag: str = "") -> Path:
    """Return the path of the file; one that is in an object store is copied first."""
    if not is_location(source):
        return Path(source)
    location = Location.parse(source)
    # The name is kept: it is shown, and its suffix says what the file is where nothing else does.
    copy = folder / "source" / location.key.rpartition("/")[2]
    connect().download_file(location, copy, etag=tag)
    return copy
