"""The on-disk layout of every artifact: a folder with a manifest of kinds and checksums."""

from regatta.artifacts.base import (
    Artifact,
    folder_bytes,
    open_artifact,
    read_json,
    write_json,
    writing,
)

__all__ = ["Artifact", "folder_bytes", "open_artifact", "read_json", "write_json", "writing"]
