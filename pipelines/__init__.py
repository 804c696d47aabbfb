"""Pipelines: one folder each, wiring only."""
