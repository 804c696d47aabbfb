"""Pipeline ``monitor``."""
