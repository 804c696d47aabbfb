"""The refit: the winner's members learn again, with the locked rows among what they learn from.

It goes on beside the measurement, which reads the models of the race only. A member that has found
out what it needs to know is fitted on all rows at once; another on the folds that it had, so that
early stopping is about the same rows as before, and the locked rows only join those that every fold
trains on.
"""

__all__ = ["WHOLE"]

WHOLE = "whole"
"""Folder, below that of the trials, of the fits of all rows."""
