"""The champion of a registry and its service on KServe."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from regatta.artifacts import read_json
from regatta.deployment.kube import Cluster
from regatta.deployment.release import Deployed, is_inside, release
from regatta.deployment.service import OWNER, Wanted
from regatta.deployment.waiting import Proof
from regatta.errors import SettingsError
from regatta.registry import Registry, Version
from regatta.settings import DeploySettings
from regatta.store import Location

__all__ = ["check_registry", "deploy_champion", "follow"]


def deploy_champion(
    cluster: Cluster,
    registry: Registry,
    name: str,
    settings: DeploySettings,
    *,
    samples: Mapping[int, Mapping[str, Any]] | None = None,
    inside: bool | None = None,
) -> Deployed:
    """Serve the champion of a model.

    Parameters
    ----------
    cluster : Cluster
        Where.
    registry : Registry
        In an object store: KServe downloads from there.
    name : str
        Name of the model and of its service.
    settings : DeploySettings
        Account, runtime and size.
    samples : mapping, optional
        By version: ``rows`` and ``predictions`` that were evaluated. Of other versions one example
        row is asked over both protocols.
    inside : bool, optional
        Whether services can be asked from here; by default, in a pod.

    Raises
    ------
    SettingsError
        The registry is a folder.
    ArtifactError
        There is no such model.
    DeployError
        The version cannot be served; the one before it is.
    """
    check_registry(registry.root)
    versions: dict[str, Version] = {}
    asks = is_inside() if inside is None else inside

    def choose() -> Wanted:
        version = registry.resolve(name)
        versions[str(version.number)] = version
        return Wanted(name, str(version.number), version.uri, str(registry.root), settings)

    def prove(wanted: Wanted) -> Proof | None:
        if not asks:
            return None
        version = versions[wanted.version]
        described = read_json(version.bundle / "bundle.json")
        known = (samples or {}).get(version.number)
        if known:
            return Proof(described, known["rows"], known["predictions"])
        example = {column["name"]: column["example"] for column in described["signature"]}
        return Proof(described, [example])

    return release(cluster, choose, prove)


def follow(cluster: Cluster, registry: Registry, name: str) -> Deployed | None:
    """Let the service of a model follow its champion, if it has one of this registry.

    What the service asks for (account, runtime, size, pods) stays as it is.

    Parameters
    ----------
    cluster : Cluster
        Where the service may be.
    registry : Registry
        Registry of the model.
    name : str
        Name of the model.

    Returns
    -------
    Deployed or None
        None: there is no such service.
    """
    found = cluster.get(name)
    metadata = found["metadata"] if found else {}
    ours = metadata.get("labels", {}).get(OWNER) == "regatta"
    here = metadata.get("annotations", {}).get("regatta/registry") == str(registry.root)
    if found is None or not ours or not here:
        return None
    predictor = found["spec"]["predictor"]
    model = predictor.get("model", {})
    size = model.get("resources", {}).get("limits", {})
    settings = DeploySettings(
        target="kserve",
        registry=str(registry.root),
        namespace=cluster.namespace,
        service_account=predictor.get("serviceAccountName", "default"),
        runtime=model.get("runtime", ""),
        replicas=predictor.get("minReplicas", 1),
        cpu=str(size.get("cpu", "")),
        memory=str(size.get("memory", "")),
    )
    return deploy_champion(cluster, registry, name, settings)


def check_registry(root: Path | Location) -> None:
    """Raise `SettingsError` for a registry that a cluster cannot read."""
    if not isinstance(root, Location):
        raise SettingsError(
            f"deploy.target is kserve and the registry is the folder {str(root)!r}",
            expected="a registry in an object store, from which a cluster can read",
            fix="set deploy.registry=s3://bucket/folder",
        )
