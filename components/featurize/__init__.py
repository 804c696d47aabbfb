"""Component ``featurize``."""
