"""Component ``monitor``."""
