"""Component ``split``."""
