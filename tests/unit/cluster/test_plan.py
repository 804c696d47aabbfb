"""``regatta plan`` says what a run takes, from the compiled pipeline and measured times."""

import pytest
from typer.testing import CliRunner

from regatta.cli import app
from regatta.cluster.estimate import estimate
from regatta.runs.workflows import locate
from regatta.settings import RunSettings

TABLE = ["--source", "s3://data/churn.csv", "--target", "churn"]


def settings(lanes: int = 1, seconds: float = 300.0) -> RunSettings:
    return RunSettings.from_values(
        {"search": {"lanes": lanes}, "budget": {"seconds": seconds}, "deploy": {"target": "none"}}
    )


def test_pods_and_memory_follow_the_lanes() -> None:
    one, four = (estimate(settings(lanes), memory="512Mi") for lanes in (1, 4))
    assert four.pods - one.pods == 9
    assert (four.pods_at_once, four.memory_at_once_gib) == (4, 2.0)
    compiled = locate() / "pipelines" / "train" / "pipeline.yaml"
    assert four.ir_bytes == compiled.stat().st_size
    assert four.workflow_bytes > one.workflow_bytes > one.ir_bytes


def test_a_large_table_asks_for_larger_pods() -> None:
    small, large = (estimate(settings(), n_rows=rows, n_columns=100) for rows in (1_000, 10**7))
    assert (small.memory, large.memory) == ("2Gi", "64Gi")


def test_the_race_gets_what_is_left_of_the_budget() -> None:
    found = estimate(settings(4, 300.0))
    after = [seconds for part, seconds in found.seconds.items() if "race" in part]
    assert 200 < found.seconds["trial: the race"] < 300
    assert len(after) == 3
    assert found.total_seconds == pytest.approx(sum(found.seconds.values()), abs=0.2)
    # What Kubernetes adds to the budget; the aim with four lanes is under 110 s.
    assert found.total_seconds - 300 < 110


def test_a_budget_that_does_not_hold_names_one_that_does() -> None:
    short = estimate(settings(2, 20.0))
    assert not short.fits
    assert estimate(settings(2, short.least_seconds)).least_seconds <= short.least_seconds + 5
    result = CliRunner().invoke(app, ["plan", *TABLE, "--budget", "20s"])
    assert result.exit_code == 2
    assert "use --budget" in result.output


def test_a_workflow_that_is_too_large_does_not_fit() -> None:
    assert not estimate(settings(256, 3600)).fits or estimate(settings(256, 3600)).pods > 700


def test_the_command_prints_each_part() -> None:
    result = CliRunner().invoke(app, ["plan", *TABLE, "--workers", "4", "--budget", "5m"])
    assert result.exit_code == 0, result.output
    for word in ("pods", "memory asked", "pipeline", "trial: the race", "budget", "holds"):
        assert word in result.output


def test_a_table_of_this_machine_is_refused() -> None:
    result = CliRunner().invoke(app, ["plan", "--source", "churn.csv", "--target", "x"])
    assert "which pods cannot read" in str(result.exception)
