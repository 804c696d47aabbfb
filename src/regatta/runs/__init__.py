"""Runs of the pipelines on this machine, and their compiled form for a cluster."""
