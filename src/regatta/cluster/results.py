"""What a run on a cluster leaves on this machine: the files that people open."""

import contextlib
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from regatta import __version__
from regatta.artifacts import read_json, write_json
from regatta.cluster.connection import Connection
from regatta.cluster.reasons import Reason
from regatta.cluster.workflow import Workflow
from regatta.errors import ClusterError, RegattaError
from regatta.runs.results import Outcome

__all__ = ["download", "keep", "out_folder", "wanted"]

FILES = {
    "report": ("evaluate", "report", ""),
    "evaluation": ("evaluate", "evaluation", "evaluation.json"),
    "leaderboard": ("evaluate", "evaluation", "leaderboard.json"),
    "version": ("release", "version", "version.json"),
    "service": ("release", "service", "service.json"),
}
PATIENCE_SECONDS = 15.0


def wanted(workflow: Workflow) -> dict[str, str]:
    """Return the address in the object store of each file that a user wants.

    ``evaluate`` and ``release`` are never served from the cache, so their pods name theirs.
    """
    found = {}
    for name, (task, artifact, file) in FILES.items():
        if uri := workflow.artifact(task, artifact):
            found[name] = f"{uri}/{file}" if file else uri
    return found


def out_folder(name: str, out: Path | None) -> Path:
    """Return the folder for what is downloaded: ``runs/<name>-<time>`` by default."""
    return out or Path("runs").absolute() / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"


def keep(reason: Reason, out: Path) -> None:
    """Write why a run failed to ``reason.json``, for programs.

    Parameters
    ----------
    reason : Reason
        What was found out.
    out : Path
        Folder to make.
    """
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / "reason.json", reason.to_dict())


def download(
    workflow: Workflow, connection: Connection, out: Path, facts: Mapping[str, Any]
) -> Outcome:
    """Download report, leaderboard and evaluation.

    Parameters
    ----------
    workflow : Workflow
        The run, at its end.
    connection : Connection
        The dashboard, which is asked where the object store cannot be.
    out : Path
        Folder to make.
    facts : mapping
        What else the record shall hold: ``name``, ``seconds``, ``budget_seconds``, ``run_id``, ….

    Returns
    -------
    Outcome
        As a local run has it, for the summary.

    Raises
    ------
    ClusterError
        A file cannot be had.
    """
    places = wanted(workflow)
    missing = [name for name in ("report", "evaluation", "leaderboard") if name not in places]
    if missing:
        raise ClusterError(
            f"the run names no {' or '.join(missing)}",
            fix="look at the run in the dashboard: its tasks evaluate and release",
        )
    out.mkdir(parents=True, exist_ok=True)
    names = {"report": "report.html"}
    for name, uri in places.items():
        _fetch(uri, connection, out / names.get(name, f"{name}.json"))
    record = {
        "regatta_version": __version__,
        **facts,
        "version": _values(out / "version.json"),
        "service": _values(out / "service.json"),
        "artifacts": places,
    }
    write_json(out / "run.json", record)
    return Outcome(
        out, record, read_json(out / "leaderboard.json"), read_json(out / "evaluation.json")
    )


def _values(path: Path) -> dict[str, Any]:
    """Return what a JSON file holds; empty if it is not there."""
    values: dict[str, Any] = read_json(path) if path.is_file() else {}
    return values


def _fetch(uri: str, connection: Connection, path: Path) -> None:
    """Download one file: from the object store, else through the dashboard."""
    tried = []
    for way in (_from_store, _from_dashboard):
        try:
            with _appearing(path) as part:
                way(uri, connection, part)
        except RegattaError as err:
            tried.append(err.found)
        else:
            return
    raise ClusterError(
        f"{uri} cannot be downloaded: {'; '.join(tried)}",
        fix="set AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY for that object "
        "store, or KF_PIPELINES_UI_ENDPOINT to the dashboard's address",
    )


@contextlib.contextmanager
def _appearing(path: Path) -> Iterator[Path]:
    """Give a place to write to, and move the file when it is whole."""
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".download-") as folder:
        part = Path(folder) / path.name
        yield part
        part.replace(path)


def _from_store(uri: str, connection: Connection, path: Path) -> None:
    """Download from the object store that the environment names."""
    from regatta.store import Location, connect

    split = urlsplit(uri)
    place = Location.parse(f"s3://{split.netloc}{split.path}")
    connect(patience_seconds=PATIENCE_SECONDS).download_file(place, path)


def _from_dashboard(uri: str, connection: Connection, path: Path) -> None:
    """Download through the dashboard, which has keys of its own."""
    import httpx

    split = urlsplit(uri)
    query = {
        "source": split.scheme,
        "bucket": split.netloc,
        "key": split.path.lstrip("/"),
        "namespace": connection.namespace,
    }
    try:
        answer = httpx.get(
            f"{connection.dashboard}/artifacts/get",
            params=query,
            headers=connection.headers,
            verify=connection.trust,
            timeout=PATIENCE_SECONDS,
        )
    except httpx.TransportError as err:
        raise ClusterError(f"{connection.dashboard}: {err}", fix="check the address") from err
    if not answer.is_success:
        raise ClusterError(
            f"{connection.dashboard} answers {answer.status_code}, it may be no dashboard",
            fix="set KF_PIPELINES_UI_ENDPOINT",
        )
    path.write_bytes(answer.content)
