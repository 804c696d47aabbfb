"""Component ``release``."""
