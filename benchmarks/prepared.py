"""Tables as a race gets them, without a race: for benchmarks that try recipes by themselves."""

from pathlib import Path

from measured_tables import MeasuredTable

from regatta.search.table import TrainingTable
from regatta.settings import RunSettings
from regatta.stages import prepare

__all__ = ["prepared"]

BUDGET_SECONDS = 4 * 3_600
MEMORY_BYTES = 8_000_000_000


def prepared(
    table: MeasuredTable, folder: Path, *, most_rows: int = 0, folds: int = 0
) -> tuple[TrainingTable, RunSettings]:
    """Prepare a table for a race that nothing but its number of trials ends.

    Parameters
    ----------
    table : MeasuredTable
        The table.
    folder : Path
        Existing folder for all that is made of it.
    most_rows : int, default 0
        Rows that are drawn where there are more; 0: all are taken.
    folds : int, default 0
        Number of folds; 0: by its size.
    """
    frame = table.load()
    if 0 < most_rows < len(frame):
        frame = frame.sample(most_rows, random_state=0)
    frame.to_csv(folder / "table.csv", index=False)
    source = {"source": str(folder / "table.csv"), "target": table.target, "task": table.task}
    settings = RunSettings.from_values(
        {
            "data": source,
            "search": {"max_trials": 1, "memory_bytes": MEMORY_BYTES},
            "split": {"folds": folds},
            "budget": {"seconds": BUDGET_SECONDS},
            "deploy": {"target": "none"},
        }
    )
    places = [str(folder / name) for name in ("dataset", "schema", "splits", "features", "plan")]
    prepare.run(settings.model_dump_json(), *places)
    return TrainingTable.open(folder / "features"), settings
