"""Trials of all lanes, read from their artifacts."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from regatta.artifacts import open_artifact, read_json
from regatta.artifacts.records import TrialRecord
from regatta.bundle import FitSpec, MemberSpec

__all__ = ["CANDIDATES", "Race", "Trial", "read_lanes"]

CANDIDATES = 25
"""So many of the best trials a selection looks at."""


@dataclass(frozen=True)
class Trial:
    """One trial in the artifact of its lane.

    Attributes
    ----------
    record : TrialRecord
        What came of it.
    lane : Path
        Folder of the lane.
    """

    record: TrialRecord
    lane: Path

    @property
    def path(self) -> Path:
        """Folder of the trial."""
        return self.lane / self.record.id

    def oof(self) -> npt.NDArray[np.float32]:
        """Read the out-of-fold predictions.

        Returns
        -------
        ndarray of shape (n_repeats * n_train_rows, n_outputs), float32
            One repeat of the folds behind the other; NaN for rows that no fold validates.

        Raises
        ------
        ArtifactError
            The file is not the one that was written.
        """
        artifact = open_artifact(self.path, "trial", verify=("oof.npy",))
        values: npt.NDArray[np.float32] = np.load(artifact.file("oof.npy"), allow_pickle=False)
        return values

    def member(self, weight: float) -> MemberSpec:
        """Return the trial as a member of a bundle, every file of it verified.

        Parameters
        ----------
        weight : float
            Its share of the prediction.

        Raises
        ------
        ArtifactError
            A file is not the one that was written.
        """
        artifact = open_artifact(self.path, "trial")
        encoders = read_json(artifact.file("fits.json"))["encoders"]
        return MemberSpec(
            trial=self.record.id,
            learner=self.record.recipe.learner,
            params=self.record.recipe.params,
            weight=weight,
            fits=tuple(
                FitSpec(self.lane / "encoders" / encoder, self.path / f"model/fold-{number}")
                for number, encoder in enumerate(encoders)
            ),
        )


@dataclass(frozen=True)
class Race:
    """All lanes of a run.

    Attributes
    ----------
    trials : tuple of Trial
        In the order of lanes, and of their start.
    lanes : tuple of dict
        What each ``lane.json`` holds.
    """

    trials: tuple[Trial, ...]
    lanes: tuple[dict[str, Any], ...]

    @property
    def usable(self) -> tuple[Trial, ...]:
        """The trials that gave a model."""
        return tuple(trial for trial in self.trials if trial.record.status == "ok")

    @property
    def n_folds(self) -> int:
        """Folds of a trial that can be compared with others: a lane may have settled for one."""
        most = max((len(trial.record.fold_scores) for trial in self.usable), default=0)
        return min([most, *(int(lane["folds"]) for lane in self.lanes if "folds" in lane)])

    @property
    def row_seconds(self) -> float:
        """Time in which all members should predict a row among many; there is none for more.

        A lane knows only the best of its own, which another lane's may outdo.
        """
        return max((float(lane.get("row_seconds", inf)) for lane in self.lanes), default=inf)

    @property
    def comparable(self) -> tuple[Trial, ...]:
        """The usable trials that were scored on the same rows."""
        # Those that ran out of time before the last fold were scored on fewer.
        n_folds = self.n_folds
        return tuple(trial for trial in self.usable if len(trial.record.fold_scores) == n_folds)


def read_lanes(paths: Sequence[str | Path]) -> Race:
    """Read the records of all lanes.

    Parameters
    ----------
    paths : sequence of path
        Folders of the trials artifacts.

    Raises
    ------
    ArtifactError
        A lane's artifact is missing or changed.
    """
    trials: list[Trial] = []
    lanes: list[dict[str, Any]] = []
    for path in paths:
        artifact = open_artifact(path, "trials")
        lanes.append(read_json(artifact.file("lane.json")))
        for folder in sorted(place for place in artifact.path.iterdir() if place.is_dir()):
            if folder.name == "encoders":
                continue
            trial = open_artifact(folder, "trial", verify=("trial.json",))
            record = TrialRecord.from_dict(read_json(trial.file("trial.json")))
            trials.append(Trial(record, artifact.path))
    trials.sort(key=lambda trial: (trial.record.lane, trial.record.number))
    return Race(tuple(trials), tuple(lanes))
