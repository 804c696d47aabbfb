"""A lane: races recipes until the deadline, each in a child process of its own.

The lane imports every library once and forks; it never runs a learner itself. Trials run side by
side, one a slot, slots times threads being the cores. What a child cannot say any more (it was
killed, it hung, it used too much memory) the lane writes into the record.
"""

import logging
import shutil
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from regatta.artifacts import read_json
from regatta.artifacts.records import RECORD, Recipe, TrialRecord, lacking, write_record
from regatta.processes.client import is_warm
from regatta.search import machine
from regatta.search.announcing import announce
from regatta.search.budget import bounded_tail
from regatta.search.cache import EncodedFolds, variant
from regatta.search.clock import Clock, Price
from regatta.search.costs import Costs, again_seconds, encode_again_seconds, fit_again_seconds
from regatta.search.foresight import Foresight
from regatta.search.hearing import heard
from regatta.search.isolation import Allowance, Child, Ending, wait
from regatta.search.job import Job
from regatta.search.launching import OTHER_SHARE, import_for, is_short, times_of
from regatta.search.median import NEVER, Bars, bars
from regatta.search.plan import Plan, scored_rows
from regatta.search.proposing import proposer_of
from regatta.search.resuming import note_clock, note_trial, recover
from regatta.search.retries import retried, retry_of
from regatta.search.strategies import RANKED
from regatta.search.table import TrainingTable
from regatta.search.toolbox import Toolbox
from regatta.search.trial import run_trial
from regatta.search.user_spaces import spaces_of, within

__all__ = ["Lane"]

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.1
# Recipes looked at, near the end, to find one that is short enough.
LOOKS, ASK_AGAIN_SECONDS = 12, 1.0
FEWEST_SECONDS = 0.5
# What costs no more than this share of the race may be bad: an ensemble may use it all the same.
SPARE_SHARE = 0.02
# Uses of a seed, beside a trial's own draws (0).
PROPOSER_USE, RETRY_USE = 1, 2


@dataclass
class Running:
    """A trial at work."""

    job: Job
    child: Child


