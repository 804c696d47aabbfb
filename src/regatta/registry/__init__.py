"""Registered models: immutable versions, and aliases that move between them."""

from regatta.registry.find import Found, find
from regatta.registry.objects import Objects
from regatta.registry.registry import Registry, Verdict, Version
from regatta.registry.root import home, ledger_root, registry_root
from regatta.registry.storage import ALIASES

__all__ = [
    "ALIASES",
    "Found",
    "Objects",
    "Registry",
    "Verdict",
    "Version",
    "find",
    "home",
    "ledger_root",
    "registry_root",
]
