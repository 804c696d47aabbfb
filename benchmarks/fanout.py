"""How well lanes use their time: ``python benchmarks/fanout.py [RUN ...]``.

First for real: the share of lane time that was spent inside trials, and how many trials each lane
did beside how many one lane alone did. ``RUN`` is the output folder of a finished `regatta run`;
without one, a table is trained on with one lane and with two, each lane with one core.

Then by simulation: as many lanes as no single machine has draw from the costs of those trials,
while each pod waits for its node and its image. Compared is a pod for each lane, which is how
Regatta fans out, with a pod for each trial. The ideal is the same lanes with pods that are there
at once. What lanes learn from each other, and a scheduler that is itself the bottleneck, are not
simulated.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from measured_tables import find_tables, split
from scores import markdown

Array = np.ndarray[Any, Any]
# A trial of less would be one that was refused.
LEAST_COST = 0.05


@dataclass(frozen=True)
class Fanout:
    """What the lanes of one run did.

    Attributes
    ----------
    lanes : int
        Number of lanes.
    slot_seconds : float
        Time that all lanes had for trials, times their slots.
    costs : tuple of float
        Seconds of each trial, failed ones among them.
    finished : int
        Trials with a model.
    """

    lanes: int
    slot_seconds: float
    costs: tuple[float, ...]
    finished: int

    @property
    def inside(self) -> float:
        """Share of lane time that was spent inside trials."""
        return sum(self.costs) / self.slot_seconds

    @property
    def rate(self) -> float:
        """Trials with a model in a minute of one slot."""
        return 60 * self.finished / self.slot_seconds


def main() -> None:
    """Measure, simulate and print."""
    parser = argparse.ArgumentParser(description="How well lanes use their time.")
    parser.add_argument("runs", nargs="*", type=Path, help="output folders of finished runs")
    parser.add_argument("--tables", type=Path, help="folder with a datasets.json, without RUN")
    parser.add_argument("--only", nargs=1, default=[], metavar="NAME", help="default: the first")
    parser.add_argument("--budget", type=float, default=60, help="of the runs, without RUN")
    parser.add_argument("--lanes", type=int, nargs="+", default=[16, 64, 256], help="simulated")
    parser.add_argument(
        "--seconds", type=float, nargs="+", default=[60, 300, 1800], help="of the simulated race"
    )
    parser.add_argument(
        "--delay", type=float, nargs=2, default=[5, 30], help="least and most a pod waits"
    )
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        runs = options.runs or list(train(options, Path(folder)))
        fanouts = [read(run) for run in runs]
    print(measured_table(fanouts), end="\n\n")
    costs = np.array([cost for each in fanouts for cost in each.costs if cost > LEAST_COST])
    if not costs.size:
        raise SystemExit("no trial of these runs took any time; there is nothing to simulate")
    low, high = options.delay
    print(
        f"Simulated: pods wait {low:g} to {high:g} s; {costs.size} measured trials of"
        f" {np.median(costs):.1f} s (median), {costs.max():.1f} s (longest); 1 is the ideal\n"
    )
    print(simulated_table(costs, options))


def train(options: argparse.Namespace, folder: Path) -> Iterable[Path]:
    """Yield the output folders of a run with one lane, and of one with two."""
    table = find_tables(options.tables, options.only)[0]
    rows = split(table, 0, folder).train
    for lanes in (1, 2):
        out = folder / f"lanes-{lanes}"
        command = [sys.executable, "-m", "regatta.cli", "run", str(rows), "--no-deploy"]
        command += ["--target", table.target, "--task", table.task, "--out", str(out)]
        command += ["--budget", f"{options.budget:g}s", "--workers", f"{lanes}", "--cores", "1"]
        # A registry of its own: the second run shall not start from what the first has found.
        home = {"REGATTA_HOME": str(folder / f"home-{lanes}")}
        subprocess.run(command, check=True, env=os.environ | home, stdout=sys.stderr)
        yield out


def read(run: Path) -> Fanout:
    """Read what the lanes of a finished run left."""
    folders = sorted(path.parent for path in run.glob("trials/*/lane.json"))
    if not folders:
        raise SystemExit(f"no trials/*/lane.json in {run}; name the --out of a `regatta run`")
    lanes = [_json(folder / "lane.json") for folder in folders]
    trials = [
        _json(folder / name / "trial.json")
        for folder, lane in zip(folders, lanes, strict=True)
        for name in lane["trials"]
    ]
    return Fanout(
        lanes=len(lanes),
        slot_seconds=sum(lane["race_seconds"] * lane["slots"] for lane in lanes),
        costs=tuple(trial["seconds"] for trial in trials),
        finished=sum(trial["score"] is not None for trial in trials),
    )


def _json(path: Path) -> dict[str, Any]:
    """Read a JSON object."""
    values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return values


def measured_table(fanouts: Sequence[Fanout]) -> str:
    """Return what was measured; the first run with the fewest lanes is what others compare to.

    Examples
    --------
    >>> one, two = Fanout(1, 60, (20, 34), 2), Fanout(2, 120, (20, 34, 40), 3)
    >>> print(measured_table([one, two]).splitlines()[-1])
    | 2 | 120 s | 94 s | 78% | 3 of 3 | 0.75 |
    """
    alone = min(fanouts, key=lambda each: each.lanes)
    header = ["lanes", "lane time × slots", "inside trials", "share", "with a model"]
    rows = [
        [
            f"{each.lanes}",
            f"{each.slot_seconds:.0f} s",
            f"{sum(each.costs):.0f} s",
            f"{each.inside:.0%}",
            f"{each.finished} of {len(each.costs)}",
            f"{each.rate / alone.rate:.2f}" if alone.rate else "–",
        ]
        for each in fanouts
    ]
    return markdown([*header, f"trials a slot, to {alone.lanes} lane"], rows)


def simulated_table(costs: Array, options: argparse.Namespace) -> str:
    """Return trials done, relative to the ideal, by length of the race and number of lanes."""
    rows = []
    for seconds in options.seconds:
        for lanes in options.lanes:
            row = [f"{seconds:g} s", f"{lanes}"]
            for per_trial in (False, True):
                shares = [
                    efficiency(
                        costs,
                        lanes,
                        seconds,
                        tuple(options.delay),
                        per_trial=per_trial,
                        draws=np.random.default_rng(number),
                    )
                    for number in range(options.rounds)
                ]
                row.append(f"{np.mean(shares):.2f} ({min(shares):.2f} to {max(shares):.2f})")
            rows.append(row)
    return markdown(["race", "lanes", "a pod a lane", "a pod a trial"], rows)


def efficiency(
    costs: Array,
    lanes: int,
    seconds: float,
    delay: tuple[float, ...],
    *,
    per_trial: bool,
    draws: np.random.Generator,
) -> float:
    """Return the trials that lanes finish, relative to the same lanes without any waiting.

    It is 1 where even without waiting no trial ends in time.

    Parameters
    ----------
    costs : array of float, shape (n_costs,)
        Seconds of trials, drawn from with replacement.
    lanes : int
        Lanes side by side, each with one trial at a time.
    seconds : float
        Length of the race. A trial that ends later does not count.
    delay : tuple of two floats
        Least and most seconds that a pod waits, drawn uniformly.
    per_trial : bool
        Whether each trial has a pod of its own; False: each lane has one.
    draws : Generator
        Where draws come from.

    Examples
    --------
    >>> second = np.array([1.0])
    >>> never, always = (0.0, 0.0), (5.0, 5.0)
    >>> draws = np.random.default_rng(0)
    >>> efficiency(second, 4, 20, never, per_trial=False, draws=draws)
    1.0
    >>> efficiency(second, 4, 20, always, per_trial=False, draws=draws)
    0.75
    >>> efficiency(second, 4, 20, always, per_trial=True, draws=draws)
    0.15
    """
    done = ideal = 0
    # So many trials of the mean cost fill the race; luck may ask for more, seldom for twice.
    most = int(2 * seconds / costs.mean()) + 10
    for _ in range(lanes):
        taken = draws.choice(costs, most)
        waits = np.zeros(most)
        pods = most if per_trial else 1
        waits[:pods] = draws.uniform(delay[0], delay[1], pods)
        ideal += int((np.cumsum(taken) <= seconds).sum())
        done += int((np.cumsum(taken + waits) <= seconds).sum())
    return done / ideal if ideal else 1.0


if __name__ == "__main__":
    main()
