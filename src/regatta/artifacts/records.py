"""The trial record: what one trial tried, and what came of it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from regatta.artifacts.base import write_json, writing

__all__ = ["RECORD", "Recipe", "Status", "TrialRecord", "lacking", "write_record"]

RECORD = "trial.json"
"""File of a trial's artifact that holds its record."""

Status = Literal[
    "ok", "stopped", "skipped", "timeout", "out_of_memory", "crashed", "raised", "bad_values"
]


@dataclass(frozen=True)
class Recipe:
    """What a trial shall try.

    Attributes
    ----------
    learner : str
        Key of the learner.
    params : dict
        Its parameters.
    rows : int
        Most training rows of a fold, drawn at random; 0 for all.
    origin : str
        Who proposed it: ``portfolio``, ``grid``, ``random``, ``bayes``, ``halving``, ``user``;
        ``retry of <id>``, after a trial that failed; ``again``, after one of too many folds.
    number : int or None
        Its number among the recipes of all lanes; None where a lane numbers its trials itself.
    """

    learner: str
    params: dict[str, Any] = field(default_factory=dict)
    rows: int = 0
    origin: str = "portfolio"
    number: int | None = None

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Recipe":
        """Read what `dataclasses.asdict` returned."""
        return cls(**values)


@dataclass(frozen=True)
class TrialRecord:
    """One line of the leaderboard.

    Attributes
    ----------
    id : str
        ``<lane>-<number>-<learner>``, such as ``00-003-lightgbm``; without the lane where the
        trials were fixed beforehand; ``-retry`` follows for a retry. Also the name of its folder.
    lane, number : int
        Where it ran, and its place: in the lane, or among all recipes where they have numbers. A
        retry has the number of its trial.
    recipe : Recipe
        What was tried.
    seed : int
        Seed of its draws.
    status : str
        ``ok``, or why there is no model: ``stopped`` (worse on its first folds than others),
        ``skipped`` (refused beforehand), ``timeout``, ``out_of_memory``, ``crashed`` (killed by a
        signal), ``raised``, ``bad_values`` (NaN or infinite predictions).
    reason : str
        One sentence for people; empty when ``ok``, unless time ran out before the last fold.
    score : float or None
        Score on all out-of-fold rows, in the metric's own units.
    fold_scores : tuple of (float or None)
        The same for each fold that was fitted; None where it is undefined (one class only).
    seconds : float
        Wall-clock of the whole trial.
    fit_seconds : float
        What of it went into fitting, predicting and saving; 0 where that is not known.
    encode_seconds : float
        What it took to encode its folds, whichever trial has done so.
    predict_seconds_per_row : float
        Time to predict one row in a large batch, in seconds, by all fold models together.
    peak_memory_bytes : int
        Highest resident memory of its process.
    model_bytes : int
        Size of its models on disk.
    truncated : bool
        Whether the deadline stopped the fit early.
    started_at : float
        Start, in seconds since the epoch.
    learnt : dict or None
        Parameters that the validation rows have found out, the mean of the folds: with them a fit
        of all rows needs none. None: it needs some.
    """

    id: str
    lane: int
    number: int
    recipe: Recipe
    seed: int
    status: Status
    reason: str = ""
    score: float | None = None
    fold_scores: tuple[float | None, ...] = ()
    seconds: float = 0.0
    fit_seconds: float = 0.0
    encode_seconds: float = 0.0
    predict_seconds_per_row: float = 0.0
    peak_memory_bytes: int = 0
    model_bytes: int = 0
    truncated: bool = False
    started_at: float = 0.0
    learnt: dict[str, float] | None = None

    @property
    def own_seconds(self) -> float:
        """What only this trial needed, in seconds: others map what it has encoded."""
        return self.fit_seconds or self.seconds

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "TrialRecord":
        """Read what `to_dict` returned."""
        return cls(
            **{
                **values,
                "recipe": Recipe.from_dict(values["recipe"]),
                "fold_scores": tuple(values["fold_scores"]),
            }
        )


def lacking(record: TrialRecord, n_folds: int) -> tuple[bool, int]:
    """Return how far a trial is from the folds of a race, as a key to sort by; least is best."""
    return len(record.fold_scores) != n_folds, -len(record.fold_scores)


def write_record(folder: Path, record: TrialRecord) -> None:
    """Write the artifact of a trial that could not write its own."""
    with writing(folder, "trial") as place:
        write_json(place / RECORD, record.to_dict())
