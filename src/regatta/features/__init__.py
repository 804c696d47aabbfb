"""Row-wise features (`rows`), and encoders that are fitted inside folds (`encoders`)."""

from regatta.features.rows import Feature, RowFeatures

__all__ = ["Feature", "RowFeatures"]
