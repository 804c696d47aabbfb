"""Pipeline ``train``."""
