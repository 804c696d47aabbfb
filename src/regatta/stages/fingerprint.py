"""``fingerprint``: what the table is today, and what can be known before it is read.

A pipeline takes tasks from its cache by their inputs. The name of a file says nothing about its
content, and the name of an image little about its code: both are named here by what they hold, in
a task that always runs, and everything behind it is cached by that name.
"""

import hashlib
import importlib.metadata
import secrets
from functools import cache
from pathlib import Path
from typing import Any

import regatta
from regatta.dataset.source import fingerprint as content_hash
from regatta.dataset.source import inspect, named
from regatta.errors import UsageError
from regatta.registry import registry_root
from regatta.search.machine import in_pod
from regatta.search.pod_memory import chosen, reading_bytes
from regatta.settings import RunSettings
from regatta.stages.task import stage
from regatta.store import Location, connect, is_location

__all__ = ["image_identity", "run", "table_tag"]

HEAD_BYTES = 8


def run(settings: str, *, memory: str = "auto", cached: bool = True) -> dict[str, Any]:
    """Look at the table and at this image, without reading the table's rows.

    Parameters
    ----------
    settings : str
        `RunSettings` as JSON; ``data.source`` is the file, a path or ``s3://bucket/key``.
    memory : str, default "auto"
        Memory of a pod that reads it, such as 2Gi; ``auto``: by the size of the file.
    cached : bool, default True
        Whether a run may use what an earlier one has made of the same table.

    Returns
    -------
    dict
        ``fingerprint``: ``<tag of the content>@<image>``, with a random part where nothing shall
        be taken from the cache. ``bytes``: size of the file. ``memory``: a quantity of Kubernetes.

    Raises
    ------
    DataError
        There is no such file, or it is no table.
    StoreError
        There is no such object, or the store does not answer.
    SettingsError
        `memory` is no quantity.
    UsageError
        The registry is a folder that nobody named, in a pod: it would be lost with it.
    """
    with stage("fingerprint") as numbers:
        wanted = RunSettings.from_json(settings)
        _check_registry(wanted.deploy.registry)
        data = wanted.data
        name = named(data)
        if is_location(name):
            store, place = connect(), Location.parse(name)
            entry = store.look(place)
            tag, size = entry.etag, entry.bytes
            start = store.read(place, most_bytes=HEAD_BYTES)
            head = start.data if start else b""
        else:
            path = inspect(name, data).path
            tag, size = content_hash(path), path.stat().st_size
            with path.open("rb") as stream:
                head = stream.read(HEAD_BYTES)
        parts = [tag, image_identity()] + ([] if cached else [secrets.token_hex(8)])
        numbers.update(
            fingerprint="@".join(parts),
            bytes=size,
            memory=chosen(memory, reading_bytes(size, head)),
        )
        return numbers


def _check_registry(registry: str) -> None:
    """Refuse a registry that would be lost: better now than after the race."""
    if in_pod() and not registry and isinstance(registry_root(), Path):
        raise UsageError(
            "no registry is named, and a folder of a pod is lost with the pod",
            expected="a place in an object store, such as s3://models/regatta",
            fix="set release_registry (--registry), or REGATTA_MODELS in the ConfigMap "
            "regatta-defaults",
        )


def table_tag(fingerprint: str) -> str:
    """Return the tag of the content in what `run` returned; empty if there is none.

    Examples
    --------
    >>> table_tag("9a0364b9e99bb480dd25e1f0284c8555@1f0e2d"), table_tag("")
    ('9a0364b9e99bb480dd25e1f0284c8555', '')
    """
    return fingerprint.partition("@")[0]


@cache
def image_identity() -> str:
    """Return a name of the code that runs here: Regatta's own files, and all packages' versions.

    An image that was built anew under the same tag has another one.
    """
    digest = hashlib.sha256()
    found = importlib.metadata.distributions()
    for name in sorted({f"{one.metadata['Name']}=={one.version}" for one in found}):
        digest.update(f"{name}\n".encode())
    root = Path(regatta.__file__).parent
    for path in sorted(root.rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()[:16]
