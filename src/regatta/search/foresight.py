"""Which trials an ensemble would take if the race ended now.

The members are fitted again after the race, and how long that takes is known when they have been
chosen: too late. As long as they are not, time is kept for the best trials. But an ensemble often
takes others, which err differently and may cost a fraction of that, and then the time is lost. So a
long race looks ahead, near its end (docs/adr/0025-a-long-race-foresees-its-ensemble.md).
"""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from regatta.artifacts.records import TrialRecord
from regatta.errors import RegattaError
from regatta.search.clock import Clock
from regatta.search.plan import Plan
from regatta.search.table import TrainingTable

__all__ = ["Foresight"]

logger = logging.getLogger(__name__)

# The share of a race that is left when it begins to look ahead, and that goes by from one look to
# the next.
NEAR_SHARE, NEXT_SHARE = 0.3, 0.05
# A look may take so long, in which the lane watches no trial, and has to be worth it.
SECONDS, WORTH_SECONDS = 1.0, 5.0
# Predictions of all rows are held beside the trials: of very many, that costs memory and time.
MOST_CELLS = 2_000_000


@dataclass
class Foresight:
    """Looks ahead for a lane.

    Attributes
    ----------
    plan : Plan
        What is raced.
    folder : Path
        Folder of the lane.
    looked_at : float
        When it has looked last, in seconds since the epoch.
    """

    plan: Plan
    folder: Path
    looked_at: float = 0.0

    def look(self, records: Sequence[TrialRecord], table: TrainingTable, clock: Clock) -> None:
        """Look ahead if it is time to, and tell the clock.

        Parameters
        ----------
        records : sequence of TrialRecord
            All trials so far.
        table : TrainingTable
            Training rows.
        clock : Clock
            When the race ends.
        """
        if not self._is_due(clock):
            return
        self.looked_at = time.time()
        try:
            members = self._members(records, table, clock.row_seconds)
        except (RegattaError, OSError, MemoryError) as err:
            # The race does without; the stage that needs the files says what is wrong.
            logger.warning("no look at the ensemble: %s", err)
            members = []
        # A selection that time has ended is not what the stage will select.
        clock.expect(members if time.time() - self.looked_at < SECONDS else [])

    def _is_due(self, clock: Clock) -> bool:
        """Return whether to look now; never in a lane that does not know all trials of the race."""
        ensemble = self.plan.settings.ensemble
        limited = ensemble.max_bytes or ensemble.max_row_milliseconds
        cells = self.plan.n_train_rows * self.plan.shape.n_outputs
        if limited or self.plan.fixed or len(self.plan.lanes) > 1 or cells > MOST_CELLS:
            return False
        near = clock.is_long and 0 < clock.left < NEAR_SHARE * clock.race
        waited = time.time() - self.looked_at > NEXT_SHARE * clock.race
        return near and waited and clock.kept > WORTH_SECONDS

    def _members(
        self, records: Sequence[TrialRecord], table: TrainingTable, row_seconds: float
    ) -> list[str]:
        """Return the ids of the trials that an ensemble would take."""
        # A lane whose race is short never looks, and begins a tenth of a second sooner without.
        from regatta.ensemble.candidates import Trial
        from regatta.ensemble.select import select

        done = [r for r in records if r.status == "ok" and len(r.fold_scores) == table.n_folds]
        if not done:
            return []
        ensemble = self.plan.settings.ensemble
        selection = select(
            [Trial(record, self.folder) for record in done],
            table.y,
            table.folds,
            self.plan.objective,
            max_members=ensemble.max_members,
            iterations=ensemble.iterations,
            seed=self.plan.settings.seed,
            seconds=SECONDS,
            row_seconds=row_seconds,
            stacking=False,
            thresholds=False,
            weights=table.weights_of(np.arange(table.n_rows)),
            groups=table.groups,
        )
        return [trial.record.id for trial, _ in selection.members]
