"""Finished trials are handed over to the object store, so that a lane may lose its pod.

A pod that dies takes its disk with it. What its lane had finished then lies in the store, beside
the place of its artifact, and the pod that is started instead fetches it and goes on. Each trial
and each encoder is one object, the tar of its folder, and so is there whole or not at all.

The store is a help, never a need: all is sent from a thread that nobody waits for, and what the
store refuses is offered again.
"""

import contextlib
import logging
import os
import re
import tarfile
import tempfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

from regatta.artifacts import open_artifact, read_json
from regatta.artifacts.records import RECORD, TrialRecord
from regatta.errors import ArtifactError, RegattaError
from regatta.search.resuming import CLOCK, NOTES
from regatta.stages.attending import Attendant
from regatta.store import Location, Store, connect, is_location
from regatta.store.connect import has_endpoint, has_keys

__all__ = ["Handover", "handover_at"]

logger = logging.getLogger(__name__)

# How long a lane may wait for the first word of the store.
ANSWER_SECONDS = 5.0
REMOVERS = 8

SUFFIX = "-handed"
S3 = ("s3://", "minio://")
# Names of objects: notes as they are, and folders as tars. Nothing else is fetched.
_NOTE = re.compile(rf"{re.escape(NOTES)}/([\w-]+)\.json")
_TRIAL = re.compile(r"([\w-]+)\.tar")
_ENCODER = re.compile(r"encoders/[\w-]+/fold-[\d.]+\.tar")


def handover_at(uri: str, environment: Mapping[str, str] | None = None) -> "Handover | None":
    """Return where the finished trials of a lane are handed over.

    Parameters
    ----------
    uri : str
        URI of the artifact ``trials``: ``minio://`` or ``s3://``. Anything else is not served.
    environment : mapping, optional
        Address and keys of the store, as `regatta.store.connect` reads them; by default that of
        the process.

    Returns
    -------
    Handover or None
        None where the artifact is not in such a store, or no keys are given.
    """
    if not is_location(uri):
        return None
    env = os.environ if environment is None else environment
    scheme = uri.partition("://")[0] + "://"
    if scheme not in S3:
        missing = f"{scheme} is no S3 store"
    elif not has_keys(env):
        missing = "there are no keys of the object store"
    elif scheme == "minio://" and not has_endpoint(env):
        missing = "the address of the object store is not given"
    else:
        # What may follow a question mark says how to reach the store.
        path = uri.removeprefix(scheme).partition("?")[0].rstrip("/")
        try:
            store = connect(env, patience_seconds=0, answer_seconds=ANSWER_SECONDS)
            return Handover(store, Location.parse(f"s3://{path}{SUFFIX}"))
        except RegattaError as err:
            missing = err.found
    logger.info("finished trials are not handed over: %s", missing)
    return None


