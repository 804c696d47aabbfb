"""Component ``deploy``."""
