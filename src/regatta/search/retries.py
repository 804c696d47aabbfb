"""A second chance: what a trial that failed is tried with once more, cheaper or safer.

What is too large, too slow or kills its process is tried on a quarter of the rows; what raises or
gives no numbers, with the learner's defaults. There is one retry a trial, and none of a retry.
"""

from dataclasses import replace
from typing import TYPE_CHECKING

from regatta.artifacts.records import Recipe, TrialRecord

if TYPE_CHECKING:
    from regatta.learners.base import Learner, Shape

__all__ = ["retried", "retry_of"]

ORIGIN = "retry of "
# Part of the rows, and rows below which a sample is not worth the time.
SHARE = 4
LEAST_ROWS = 500


def retried(recipe: Recipe) -> str:
    """Return the id of the trial whose retry a recipe is; empty where it is none.

    Examples
    --------
    >>> retried(Recipe("linear", origin="retry of 00-003-linear")), retried(Recipe("linear"))
    ('00-003-linear', '')
    """
    return recipe.origin.removeprefix(ORIGIN) if recipe.origin.startswith(ORIGIN) else ""


def retry_of(record: TrialRecord, learner: "Learner", shape: "Shape") -> Recipe | None:
    """Return what to try instead of a trial that failed.

    Parameters
    ----------
    record : TrialRecord
        The trial.
    learner : Learner
        Its learner.
    shape : Shape
        Size of one fold's training rows.

    Returns
    -------
    Recipe or None
        None after a success, a refusal (``skipped``), a trial that was given up or a retry, and
        where there is nothing cheaper.
    """
    recipe = record.recipe
    if record.status in ("ok", "stopped", "skipped") or retried(recipe):
        return None
    used = recipe.rows or shape.n_rows
    fewer = max(used // SHARE, LEAST_ROWS)
    smaller = replace(recipe, rows=fewer) if fewer < used else None
    defaults = learner.defaults(shape)
    differs = {**defaults, **recipe.params} != defaults
    plainer = replace(recipe, params=defaults) if differs else None
    if record.status == "timeout":
        # The defaults may take as long as any other parameters.
        found = smaller
    elif record.status in ("raised", "bad_values"):
        found = plainer or smaller
    else:
        found = smaller or plainer
    return found and replace(found, origin=f"{ORIGIN}{record.id}", number=record.number)
