"""The verbs: one module a stage, paths in, paths out, a few numbers back.

A stage is a plain function that a test, a notebook, the command line and a component all call.
`task` wraps the stages of one pipeline task: it configures the log, times them, and turns a
`RegattaError` into one line and an exit code.
"""

from regatta.stages.parameters import compose
from regatta.stages.task import stage, task

__all__ = ["compose", "stage", "task"]
