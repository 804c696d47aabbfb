"""Component ``conclude``."""