class Handover(Attendant):
    """A place in a store for what a lane has finished.

    Parameters
    ----------
    store : Store
        The store.
    place : Location
        What the keys have in common. It is not below the artifact, which counts its files.

    Attributes
    ----------
    store, place
        As given.
    """

    name = "handover"
    poll_seconds = 1.0

    def __init__(self, store: Store, place: Location) -> None:
        super().__init__()
        self.store, self.place = store, place
        self._sent: set[str] = set()

    @contextlib.contextmanager
    def attended(self, folder: Path) -> Iterator[None]:
        """Fetch what was handed over into the folder of a lane, and hand over what comes.

        Parameters
        ----------
        folder : Path
            Existing folder of the lane.
        """
        if not self.fetch(folder):
            # What lies there might get another encoder under it than its models were fitted behind.
            self.ended.set()
        with super().attended(folder):
            yield

    def fetch(self, folder: Path) -> bool:
        """Fetch what an earlier try has handed over; what is damaged, or is no such thing, is not.

        Parameters
        ----------
        folder : Path
            Existing folder of the lane.

        Returns
        -------
        bool
            False: something is there, or may be, and not all of it could be fetched.
        """
        try:
            start = len(self.place.key) + 1
            there = [entry.location.key[start:] for entry in self.store.list(self.place)]
            for name in sorted(there, key=_turn):
                self._fetch_one(name, folder)
        except (RegattaError, OSError) as err:
            self.complain("what was handed over could not be fetched", err)
            return False
        return True

    def look(self, folder: Path) -> None:
        """Send what is finished and was not sent yet.

        Parameters
        ----------
        folder : Path
            Folder of the lane.
        """
        try:
            for name in _finished(folder):
                if self.ended.is_set():
                    return
                if name not in self._sent:
                    self._send(name, folder)
                    self._sent.add(name)
        except (RegattaError, OSError) as err:
            self.complain("finished trials could not be handed over; that is tried again", err)

    def take_back(self) -> None:
        """Remove all objects."""
        try:
            places = [entry.location for entry in self.store.list(self.place)]
        except RegattaError as err:
            self.complain("what was handed over could not be removed", err)
            return
        # A pool of threads would hold up the end of the process.
        removers = [
            threading.Thread(target=self._remove_each, args=(places[n::REMOVERS],), daemon=True)
            for n in range(min(REMOVERS, len(places)))
        ]
        for remover in removers:
            remover.start()
        for remover in removers:
            remover.join()

    def _remove_each(self, places: list[Location]) -> None:
        """Remove some objects."""
        try:
            for place in places:
                self.store.remove(place)
        except RegattaError as err:
            self.complain("what was handed over could not be removed", err)

    def _send(self, name: str, folder: Path) -> None:
        """Send one note or one folder."""
        if name == f"{NOTES}/{CLOCK}":
            # The clock of the first try is that of all.
            self.store.create(self.place / name, (folder / name).read_bytes())
        elif _NOTE.fullmatch(name):
            self.store.write(self.place / name, (folder / name).read_bytes())
        else:
            with tempfile.TemporaryDirectory(prefix="regatta-handover-") as scratch:
                packed = Path(scratch) / "packed.tar"
                with tarfile.open(packed, "w") as archive:
                    archive.add(folder / name.removesuffix(".tar"), arcname=".")
                self.store.upload_file(packed, self.place / name)

    def _fetch_one(self, name: str, folder: Path) -> None:
        """Fetch one note or one folder, if it is what its name says."""
        if not any(kind.fullmatch(name) for kind in (_NOTE, _TRIAL, _ENCODER)):
            return
        with tempfile.TemporaryDirectory(prefix=".handed-", dir=folder) as scratch:
            fetched, place = Path(scratch) / "object", folder / name.removesuffix(".tar")
            self.store.download_file(self.place / name, fetched)
            try:
                if name.endswith(".tar"):
                    fetched = _unpacked(fetched, Path(scratch) / "folder")
                if not _ENCODER.fullmatch(name):
                    _check(name, fetched, folder)
            except (tarfile.TarError, ArtifactError, ValueError, KeyError, TypeError) as err:
                logger.warning("%s is damaged and is left out: %s", self.place / name, err)
                return
            place.parent.mkdir(parents=True, exist_ok=True)
            os.rename(fetched, place)
            self._sent.add(name)


def _finished(folder: Path) -> Iterator[str]:
    """Yield the names of what may be sent; a trial comes after the encoders that it needs."""
    for note in sorted((folder / NOTES).glob("[!.]*.json")):
        yield f"{NOTES}/{note.name}"
    for record in sorted(folder.glob(f"[!.]*/{RECORD}")):
        fits = record.with_name("fits.json")
        if fits.is_file():
            yield from (f"encoders/{name}.tar" for name in read_json(fits)["encoders"])
        yield f"{record.parent.name}.tar"


def _turn(name: str) -> tuple[int, str]:
    """Return when an object is fetched.

    The clock is first. A trial is checked with its encoders, which come before it. A note without
    its trial speaks of a crash, so notes are last.
    """
    if name == f"{NOTES}/{CLOCK}":
        return 0, name
    return (1 if _ENCODER.fullmatch(name) else 2 if _TRIAL.fullmatch(name) else 3), name


def _unpacked(packed: Path, folder: Path) -> Path:
    """Unpack a tar that holds files and folders below ``.``, and nothing else."""
    folder.mkdir()
    with tarfile.open(packed, "r:") as archive:
        for member in archive.getmembers():
            parts = Path(member.name).parts
            if not (member.isfile() or member.isdir()) or ".." in parts or member.name[:1] == "/":
                raise tarfile.ExtractError(f"{member.name!r} does not belong into it")
        archive.extractall(folder, filter="data")
    return folder


def _check(name: str, fetched: Path, folder: Path) -> None:
    """Raise unless a note, or a trial with all that it needs, is what its name says."""
    if name == f"{NOTES}/{CLOCK}":
        clock = read_json(fetched)
        float(clock["began"]), float(clock["deadline"])
        return
    is_trial = fetched.is_dir()
    if is_trial:
        fetched = open_artifact(fetched, "trial").file(RECORD)
        fits = fetched.with_name("fits.json")
        needed = read_json(fits)["encoders"] if fits.is_file() else []
        for encoder in needed:
            if not (folder / "encoders" / encoder).is_dir():
                raise ValueError(f"its encoder {encoder!r} is not there")
    record = TrialRecord.from_dict(read_json(fetched))
    matched = (_TRIAL if is_trial else _NOTE).fullmatch(name)
    if matched is None or record.id != matched[1]:
        raise ValueError(f"it is the trial {record.id!r}")
