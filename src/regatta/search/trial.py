"""One trial, as it runs in its child process: fit fold by fold, predict what each left out."""

import contextlib
import logging
import resource
import shutil
import sys
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from regatta.artifacts import folder_bytes, write_json, writing
from regatta.artifacts.records import RECORD, TrialRecord
from regatta.errors import TrialSkipped
from regatta.evaluation.metrics import Metric
from regatta.learners.base import MEDIAN, FitData, Learner, Model, Shape
from regatta.learners.logarithm import FACTOR, LOGARITHM, LogModel, to_logarithm
from regatta.search.cache import EncodedFolds, Fold
from regatta.search.isolation import memory_text
from regatta.search.job import First, Job, Progress
from regatta.search.median import mean_loss
from regatta.search.table import TrainingTable
from regatta.search.toolbox import Toolbox

__all__ = ["peak_memory", "run_trial"]

logger = logging.getLogger(__name__)

# Of the time of a fold, the part for fitting; the rest is for predicting and saving.
FIT_SHARE = 0.85


class BadValuesError(ArithmeticError):
    """The model predicted what is no number, or the score is undefined."""


class GivenUpError(Exception):
    """The folds so far say that the others are not to be fitted."""

    def __init__(self, reason: str, progress: Progress) -> None:
        super().__init__(reason)
        self.progress = progress


class TooSlowError(GivenUpError):
    """The folds that are left cannot be fitted in time."""


class HopelessError(GivenUpError):
    """The folds so far are worse than those of other trials."""


def run_trial(
    job: Job, table: TrainingTable, cache: EncodedFolds, toolbox: Toolbox, metric: Metric
) -> None:
    """Run a trial and write its artifact, whatever comes of it.

    Parameters
    ----------
    job : Job
        What to do.
    table : TrainingTable
        Training rows.
    cache : EncodedFolds
        Encoded folds of the lane.
    toolbox : Toolbox
        Where the learner comes from.
    metric : Metric
        What scores the predictions.

    Notes
    -----
    The only place where any exception is caught: a learner may raise what it likes, and the race
    goes on. What kills the process is recorded by the parent.
    """
    with _threads(job.threads), writing(job.folder, "trial") as folder:
        try:
            learner = toolbox.learner(job.recipe.learner)
            progress = _fit_all(job, table, cache, learner, metric, folder)
            record = _finish(job, table, metric, progress, folder)
        except HopelessError as err:
            tried = replace(job.recipe, params=err.progress.params)
            record = job.record("stopped", str(err), recipe=tried, **_so_far(err.progress))
        except TrialSkipped as err:
            record = job.record("skipped", err.found)
        except MemoryError as err:
            record = job.record("out_of_memory", f"an allocation failed: {_sentence(err)}")
        except TooSlowError as err:
            record = job.record("timeout", str(err), **_so_far(err.progress))
        except BadValuesError as err:
            record = job.record("bad_values", str(err))
        except Exception as err:
            record = job.record("raised", _sentence(err))
            (folder / "traceback.txt").write_text(traceback.format_exc(), encoding="utf-8")
        if record.status != "ok":
            _drop_models(folder)
        write_json(folder / RECORD, replace(record, peak_memory_bytes=peak_memory()).to_dict())


