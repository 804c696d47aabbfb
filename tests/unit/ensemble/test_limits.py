"""What is measured of candidates where the user limits an ensemble."""

import pytest

from regatta.artifacts.records import Recipe, TrialRecord
from regatta.ensemble import limits as module
from regatta.ensemble.candidates import CANDIDATES, Trial
from regatta.ensemble.limits import Limits, shares_of
from regatta.errors import SearchError

MANY = 4 * CANDIDATES


def trials(n: int) -> list[Trial]:
    """Return trials of which each is larger than the one before."""
    return [
        Trial(TrialRecord(f"{i:03d}", 0, i, Recipe("x"), 0, "ok", model_bytes=1000 + i), None)
        for i in range(n)
    ]


@pytest.fixture
def measured(monkeypatch) -> list[str]:
    """Take a millisecond for each row of a trial, ten for those with an even number."""
    found: list[str] = []

    def row_seconds(trial, row):
        found.append(trial.record.id)
        return 0.001 if trial.record.number % 2 else 0.01

    monkeypatch.setattr(module, "_row_seconds", row_seconds)
    return found


def test_no_more_are_measured_than_an_ensemble_looks_at(measured):
    shares = shares_of(trials(MANY), Limits(0.004, 0, {}), 60)
    assert len(shares) == CANDIDATES
    assert len(measured) == 2 * CANDIDATES
    assert shares["001"] == (0.25, 0.0)


def test_without_time_one_that_keeps_the_limits_is_enough(measured):
    assert list(shares_of(trials(MANY), Limits(0.004, 0, {}), -1)) == ["001"]


def test_what_is_too_large_is_not_measured(measured):
    shares = shares_of(trials(MANY), Limits(0.02, 1001, {}), 60)
    assert list(shares) == ["000", "001"]
    assert measured == ["000", "001"]


@pytest.mark.parametrize(
    ("limits", "said", "unsaid"),
    [
        (Limits(1e-6, 0, {}), "the fastest takes 1 ms a row", "bytes"),
        (Limits(0, 10, {}), "the smallest has 1,000 bytes", "ms"),
        (Limits(1e-6, 1001, {}), "1 ms a row, the smallest has 1,000 bytes", "nothing"),
    ],
)
def test_where_none_keeps_them_the_limit_that_is_set_is_told(measured, limits, said, unsaid):
    with pytest.raises(SearchError) as err:
        shares_of(trials(4), limits, 60)
    assert said in err.value.found
    assert unsaid not in err.value.found
