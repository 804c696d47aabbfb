"""What ``regatta run`` prints when it is done."""

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from regatta.runs.results import Outcome

__all__ = ["show"]

SHOWN = 10
WARNINGS = 5


def show(outcome: Outcome, console: Console) -> None:
    """Print the leaderboard, the score on the locked rows, where things are and what is next.

    Parameters
    ----------
    outcome : Outcome
        The finished run.
    console : Console
        Where to print.
    """
    console.print()
    console.print(_leaderboard(outcome.leaderboard))
    console.print(_score(outcome))
    console.print(_places(outcome))
    for line in _warnings(outcome):
        console.print(line)
    console.print(Text.assemble("next         ", (_next(outcome), "bold")), soft_wrap=True)


def _leaderboard(leaderboard: dict[str, Any]) -> Table:
    """Return the best trials as a table; those without a model are counted below."""
    trials = leaderboard["trials"]
    done = [trial for trial in trials if trial["status"] == "ok"]
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("#", justify="right")
    table.add_column("trial")
    table.add_column(leaderboard["metric"], justify="right")
    table.add_column("seconds", justify="right")
    table.add_column("weight", justify="right")
    for place, trial in enumerate(done[:SHOWN], start=1):
        weight = trial.get("weight") or 0
        table.add_row(
            str(place),
            trial["id"],
            f"{trial['score']:.5g}",
            f"{trial['seconds']:.1f}{'*' if trial.get('truncated') else ''}",
            f"{weight:.2f}" if weight else "",
            style="bold" if weight else "",
        )
    if any(trial.get("truncated") for trial in done[:SHOWN]):
        table.add_row("", "[dim]* stopped by the clock before it was done")
    rest = max(0, len(done) - SHOWN)
    stopped = sum(trial["status"] == "stopped" for trial in trials)
    failed = len(trials) - len(done) - stopped
    if rest or stopped or failed:
        given_up = f", {stopped} given up early" if stopped else ""
        table.add_row("", f"[dim]{rest} more{given_up}, {failed} without a model")
    return table


def _score(outcome: Outcome) -> Text:
    """Return the score on the locked rows, its interval, and what a constant answer scores."""
    metric = outcome.evaluation["metric"]
    confidence = outcome.evaluation["intervals"]["confidence"]
    text = Text("\nlocked rows  ")
    text.append(f"{metric['key']} {metric['score']:.4g}", "bold green")
    if metric["low"] is not None:
        text.append(f"  ({metric['low']:.4g} to {metric['high']:.4g} at {confidence:.0%})")
    else:
        drawn = "groups" if outcome.evaluation.get("split", {}).get("group") else "rows"
        text.append(f"  (too few {drawn} for an interval)")
    if metric["baseline"] is not None:
        text.append(f"  a constant scores {metric['baseline']:.4g}", "dim")
    return text


def _places(outcome: Outcome) -> Text:
    """Return the lines that say where things are."""
    record = outcome.record
    lines = [
        ("split", outcome.evaluation.get("split", {}).get("by", "")),
        ("report", str(_short(outcome.out / "report.html"))),
        ("version", _standing(record["version"])),
        ("service", _service(record["service"], record["version"])),
        ("time", f"{record['seconds']:.0f} s of {record['budget_seconds']:g} s"),
    ]
    return Text("\n".join(f"{name:<12} {value}" for name, value in lines if value))


def _version(version: dict[str, Any]) -> str:
    """Return the registered name, such as ``churn@3``."""
    return f"{version['name']}@{version['version']}" if version else ""


def _standing(version: dict[str, Any]) -> str:
    """Return the registered name, and whether it is in charge."""
    if not version:
        return ""
    return f"{_version(version)}, {', '.join(version['aliases']) or 'without an alias'}"


def _service(service: dict[str, Any], version: dict[str, Any]) -> str:
    """Return the address of the service, and which version answers if it is not the new one."""
    url = service.get("url") or ""
    if not url or not version or service.get("version") == version["version"]:
        return url
    return f"{url} still serves {service['model']}@{service['version']}"


def _warnings(outcome: Outcome) -> Iterator[Text]:
    """Yield what must not be overlooked: a model that was not promoted, findings in the table."""
    version, comparison = outcome.record["version"], outcome.evaluation["comparison"]
    if version and outcome.evaluation["verdict"] == "keep":
        promote = f"regatta models promote {version['name']} {version['version']}"
        yield _warning(
            f"The champion stays. {comparison['reason']} To promote all the same: {promote}"
            + _registry(outcome)
        )
    found = [one for one in outcome.evaluation["findings"] if one["level"] == "warning"]
    for finding in found[:WARNINGS]:
        column = f"{finding['column']!r}: " if finding["column"] else ""
        yield _warning(f"{column}{finding['message']}")
    if len(found) > WARNINGS:
        yield _warning(f"{len(found) - WARNINGS} more warnings are in the report")


def _warning(text: str) -> Text:
    """Return a paragraph that hangs below its name."""
    return Text.assemble(("warning      ", "yellow"), text)


def _next(outcome: Outcome) -> str:
    """Return the command that a user may want next."""
    model = _version(outcome.record["version"]) or str(_short(outcome.out))
    where = _registry(outcome) if outcome.record["version"] else ""
    return f"regatta predict {shlex.quote(model)} TABLE --out predictions.csv{where}"


def _registry(outcome: Outcome) -> str:
    """Return the option that names the registry, where the run was given one."""
    registry = outcome.record.get("settings", {}).get("deploy", {}).get("registry")
    return f" --registry {shlex.quote(registry)}" if registry else ""


def _short(path: Path) -> Path:
    """Return a path relative to the current folder where that is shorter."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
