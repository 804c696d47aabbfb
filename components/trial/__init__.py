"""Component ``trial``."""
