"""Component ``validate``."""
