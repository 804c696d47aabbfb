"""What a lane says of a finished trial."""

import logging

from regatta import events
from regatta.artifacts.records import TrialRecord
from regatta.evaluation.metrics import Metric

__all__ = ["announce"]

logger = logging.getLogger("regatta.search.lane")


def announce(record: TrialRecord, metric: Metric, best: float | None) -> None:
    """Say what came of a trial, in the log and to the command line.

    Parameters
    ----------
    record : TrialRecord
        The trial.
    metric : Metric
        What its score is in.
    best : float or None
        Best score of the lane so far.
    """
    events.emit(
        "trial",
        id=record.id,
        lane=record.lane,
        learner=record.recipe.learner,
        status=record.status,
        reason=record.reason,
        score=record.score,
        metric=metric.key,
        seconds=record.seconds,
        peak_memory_bytes=record.peak_memory_bytes,
        best=best,
    )
    if record.score is None:
        told = f"{record.status}: {record.reason}"
    else:
        told = f"{metric.key}={record.score:.5g} (best {best:.5g})"
    logger.info(
        "trial %s %s %.1f s %.1f GB",
        record.id,
        told,
        record.seconds,
        record.peak_memory_bytes / 1e9,
    )
