"""The InferenceService of a version: what is asked for, and what KServe made of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from regatta.errors import DeployError
from regatta.settings import DeploySettings

__all__ = ["OWNER", "SOURCE", "Wanted", "check_ours", "is_rolled_out", "served_uri"]

Object = Mapping[str, Any]

OWNER = "app.kubernetes.io/managed-by"
SOURCE = "internal.serving.kserve.io/storage-initializer-sourceuri"
USER = 10001


@dataclass(frozen=True)
class Wanted:
    """A version that shall be served.

    Attributes
    ----------
    model : str
        Name of the model.
    version : str
        Its version.
    uri : str
        Where its bundle lies.
    registry : str
        Where it is registered.
    settings : DeploySettings
        Namespace, account, runtime and size.
    """

    model: str
    version: str
    uri: str
    registry: str
    settings: DeploySettings

    def body(self, name: str, replicas: int = 1, **annotations: str) -> dict[str, Any]:
        """Return the InferenceService.

        Parameters
        ----------
        name : str
            Its name: that of the model, or of its candidate.
        replicas : int, default 1
            Number of pods.
        **annotations : str
            More annotations, ``regatta/`` goes before their names.
        """
        chosen = self.settings
        size = {"cpu": chosen.cpu, "memory": chosen.memory}
        size = {key: value for key, value in size.items() if value}
        notes = {"version": self.version, "registry": self.registry, **annotations}
        model: dict[str, Any] = {
            "modelFormat": {"name": "regatta"},
            "storageUri": self.uri,
            # After those of the runtime; the server says it when asked.
            "args": [f"--model_version={self.version}"],
        }
        if chosen.runtime:
            model["runtime"] = chosen.runtime
        if size:
            model["resources"] = {"requests": size, "limits": size}
        return {
            "apiVersion": "serving.kserve.io/v1beta1",
            "kind": "InferenceService",
            "metadata": {
                "name": name,
                "namespace": chosen.namespace,
                "labels": {OWNER: "regatta", "regatta/model": self.model},
                "annotations": {
                    "serving.kserve.io/deploymentMode": "Standard",
                    # Without a metrics server an autoscaler only logs errors.
                    "serving.kserve.io/autoscalerClass": "none",
                    **{f"regatta/{key}": value for key, value in notes.items()},
                },
            },
            "spec": {
                "predictor": {
                    "serviceAccountName": chosen.service_account,
                    "automountServiceAccountToken": False,
                    "minReplicas": replicas,
                    # For the storage initializer, which has no security context of its own.
                    "securityContext": {
                        "runAsNonRoot": True,
                        "runAsUser": USER,
                        "runAsGroup": USER,
                        "seccompProfile": {"type": "RuntimeDefault"},
                    },
                    "model": model,
                }
            },
        }


def check_ours(found: Object, namespace: str) -> None:
    """Raise `DeployError` for an InferenceService that somebody else made."""
    owner = found["metadata"].get("labels", {}).get(OWNER, "")
    if owner != "regatta":
        name = found["metadata"]["name"]
        raise DeployError(
            f"InferenceService {name!r} of namespace {namespace} is not Regatta's"
            + (f" but {owner}'s" if owner else ""),
            expected=f"none of that name, or one with the label {OWNER}: regatta",
            fix="choose another name or deploy.namespace; or delete it, or give it the label",
        )


def served_uri(found: Object) -> str:
    """Return where the model of an InferenceService lies, as its spec has it."""
    model = found.get("spec", {}).get("predictor", {}).get("model", {})
    return str(model.get("storageUri", ""))


def is_rolled_out(deployment: Object | None, uri: str) -> bool:
    """Return whether all pods of a Deployment are of the version at a URI, and no others.

    The condition Ready of an InferenceService does not say it: on an update it never leaves True.
    """
    if deployment is None:
        return False
    spec, status = deployment["spec"], deployment.get("status", {})
    replicas = spec.get("replicas", 1)
    counts = [status.get(f"{kind}eplicas", 0) for kind in ("r", "updatedR", "availableR")]
    return (
        spec["template"]["metadata"].get("annotations", {}).get(SOURCE) == uri
        and status.get("observedGeneration") == deployment["metadata"]["generation"]
        and counts == [replicas] * 3
    )
