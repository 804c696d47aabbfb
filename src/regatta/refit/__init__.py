"""The refit: the winner's members learn again, with the locked rows among what they learn from.

It goes on beside the measurement, which reads the models of the race only. Each member is fitted on
the folds that it had, so that early stopping and out-of-fold scores are about the same rows as
before; the locked rows only join the rows that every fold trains on.
"""

__all__ = ["WHOLE"]

WHOLE = "whole"
"""Folder, below that of the trials, of the fits of all rows."""