def peak_memory() -> int:
    """Return the highest resident memory of this process so far, in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _fit_all(
    job: Job,
    table: TrainingTable,
    cache: EncodedFolds,
    learner: Learner,
    metric: Metric,
    folder: Path,
) -> Progress:
    """Fit every fold and predict the rows that it left out."""
    if table.task not in learner.tasks:
        raise TrialSkipped(f"{learner.key} does not learn a {table.task} task", fix="leave it out")
    if table.weights is not None and not learner.weighted:
        raise TrialSkipped(f"{learner.key} does not heed weights of rows", fix="leave it out")
    if learner.package:
        # The first fold shall not pay for it, or the trial would be judged by that.
        import_module(learner.package)
    progress = Progress(np.full((table.folds.size, table.n_outputs), np.nan, dtype=np.float32))
    for number in range(table.n_folds):
        if number and cache.one_fold_does:
            break
        if number == 1 and job.probe and progress.truncated and table.one_fold_may_do:
            progress.settled = True
            break
        if number and not _time_for_another(job, progress, table.n_folds):
            break
        _check_hope(job, progress, metric, table.n_folds)
        fold = _encoded(job, cache, learner, progress, number)
        open_folds = table.n_folds - number
        place = folder / f"model/fold-{number}"
        predicted = _fit_fold(job, learner, fold, metric, progress, open_folds, place)
        places = table.places(1, number)
        progress.oof[places] = predicted
        found = progress.oof[places].astype(np.float64)
        score = metric.score(table.y[fold.valid], found, table.weights_of(fold.valid))
        progress.scores.append(score if np.isfinite(score) else None)
        if not number:
            taken = time.time() - job.started_at
            spent = progress.fit_seconds, progress.encode_seconds
            progress.first = First(taken, *spent, progress.truncated)
    cache.forget_frame()
    if cache.one_fold_does:
        progress.settle_for_first(table.places(1))
        for model in (folder / "model").glob("fold-[!0]*"):
            shutil.rmtree(model)
    return progress


def _encoded(
    job: Job, cache: EncodedFolds, learner: Learner, progress: Progress, number: int
) -> Fold:
    """Return an encoded fold, and take note of how long that took."""
    began, read = time.time(), cache.read_seconds
    deadline = min(began + job.encode_seconds, job.deadline)
    fold = cache.fold(learner.encoding, number, job.recipe.rows, deadline)
    # Raw rows are read once: that does not come again with each fold.
    progress.waited_seconds += time.time() - began - (cache.read_seconds - read)
    progress.encode_seconds += fold.seconds
    return fold


def _check_hope(job: Job, progress: Progress, metric: Metric, n_folds: int) -> None:
    """Give the trial up if what it has shown is worse than what others have."""
    if not progress.folds or not job.bars.losses:
        return
    loss, bar = mean_loss(progress.scores, metric), job.bars.losses[progress.folds - 1]
    needed = progress.fold_seconds * (n_folds - progress.folds)
    if loss is not None and loss > bar and needed >= job.bars.spare_seconds:
        raise HopelessError(
            f"{metric.label} {metric.loss(loss):.5g} on {progress.folds} of {n_folds} folds, "
            f"where {job.bars.others} have {metric.loss(bar):.5g} or better",
            progress,
        )


def _time_for_another(job: Job, progress: Progress, n_folds: int) -> bool:
    """Return whether to go on with the next fold; raise when the trial is lost."""
    left, open_folds = job.deadline - time.time(), n_folds - progress.folds
    encode, fit = progress.waited_seconds / progress.folds, progress.fit_seconds / progress.folds
    # A fit that was stopped by its deadline takes the time that there is.
    needed = encode + (0.3 if progress.truncated else 0.8) * fit
    if left > (needed if job.partial else needed * open_folds):
        return True
    if job.partial:
        return False
    raise TooSlowError(
        f"{progress.folds} of {n_folds} folds took {encode + fit:.1f} s each; {left:.1f} s are "
        f"left for the other {open_folds}",
        progress,
    )


def _fit_fold(
    job: Job,
    learner: Learner,
    fold: Fold,
    metric: Metric,
    progress: Progress,
    open_folds: int,
    folder: Path,
) -> npt.NDArray[np.float64]:
    """Fit one fold, save its model, and return what it predicts of its validation rows."""
    n_rows, n_columns = np.shape(fold.data.X)
    shape = Shape(fold.data.task, n_rows, n_columns, fold.data.n_outputs)
    progress.params = {**learner.defaults(shape), **job.recipe.params}
    if metric.of_logarithms:
        progress.params |= LOGARITHM
    _check_memory(job, learner, shape, progress.params)
    began = time.time()
    # The folds that are left have to be encoded, too.
    coming = progress.waited_seconds / (progress.folds + 1) * (open_folds - 1)
    spare = min(job.fit_seconds - progress.fit_seconds, job.deadline - began - coming)
    deadline = began + FIT_SHARE * max(spare, 0.0) / open_folds
    model = _fit_model(job, learner, fold.data, metric, progress.params, deadline)
    progress.truncated |= model.truncated
    progress.learnt.append(model.learnt)
    fitted = time.perf_counter()
    predicted = _checked(model, fold, fold.data.n_outputs)
    seconds = time.perf_counter() - fitted
    progress.predict_seconds_per_row += seconds / max(len(fold.valid), 1)
    progress.encoders.append(fold.encoder)
    folder.mkdir(parents=True)
    model.save(folder)
    progress.fit_seconds += time.time() - began
    return predicted


def _fit_model(
    job: Job,
    learner: Learner,
    data: FitData,
    metric: Metric,
    params: Mapping[str, Any],
    deadline: float,
) -> Model:
    """Fit a model of the values or of their logarithms, to what the metric asks for."""
    data = replace(data, median=MEDIAN.items() <= params.items())
    fit = partial(learner.fit, seed=job.seed, threads=job.threads, deadline=deadline)
    if not LOGARITHM.items() <= params.items():
        return fit(data, params)
    factor, shift = (1.0, 1.0) if metric.of_logarithms else (params.get(FACTOR), None)
    model = fit(to_logarithm(data, shift), params)
    return LogModel.fitted(model, learner.key, data, factor, shift)


def _checked(model: Model, fold: Fold, n_outputs: int) -> npt.NDArray[np.float64]:
    """Predict the validation rows; refuse what is no prediction."""
    predicted = np.asarray(model.predict(fold.data.X_valid), dtype=np.float64)
    expected = (len(fold.valid), n_outputs)
    if predicted.shape != expected:
        raise BadValuesError(f"predictions have shape {predicted.shape} instead of {expected}")
    # What float32 cannot hold is as bad as infinity: the predictions are stored as float32.
    bad = int(np.count_nonzero(~np.isfinite(predicted.astype(np.float32)).all(axis=1)))
    if bad:
        raise BadValuesError(f"{bad} of {len(fold.valid)} predictions are NaN or infinite")
    return predicted


def _check_memory(job: Job, learner: Learner, shape: Shape, params: dict[str, Any]) -> None:
    """Refuse a fit that would need more memory than the trial may use."""
    needed = learner.memory_bytes(shape, params)
    if needed > job.memory_bytes:
        raise TrialSkipped(
            f"would need about {memory_text(needed)}; the limit of a trial is "
            f"{memory_text(job.memory_bytes)}",
            fix="raise search.memory_bytes",
        )


def _finish(
    job: Job, table: TrainingTable, metric: Metric, progress: Progress, folder: Path
) -> TrialRecord:
    """Score the predictions of all folds and write them."""
    places = table.places(progress.folds)
    predicted = progress.oof[places].astype(np.float64)
    rows = places % table.n_rows
    score = metric.score(table.y[rows], predicted, table.weights_of(rows))
    if not np.isfinite(score):
        raise BadValuesError(f"{metric.label} is undefined for these predictions")
    np.save(folder / "oof.npy", progress.oof)
    write_json(folder / "fits.json", {"encoders": progress.encoders})
    short = progress.folds < table.n_folds and not progress.settled
    taken = {"seconds": round(progress.first.seconds, 3)} if progress.settled else {}
    return job.record(
        "ok",
        f"only {progress.folds} of {table.n_folds} folds: time ran out" if short else "",
        recipe=replace(job.recipe, params=progress.params),
        score=score,
        **_so_far(progress),
        predict_seconds_per_row=progress.predict_seconds_per_row,
        model_bytes=folder_bytes(folder / "model"),
        truncated=progress.truncated or short,
        learnt=_mean_of(progress.learnt),
        **taken,
    )


def _so_far(progress: Progress) -> dict[str, Any]:
    """Return what a record says of the folds that are done."""
    return {
        "fold_scores": tuple(progress.scores),
        "fit_seconds": round(progress.fit_seconds, 3),
        "encode_seconds": round(progress.encode_seconds, 3),
    }


def _mean_of(learnt: Sequence[Mapping[str, float] | None]) -> dict[str, float] | None:
    """Return what the folds have found out, in the mean; None where one has found nothing.

    Folds that learnt at another rate took other numbers of rounds: their product is what counts.
    """
    found = [values for values in learnt if values is not None]
    if len(found) < len(learnt) or not found:
        return None
    mean = {name: float(np.mean([values[name] for values in found])) for name in found[0]}
    if "C" in mean:
        # Strengths are of orders of magnitude.
        mean["C"] = float(np.exp(np.mean([np.log(values["C"]) for values in found])))
    if "n_rounds" in mean:
        work = np.mean([values["n_rounds"] * values["learning_rate"] for values in found])
        mean["n_rounds"] = float(work) / mean["learning_rate"]
    return mean


def _drop_models(folder: Path) -> None:
    """Remove the fold models of a trial that did not end well."""
    for file in sorted((folder / "model").rglob("*"), reverse=True):
        file.rmdir() if file.is_dir() else file.unlink()
    with contextlib.suppress(FileNotFoundError):
        (folder / "model").rmdir()


def _sentence(err: BaseException) -> str:
    """Return class and first line of an exception, cut to a readable length."""
    line = next(iter(str(err).strip().splitlines()), "")
    return f"{type(err).__name__}: {line}"[:300] if line else type(err).__name__


@contextlib.contextmanager
def _threads(number: int) -> Iterator[None]:
    """Hold native libraries to a number of threads."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(number):
        yield