class Lane:
    """The state of a lane.

    Parameters
    ----------
    table : TrainingTable
        Training rows.
    plan : Plan
        What is raced.
    number : int
        Number of the lane.
    folder : Path
        Where trials and encoders are written.
    scratch : Path
        Where encoded rows are kept.
    toolbox : Toolbox
        Where learners and encoders come from.
    """

    def __init__(
        self,
        table: TrainingTable,
        plan: Plan,
        number: int,
        folder: Path,
        scratch: Path,
        toolbox: Toolbox,
    ) -> None:
        self.table, self.plan, self.number, self.folder = table, plan, number, folder
        self.toolbox = toolbox
        search = plan.settings.search
        sharing = machine.lanes_here(len(plan.lanes))
        self.slots = search.cores or machine.slots(sharing)
        self.threads = 1
        self.memory_bytes = search.memory_bytes or machine.memory_share(self.slots * sharing)
        self.metric = plan.objective
        self.cache = EncodedFolds(table, scratch, folder / "encoders", plan.settings.seed, toolbox)
        self.spaces = spaces_of(plan.learners, plan.shape, search.spaces, toolbox)
        self.earlier = recover(folder)
        # A lane that goes on draws anew. Brackets are drawn as before: they are told what is known.
        drawn = 0 if plan.refine == "halving" else self.earlier.begun
        seed = self._seed(drawn, PROPOSER_USE)
        self.proposer = proposer_of(plan, number, seed, self.spaces, self.earlier.recipes)
        self.made = self.earlier.by_number
        self.costs = Costs(plan.shape, toolbox.learner)
        self.clock, self.speed = Clock(0.0, 0.0, 0.0), 1.0
        self.foresight = Foresight(plan, folder)
        self.records: list[TrialRecord] = []
        self.heard: dict[str, TrialRecord] = {}
        self.running: list[Running] = []
        self.retries: list[Recipe] = []
        self.begun = self.earlier.begun
        self.late = False

    def start_clock(self, started_at: float, speed: float) -> None:
        """Fix when the race ends, and take the trials of earlier tries of this lane."""
        now, seconds, earlier = time.time(), self.plan.settings.budget.seconds, self.earlier
        first = earlier.began or now
        if not earlier.has_model and not started_at and now >= first + seconds:
            # Somebody has begun the task again, long after it failed.
            first = now
        self.speed, head = speed, first - (started_at or first)
        self.clock = Clock(
            # Without a model the race has its least length from now on.
            began=first if earlier.has_model else now,
            head=head,
            end=(started_at or first) + seconds,
            tail=bounded_tail(self.plan.tail, speed, seconds - head),
            scored_rows=scored_rows(self.plan.n_train_rows, self.plan.settings),
            refit=self.plan.refit,
            slots=self.slots,
            warm=is_warm(),
        )
        for record in earlier.records:
            self._take(record, told=self.made.get(record.recipe.number) is not record)
        again = {retried(record.recipe) for record in earlier.records}
        self.retries = [recipe for recipe in self.retries if retried(recipe) not in again]
        if self._may_settle and is_short(self.clock):
            probes = [r for r in earlier.records if r.number == 0 and not r.recipe.rows]
            self._settle(r for r in probes if r.recipe.origin != "user" and not retried(r.recipe))
        note_clock(self.folder, first, self.clock.deadline)
        if earlier.began:
            logger.info("lane %d goes on with %d trials", self.number, len(self.records))

    def run(self) -> None:
        """Race until the deadline, or until there is nothing left to try."""
        asks_at = 0.0
        while True:
            while len(self.running) < self.slots and time.time() >= asks_at:
                if recipe := self._next():
                    self._launch(recipe)
                else:
                    # What there is no time for is not kept: a whole queue would soon be gone.
                    asks_at = time.time() + ASK_AGAIN_SECONDS
            if not self.running:
                self._say_what_is_left()
                return
            # All slots are busy, or there is nothing short enough for them.
            self.foresight.look(self.records, self.table, self.clock)
            wait([running.child for running in self.running], POLL_SECONDS)
            for running in list(self.running):
                if (ending := running.child.poll()) is not None:
                    self._bury(running, ending)
                    asks_at = 0.0

    def _say_what_is_left(self) -> None:
        """Warn of trials that were asked for and that there was no time for."""
        most = self.plan.max_trials[self.number]
        if self.late and self.begun < most:
            logger.warning(
                "lane %d: the budget ended before %d of %d trials began; use a longer --budget",
                self.number,
                most - self.begun,
                most,
            )

    def stop(self, reason: str) -> None:
        """End what is at work, and remove what it left half-written."""
        for running in list(self.running):
            self._bury(running, running.child.stop(reason))
        for path in (*self.folder.glob(".*"), *self.folder.glob("encoders/*/.*")):
            shutil.rmtree(path, ignore_errors=True)

    def _seed(self, number: int, use: int = 0) -> int:
        """Return a seed: of a trial, or of another use."""
        lane = 0 if self.plan.fixed else self.number
        entropy = [self.plan.settings.seed, lane, number, use]
        return int(np.random.SeedSequence(entropy).generate_state(1)[0] >> 1)

    def _next(self) -> Recipe | None:
        """Return a recipe that there is time for; retries come first."""
        most = self.plan.max_trials[self.number]
        for _ in range(LOOKS):
            left = self.clock.left
            if not self.retries and most and self.begun >= most:
                return None
            if left < (FEWEST_SECONDS if self.begun else 0.0):
                self.late = True
                return None
            recipe = self.retries.pop(0) if self.retries else self._ask()
            if recipe is None or (able := self._affordable(recipe, left)):
                return recipe and able
        return None

    def _ask(self) -> Recipe | None:
        """Ask for a recipe whose trial an earlier try of this lane has not made."""
        self._hear()
        while (recipe := self.proposer.ask()) and (record := self.made.pop(recipe.number, None)):
            self.proposer.tell(record)
        return recipe

    def _hear(self) -> None:
        """Learn what came of the trials of other lanes, where proposals are learnt at all."""
        if self.plan.fixed or self.plan.refine != "bayes":
            return
        for record in heard(self.folder, self.heard):
            self.heard[record.id] = record
            self.proposer.tell(record)

    def _affordable(self, recipe: Recipe, left: float) -> Recipe | None:
        """Return a recipe that there is time for; what was fixed beforehand stays as it is."""
        if self.plan.fixed:
            return recipe
        if retried(recipe):
            return recipe if self.costs.expect(recipe, self.table.n_folds) <= left else None
        if recipe.number is not None or recipe.origin == "user":
            return recipe
        share = OTHER_SHARE * self.clock.race
        return self.costs.affordable(recipe, self.table.n_folds, share, left)

    def _launch(self, recipe: Recipe) -> None:
        """Start a trial in a child process."""
        import_for(recipe.learner)
        times = times_of(
            self.clock,
            now := time.time(),
            longest=self.plan.settings.search.trial_seconds,
            n_folds=self.table.n_folds,
            first=self._is_pilot(recipe),
            hopeful=self.best is None,
            fixed=self.plan.fixed,
        )
        name, number = self._named(recipe)
        job = Job(
            id=name,
            lane=self.number,
            number=number,
            recipe=recipe,
            seed=self._seed(number, RETRY_USE if retried(recipe) else 0),
            threads=self.threads,
            fit_seconds=times.fit_seconds,
            encode_seconds=times.encode_seconds,
            deadline=times.deadline,
            partial=times.partial,
            memory_bytes=self.memory_bytes,
            started_at=now,
            folder=self.folder / name,
            probe=self._may_settle
            and self._is_pilot(recipe)
            and not recipe.rows
            and is_short(self.clock),
            bars=self._bars(recipe),
        )
        allowance = Allowance(times.killed_at, self.memory_bytes, times.why)
        note_trial(self.folder, job)
        work = (job, self.table, self.cache, self.toolbox, self.metric)
        self.running.append(Running(job, Child(lambda: run_trial(*work), allowance)))
        self.begun += not retried(recipe)

    def _is_pilot(self, recipe: Recipe) -> bool:
        """Return whether a recipe is there to give a model soon; what a user wants has its time."""
        return not self.begun and recipe.origin != "user"

    @property
    def _may_settle(self) -> bool:
        """Whether the folds are the lane's to choose: nobody else has, and no lane differs.

        Nor do trials of `halving`, which have numbers of its own, begin again.
        """
        settings = self.plan.settings
        chosen = self.plan.fixed or settings.split.folds or settings.search.strategy == "halving"
        return len(self.plan.lanes) == 1 and not chosen and self.table.one_fold_may_do

    def _bars(self, recipe: Recipe) -> Bars:
        """Return when to give a trial up; never where each was asked for."""
        search = self.plan.settings.search
        if not search.median_stopping or self.plan.fixed or search.strategy not in RANKED:
            return NEVER
        known = [*self.records, *self.heard.values()]
        spare = SPARE_SHARE * self.clock.race
        return bars(known, recipe, self.metric, self.table.n_folds, spare_seconds=spare)

    def _named(self, recipe: Recipe) -> tuple[str, int]:
        """Return id and number of the trial of a recipe."""
        number = self.begun if recipe.number is None else recipe.number
        if original := retried(recipe):
            return f"{original}-retry", number
        lane = "" if self.plan.fixed else f"{self.number:02d}-"
        return f"{lane}{number:03d}-{recipe.learner}", number

    @property
    def best(self) -> TrialRecord | None:
        """The best trial so far, of those with most folds."""
        done = [record for record in self.records if record.score is not None]
        n_folds = self.table.n_folds
        return min(done, key=lambda r: (lacking(r, n_folds), self._loss(r)), default=None)

    def _bury(self, running: Running, ending: Ending) -> None:
        """Take a trial that has ended into the records."""
        self.running.remove(running)
        job = running.job
        written = job.folder / RECORD
        if written.is_file():
            record = TrialRecord.from_dict(read_json(written))
        else:
            status = "crashed" if ending.status == "done" else ending.status
            reason = ending.reason or "ended without a record"
            record = job.record(status, reason, peak_memory_bytes=ending.peak_memory_bytes)
            write_record(job.folder, record)
        self._take(record)
        best = self.best
        announce(record, self.metric, best.score if best else None)
        if job.probe:
            self._settle([record])
        elif len(record.fold_scores) > self.table.n_folds:
            self.retries += _again([record])

    def _settle(self, probes: Iterable[TrialRecord]) -> None:
        """Go on with one fold if the first trial has found out that there is no time for all.

        Models that are cut short by time lose more than those of other folds give.
        """
        if any(record.status == "ok" and len(record.fold_scores) == 1 for record in probes):
            logger.info("lane %d: one fold of %d has to do", self.number, self.table.n_folds)
            self.table = replace(self.table, n_folds=1)
            self.cache.settle_for_one()
            done = [r.recipe for r in self.records if len(r.fold_scores) <= 1]
            more = [r for r in self.records if len(r.fold_scores) > 1]
            self.retries += _again(record for record in more if record.recipe not in done)

    def _take(self, record: TrialRecord, *, told: bool = True) -> None:
        """Learn what came of a trial; one that was made before is told when it is asked for."""
        self.records.append(record)
        if told:
            self.proposer.tell(record)
        self.costs.learn(record)
        learner = self.toolbox.learner(record.recipe.learner)
        if again := retry_of(record, learner, self.plan.shape):
            self.retries += within([again], self.spaces, self.plan.settings.search.spaces)
        if record.score is not None:
            price = Price(
                self._loss(record),
                predict_seconds_per_row=record.predict_seconds_per_row,
                again_seconds=again_seconds(record, self.clock.draws),
                fit_seconds=fit_again_seconds(record),
                encode_seconds=encode_again_seconds(record),
                load_seconds=learner.seconds_per_byte * record.model_bytes,
                learner=learner.key,
                encoding=variant(learner.encoding, record.recipe.rows),
                trial=record.id,
            )
            self.clock.learn(price)

    def _loss(self, record: TrialRecord) -> float:
        """Return a score turned so that less is better."""
        return self.metric.loss(record.score if record.score is not None else np.nan)


def _again(records: Iterable[TrialRecord]) -> list[Recipe]:
    """Return what has been fitted on more folds than the lane has settled for, to be tried anew.

    The trials get numbers of their own: under the old ones they would find the old results.
    """
    return [
        replace(
            record.recipe,
            number=None,
            origin="again" if retried(record.recipe) else record.recipe.origin,
        )
        for record in records
        if record.status == "ok"
    ]
