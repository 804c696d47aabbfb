"""Where the winner is registered and served."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from regatta.names import RULE, is_name
from regatta.settings.group import Group

__all__ = ["DeploySettings"]


def _checked_label(name: str) -> str:
    """Refuse a name that no namespace can have."""
    if not is_name(name):
        raise ValueError(RULE)
    return name


class DeploySettings(Group):
    """Where the winner is registered and served."""

    target: Literal["local", "kserve", "none"] = "local"
    """``local``: a KServe model server process on this machine; ``kserve``: an InferenceService of
    a cluster; ``none``: register only."""
    registry: str = ""
    """Folder of the registry, or ``s3://bucket/folder`` in an object store, which ``kserve``
    needs; empty: ``$REGATTA_MODELS``, and without it ``$REGATTA_HOME/registry``, by default in
    ``~/.regatta``."""
    port: int = Field(default=0, ge=0, le=65535)
    """Port of the local service; 0: 8080, or a free one if that is taken."""
    namespace: Annotated[str, AfterValidator(_checked_label)] = "regatta"
    """Namespace of the InferenceService."""
    service_account: str = "regatta-serve"
    """Account that the service runs as; its Secret has the keys of the object store."""
    runtime: str = "regatta"
    """ServingRuntime of the service; empty: one that KServe finds by the format ``regatta``."""
    replicas: int = Field(default=1, ge=1, le=1000)
    """Pods of the service."""
    cpu: str = ""
    """Request and limit of a pod, such as ``500m``; empty: those of the runtime."""
    memory: str = ""
    """Request and limit of a pod, such as ``1Gi``; empty: those of the runtime."""
    timeout_seconds: float = Field(default=300, ge=10, le=3600)
    """How long a version may take on a cluster until it serves."""
