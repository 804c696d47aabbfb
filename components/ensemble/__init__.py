"""Component ``ensemble``."""
