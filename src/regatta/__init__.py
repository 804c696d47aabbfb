"""Regatta: from a table and a target column to a prediction service."""

__all__ = ["__version__"]

__version__ = "0.1.0"
