"""Register: the bundle becomes the next version of its model."""

from hashlib import sha256
from typing import Any

from regatta.artifacts import open_artifact, read_json, write_json, writing
from regatta.artifacts.base import MANIFEST
from regatta.registry import Registry, Verdict, Version, registry_root
from regatta.settings import RunSettings
from regatta.stages.task import stage

__all__ = ["run"]


def run(bundle: str, evaluation: str, settings: str, version: str) -> dict[str, Any]:
    """Copy a bundle into the registry.

    Parameters
    ----------
    bundle : str
        Path of the bundle.
    evaluation : str
        Path of the evaluation, whose verdict decides the alias: ``promote`` makes the version
        champion, ``keep`` makes it challenger.
    settings : str
        Settings of the run as JSON.
    version : str
        Path of the version artifact to write.

    Returns
    -------
    dict
        ``name``, ``version`` and ``verdict``.

    Raises
    ------
    ArtifactError
        The bundle or the evaluation is missing or damaged.
    UsageError
        The registry cannot be written.
    StoreError
        The registry is in an object store, which refuses or does not answer.
    """
    chosen = RunSettings.from_json(settings)
    with stage("register") as numbers:
        measured = read_json(open_artifact(evaluation, "evaluation").file("evaluation.json"))
        described = read_json(
            open_artifact(bundle, "bundle", verify=["bundle.json"]).file("bundle.json")
        )
        registry = Registry(registry_root(chosen.deploy.registry))
        verdict: Verdict = measured["verdict"]
        digest = sha256(open_artifact(bundle, "bundle", verify=False).file(MANIFEST).read_bytes())
        added = _again(registry, chosen.name, digest.hexdigest(), verdict) or registry.register(
            bundle,
            chosen.name,
            verdict=verdict,
            bundle_sha256=digest.hexdigest(),
            task=described["task"],
            target=described["target"],
            metric=described["metric"],
            score=described["score"],
            locked_score=measured["metric"]["score"],
            # Which rows were locked: the next run compares on rows that this version never saw.
            locked={key: measured["locked"][key] for key in ("sha256", "lock")},
            reason=measured["comparison"]["reason"],
            members=len(described["members"]),
            fingerprint=described["fingerprint"],
        )
        with writing(version, "version", name=added.name, version=added.number) as folder:
            write_json(
                folder / "version.json",
                {
                    "name": added.name,
                    "version": added.number,
                    "path": added.place,
                    "uri": added.uri,
                    "registry": str(registry.root),
                    "aliases": list(added.aliases),
                    "verdict": verdict,
                },
            )
        numbers.update(name=added.name, version=added.number, verdict=verdict)
    return numbers


def _again(registry: Registry, name: str, digest: str, verdict: Verdict) -> Version | None:
    """Return the newest version if it is this very bundle: the task was tried before, and ended."""
    if name not in registry.names():
        return None
    newest = registry.versions(name)[-1]
    if newest.metadata.get("bundle_sha256") != digest:
        return None
    return registry.promote(name, newest.number) if verdict == "promote" else newest
