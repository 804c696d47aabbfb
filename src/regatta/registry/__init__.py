"""Registered models: immutable versions, and aliases that move between them."""

from regatta.registry.find import Found, find
from regatta.registry.registry import ALIASES, Registry, Verdict, Version
from regatta.registry.root import home, registry_root

__all__ = ["ALIASES", "Found", "Registry", "Verdict", "Version", "find", "home", "registry_root"]
